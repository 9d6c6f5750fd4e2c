"""The operator's collector, for all that is sent to it: where it is, how it is reached, and what it leaves unsaid.

The SDK reads `OTEL_*` variables for whatever its constructors are not told, and its HTTP client reads proxy
variables and `.netrc`. So everything is told here and the client trusts no environment. One exception is left
on purpose, because it is where operators keep the collector's credentials: `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_EXPORTER_OTLP_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY` and
their `_TRACES_` and `_METRICS_` forms.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import requests

TRACES_PATH: Final = "/v1/traces"
METRICS_PATH: Final = "/v1/metrics"
EXPORT_TIMEOUT_S: Final = 3.0
"""How long one request to the collector may take, its repetitions included."""


def traces_url(endpoint: str) -> str:
    """Return where spans are posted: `endpoint` is a base URL, or already ends in `/v1/traces`."""
    return _base(endpoint) + TRACES_PATH


def metrics_url(endpoint: str) -> str:
    """Return where metrics are posted: beside the spans."""
    return _base(endpoint) + METRICS_PATH


def new_session() -> requests.Session:
    """Make a connection that trusts no environment."""
    session = requests.Session()
    session.trust_env = False
    return session


class Carrier(requests.Session):
    """A connection that trusts no environment, and sends `body` in place of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.body = b""
        self.carried = False

    def request(self, *args: Any, **more: Any) -> requests.Response:
        """Send the body, as often as the SDK tries to."""
        self.carried = True
        return super().request(*args, **{**more, "data": self.body})


class LastWords(logging.Filter):
    """Keeps the SDK's complaints of one thread instead of letting them through: they come with every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.text = "no reason given"
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Remember the record's words and stop it."""
        if record.thread != self._thread:
            return True
        self.text = record.getMessage()
        return False


@contextmanager
def quiet(exporter: logging.Logger) -> Iterator[LastWords]:
    """Keep what an exporter of the SDK says to this thread meanwhile."""
    words = LastWords()
    exporter.addFilter(words)
    try:
        yield words
    finally:
        exporter.removeFilter(words)


def _base(endpoint: str) -> str:
    return endpoint.rstrip("/").removesuffix(TRACES_PATH)
