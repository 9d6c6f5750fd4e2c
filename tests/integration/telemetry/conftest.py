"""Tracing, and the collectors it may meet."""

import socket
from collections.abc import Callable, Iterator

import pytest
from llmgw.telemetry.spans import Tracing
from tests.collectors import BlackHole, Collector
from tests.traced_calls import Fixed


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that works."""
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def black_hole() -> Iterator[BlackHole]:
    """A collector that never answers."""
    hole = BlackHole()
    yield hole
    hole.close()


@pytest.fixture
def refusing() -> Iterator[str]:
    """The URL of a port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def start() -> Iterator[Callable[..., Tracing]]:
    """Start tracing; it is shut down at the end, whatever became of its collector."""
    started: list[Tracing] = []

    def begin(endpoint: str, *, sample: float = 1.0, slow_ms: float = 10_000, **resource: str) -> Tracing:
        tracing = Tracing(
            endpoint, sample=sample, slow_ms=slow_ms, version="1.2.3", clock=Fixed(), resource=resource
        )
        started.append(tracing)
        return tracing

    yield begin
    for tracing in started:
        tracing.shutdown(0)
