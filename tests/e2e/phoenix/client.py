"""Phoenix, asked over its REST API."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.e2e.trace_story import Seen

PROJECT = "default"
"""Where spans go whose process names no project."""


class Phoenix:
    """One Phoenix by its base URL, of which only what is younger than this object is asked."""

    def __init__(self, url: str) -> None:
        self.page = self.otlp = url
        self._since = datetime.now(UTC).isoformat()

    def is_ready(self) -> bool:
        """Whether it answers."""
        with urllib.request.urlopen(f"{self.page}/v1/projects", timeout=30) as answer:
            return bool(answer.status == 200)

    def search(self, **said: Any) -> set[str]:
        """The traces that have a span with exactly these attributes."""
        wanted = [("attribute", f"{name.replace('__', '.')}:{value}") for name, value in said.items()]
        return {each["context"]["trace_id"] for each in self._get(wanted)}

    def trace(self, trace: str) -> list[Seen]:
        """The spans of a trace, as far as they have come."""
        return [_seen(each) for each in self._get([("trace_id", trace)])]

    def _get(self, query: list[tuple[str, str]]) -> list[Any]:
        asked = urllib.parse.urlencode([*query, ("limit", "1000"), ("start_time", self._since)])
        try:
            with urllib.request.urlopen(
                f"{self.page}/v1/projects/{PROJECT}/spans?{asked}", timeout=30
            ) as answer:
                found: list[Any] = json.load(answer)["data"]
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read()) from None


def _seen(span: Mapping[str, Any]) -> Seen:
    return Seen(
        trace_id=span["context"]["trace_id"],
        span_id=span["context"]["span_id"],
        parent_id=span["parent_id"] or "",
        name=span["name"],
        kind=None,
        error=span["status_code"] == "ERROR",
        attributes=span["attributes"],
        events=[(each["name"], each.get("attributes", {})) for each in span["events"]],
    )
