"""One connection to a provider and the answers that come over it."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

PIECE: Final = 64 * 1024
"""Most bytes handed out at a time: what a slow caller has not taken yet is kept."""

READ_AHEAD: Final = 16 * 1024
"""Bytes of a body after which no more is read until they are taken; one read of the socket may bring more."""

MAX_HEAD: Final = 64 * 1024
"""Most bytes of header names and values in an answer."""
MAX_FIELDS: Final = 128
MAX_FIELD: Final = 8190
"""Most bytes of one header, and of the words behind a status."""

TIMER_GRAIN_S: Final = 0.001
"""How much too early a timer may fire."""

_IN_NAMES: Final = b"!#$%&'*+.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"
_IN_VALUES: Final = bytes(byte for byte in range(256) if byte == 0x09 or (byte >= 0x20 and byte != 0x7F))
_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Malformed(Exception):
    """What came is not HTTP, or not as it may be asked for."""


class HeadTooLarge(Exception):
    """The head of an answer is over its limits."""


class Lost(Exception):
    """The connection ended before the answer did; `begun` tells whether anything of it had come."""

    def __init__(self, error: Exception | None, *, begun: bool) -> None:
        super().__init__()
        self.error = error
        self.begun = begun


class Answer:
    """What has come of one answer: its head, and what of its body nobody has taken yet.

    `failure` is why nothing more will come; `complete` that all of it did. `fields` are the headers as they came.
    `waiter` waits for the head or, behind it, for the next piece of the body: an empty one says to look again.
    """

    __slots__ = (
        "begun",
        "body",
        "complete",
        "failure",
        "fields",
        "headed",
        "size",
        "status",
        "until_close",
        "waiter",
    )

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.begun = False
        self.headed = False
        self.until_close = False
        self.body: deque[bytes] = deque()
        self.size = 0
        self.complete = False
        self.failure: Exception | None = None
        self.waiter: asyncio.Future[bytes] | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.complete or self.failure is not None

    def wake(self) -> None:
        """Let whoever waits for more look again."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(b"")


