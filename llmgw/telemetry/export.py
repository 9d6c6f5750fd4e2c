"""Finished spans on their way to a collector: a bounded queue, a thread of its own, and no patience."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from msgspec.structs import replace

from llmgw.telemetry import semconv
from llmgw.telemetry.otlp import Envelope, said, written
from llmgw.telemetry.span import Span

_log = logging.getLogger(__name__)

MAX_QUEUE = 4096
"""Spans waiting to be sent, a few megabytes; more than that are dropped, the newest first."""
MAX_WITH_WORDS = 256
"""Traces waiting with words that nobody looked through yet; those of more are told without their words."""
_MAX_BATCH = 1024
"""Spans of a request: one takes as long as writing a hundred spans does, so there are few."""
_MAX_BYTES = 4 * 1024 * 1024
"""Bytes from which a request is long enough, before they are compressed."""
_SEND_EVERY_S = 1.0

_Waiting: TypeAlias = bytes | Sequence[Span]
"""A trace as it is sent, or its spans, while their words are not looked through."""


class SpanExport:
    """Sends spans to one collector over OTLP/HTTP; `offer` neither waits nor raises, come what may."""

    def __init__(self, endpoint: str, envelope: Envelope) -> None:
        # Costs a worker nothing that tells no collector.
        from llmgw.telemetry.sending import Sender  # noqa: PLC0415

        self._sender = Sender(endpoint, envelope)
        self._queue: deque[tuple[int, _Waiting]] = deque()
        self._offered = 0
        self._refused = 0
        self._taken = 0
        self._with_words = 0
        self._looked_through = 0
        self._closed = False
        self._wake = threading.Event()
        # Where the process ends without `close`, nobody waits for it.
        self._thread = threading.Thread(target=self._run, name="llmgw-traces", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Spans that will never arrive; after `close` every offered span has arrived or is counted here."""
        if self._closed:
            return self._refused + self._offered - self._sender.delivered
        return self._refused + self._sender.failed

    @property
    def waiting(self) -> int:
        """Spans in the queue."""
        return self._offered - self._taken

    def offer(self, spans: Sequence[Span]) -> bool:
        """Queue the spans of one trace, or drop them all where the queue has no room for them; says which.

        Call it from one thread. Spans are written here, as that is less work than to keep them, but for those with
        words: their thread looks through them.
        """
        count = len(spans)
        if self._closed or self.waiting + count > MAX_QUEUE:
            self._refused += count
            return False
        self._queue.append((count, self._tellable(spans)))
        self._offered += count
        if self.waiting >= _MAX_BATCH:
            self._wake.set()
        return True

    def close(self, timeout_s: float) -> None:
        """Send what is queued, for at most `timeout_s`; what is left then is dropped. Blocks; runs once."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self._thread.join(timeout_s)
        self._sender.abandon()
        if self.dropped:
            _log.warning("%d spans were not delivered", self.dropped)

    def _tellable(self, spans: Sequence[Span]) -> _Waiting:
        for span in spans:
            if span.words is not None:
                break
        else:
            return written(spans)
        waiting = self._with_words - self._looked_through
        if waiting >= MAX_WITH_WORDS:
            return written([_without_words(span) for span in spans])
        self._with_words += 1
        if 2 * waiting >= MAX_WITH_WORDS:
            self._wake.set()
        return spans

    def _run(self) -> None:
        while not self._closed:
            is_due = not self._wake.wait(_SEND_EVERY_S)
            self._wake.clear()
            least = 1 if is_due or self._with_words > self._looked_through else _MAX_BATCH
            self._send(least)
        self._send(1)

    def _send(self, least: int) -> None:
        """Send batches while so many spans wait."""
        while self.waiting >= least:
            count, traces = self._batch()
            if count:
                self._sender.send(count, traces)

    def _batch(self) -> tuple[int, list[bytes]]:
        """Take the next spans that go in one request: how many, and each trace as it is sent."""
        spans = size = 0
        traces: list[bytes] = []
        while self._queue and size < _MAX_BYTES and (not spans or spans + self._queue[0][0] <= _MAX_BATCH):
            count, trace = self._queue.popleft()
            self._taken += count
            if not isinstance(trace, bytes):
                self._looked_through += 1
                try:
                    trace = b"" if self._sender.abandoned else written(trace)
                except Exception as error:  # noqa: BLE001 - whatever it is of: the others go on
                    self._sender.lose(count, f"a {type(error).__name__} as they were written")
                    continue
            spans += count
            size += len(trace)
            traces.append(trace)
        return spans, traces


def _without_words(span: Span) -> Span:
    if span.words is None:
        return span
    return replace(span, words=None, said=(*span.said, said({semconv.LLMGW_TRUNCATED: True})))