class Connection(asyncio.Protocol):
    """One connection: sends a request, takes in its answer, one after the other.

    `on_free` is called when a whole answer has come and the next request may go out; `on_lost` when the connection
    is no more.
    """

    __slots__ = (
        "_answer", "_due", "_excess", "_head_size", "_interim", "_on_free", "_on_lost", "_parser", "_paused",
        "_pieces", "_timer", "_timer_at", "_transport", "idle_since", "keep", "on_body", "used",
    )  # fmt: skip

    def __init__(
        self, on_free: Callable[["Connection"], None], on_lost: Callable[["Connection"], None], *, keep: bool
    ) -> None:
        self.idle_since = 0.0
        self.used = False
        """Whether it carried a request before the one it carries."""
        self.keep = keep
        self._on_free = on_free
        self._on_lost = on_lost
        self._pieces: list[bytes] = []
        # What the parser calls with a piece of the body: the list itself, as one read may bring hundreds.
        self.on_body = self._pieces.append
        self._parser = HttpResponseParser(self)
        # Folded headers, line feeds alone and spaces behind a chunk's size are wrong, seen in the wild, and mean
        # one thing only. What else the first lets pass is looked at in `on_headers_complete`.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._excess = False
        self._interim = False
        self._paused = False
        self._head_size = 0
        self._due = self._timer_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        """Whether a request may be sent over it now."""
        return self._answer is None and self._transport is not None and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes) -> Answer:
        """Send a request; what answers it comes into what is returned."""
        answer = Answer()
        self._answer = answer
        self._head_size = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            self._give_up(Lost(None, begun=False))
        elif len(body) < READ_AHEAD:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        return answer

    def take(self, answer: Answer, limit: int) -> bytes:
        """Take the next bytes of the body that are here, at most `limit`; b"" where there are none."""
        body = answer.body
        if not body:
            return b""
        piece = body.popleft()
        if len(piece) > limit:
            body.appendleft(piece[limit:])
            piece = piece[:limit]
        elif body:
            pieces, size = [piece], len(piece)
            while body and (size := size + len(body[0])) <= limit:
                pieces.append(body.popleft())
            piece = b"".join(pieces)
        answer.size -= len(piece)
        if self._paused and answer is self._answer and answer.size <= READ_AHEAD:
            self._paused = False
            cast("asyncio.Transport", self._transport).resume_reading()
        return piece

    def wake_at(self, due: float) -> None:
        """Wake whoever waits for this answer at an instant of the loop's clock, if nothing else has until then.

        One timer serves all waits of a connection, and moves only when it fires: mostly nobody waits then.
        """
        self._due = due
        if due < self._timer_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._due, self._expire)
        self._timer_at = self._due

    def _expire(self) -> None:
        self._timer, self._timer_at = None, math.inf
        answer = self._answer
        if answer is None or answer.waiter is None:
            return
        if asyncio.get_running_loop().time() + TIMER_GRAIN_S < self._due:
            self._set_timer()
        else:
            answer.wake()

    def abort(self) -> None:
        """Drop the connection now; a plain close would first wait for the peer to take what we sent."""
        self.keep = False
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End an idle connection."""
        self.keep = False
        if self._transport is not None:
            self._transport.close()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        answer = self._answer
        if answer is None:
            # Nobody had asked for it: it would be read as the answer to what is asked next.
            self.abort()
            return
        answer.begun = True
        headed = answer.headed
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._give_up(Malformed())
        except HttpParserError as error:
            cause = error.__context__
            self._give_up(cause if isinstance(cause, HeadTooLarge | Malformed) else Malformed())
        pieces = self._pieces
        if pieces:
            waiter = answer.waiter if headed and len(pieces) == 1 else None
            if waiter is not None and not (
                answer.complete or answer.failure or waiter.done() or len(pieces[0]) > PIECE
            ):
                # A stream, whose reader waits for just this.
                waiter.set_result(pieces.pop())
                return
            self._take_in(answer)
        if not answer.headed:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD + MAX_FIELD:
                self._give_up(HeadTooLarge())
        if answer.complete:
            self._finish()
        elif answer.size > READ_AHEAD and not self._paused and answer is self._answer:
            self._paused = True
            cast("asyncio.Transport", self._transport).pause_reading()
        if answer.waiter is not None and (answer.body or answer.over or answer.headed is not headed):
            answer.wake()

    def _take_in(self, answer: Answer) -> None:
        """Put what the parser found of the body in its place; what comes after its end is nobody's."""
        pieces = self._pieces
        if not answer.complete:
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            answer.body.append(piece)
            answer.size += len(piece)
        pieces.clear()

    def eof_received(self) -> None:
        """The peer sends no more; the transport is closed by its loop."""
        answer = self._answer
        if answer is not None and answer.headed and answer.until_close:
            answer.complete = True
            self.keep = False
            self._finish()
            answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self.keep = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answer = self._answer
        if answer is not None:
            if answer.headed and answer.until_close and exc is None:
                answer.complete = True
                self._answer = None
                answer.wake()
            else:
                self._give_up(Lost(exc, begun=answer.begun))
        self._on_lost(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A message begins: after the answer that would be a second one."""
        if self._answer is None or self._answer.complete:
            self._excess = True

    def on_status(self, reason: bytes) -> None:
        """The words behind the status."""
        if len(reason) > MAX_FIELD:
            raise HeadTooLarge

    def on_header(self, name: bytes, value: bytes | None) -> None:
        """A header of the answer; one of its trailer is nothing to anybody."""
        answer = self._answer
        if answer is not None and not answer.headed:
            answer.fields.append((name, value or b""))

    def on_headers_complete(self) -> None:
        """The head is here, unless it is that of an interim answer."""
        answer = self._answer
        if answer is None or answer.headed:
            return
        fields = answer.fields
        names, values = zip(*fields, strict=True) if fields else ((), ())
        all_names, all_values = b"".join(names), b"".join(values)
        size = len(all_names) + len(all_values)
        # How much can come before the head is whole, `data_received` bounds.
        if size > MAX_HEAD or len(fields) > MAX_FIELDS:
            raise HeadTooLarge
        if size > MAX_FIELD and any(len(name) + len(value) > MAX_FIELD for name, value in fields):
            raise HeadTooLarge
        if all_names.translate(None, _IN_NAMES) or all_values.translate(None, _IN_VALUES):
            raise Malformed
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK:
            self._interim = True
            answer.fields.clear()
            return
        answer.status = status
        answer.headed = True
        if status not in _BODILESS:
            said = {*map(bytes.lower, names)}
            answer.until_close = b"content-length" not in said and b"transfer-encoding" not in said

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was an interim one."""
        if self._interim:
            self._interim = False
        elif self._answer is not None:
            if self._pieces:
                self._take_in(self._answer)
            self._answer.complete = True
            self.keep = self.keep and self._parser.should_keep_alive()

    def _finish(self) -> None:
        """The whole answer is here: the connection is free, or of no more use."""
        self._answer = None
        transport = self._transport
        if transport is None:
            return
        if self._paused:
            self._paused = False
            transport.resume_reading()
        # What is still going out belongs to a request that was answered before it was read.
        if self._excess or transport.get_write_buffer_size():
            self.abort()
        elif self.keep:
            self.used = True
            self._on_free(self)
        else:
            transport.close()

    def _give_up(self, failure: Exception) -> None:
        answer = self._answer
        if answer is None:
            return
        self._answer = None
        answer.failure = answer.failure or failure
        answer.wake()
        self.abort()
