"""One answer: its head at once, its body as it comes."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Protocol

from llmgw.types.errors import GatewayError, ProviderBadResponse, ProviderTooLarge, StreamInterrupted
from llmgw.types.target import Target
from llmgw.upstream.connection import PIECE, Answer, Connection
from llmgw.upstream.failures import idle_long, in_body, total_over
from llmgw.upstream.pool import Pool

DRAIN_S: Final = 1.0
"""How long the end of a body may follow its last event for the connection to be kept."""


class Owner(Protocol):
    """Whoever opened answers, and is to know when they end; `max_body` bounds `UpstreamResponse.read`, in bytes."""

    max_body: int

    def leave(self, pool: Pool) -> None:
        """An answer over one of its connections has ended."""

    def spawn(self, closing: Coroutine[Any, Any, None]) -> None:
        """Run what closes a connection beside the calls."""


class UpstreamResponse:
    """An answer whose head is here; whoever holds it reads it to its end or closes it.

    `headers` have lower-case names, the last value of a repeated name, and no line breaks; bytes that are not
    UTF-8 are read as Latin-1. Cancelling a read closes the connection.
    """

    __slots__ = (
        "_answer",
        "_connection",
        "_deadline",
        "_due",
        "_ended",
        "_failure",
        "_loop",
        "_owner",
        "_pool",
        "_target",
        "headers",
        "status",
    )

    def __init__(
        self,
        answer: Answer,
        connection: Connection,
        target: Target,
        deadline: float,
        *,
        pool: Pool,
        owner: Owner,
    ) -> None:
        self.status: int = answer.status
        self._answer = answer
        self._connection = connection
        self._target = target
        self._deadline = deadline
        self._pool = pool
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._failure: GatewayError | None = None
        self._due = 0.0
        try:
            self.headers: Mapping[str, str] = _head(answer, target)
        except GatewayError:
            self._drop()
            raise

    async def read(self) -> bytes:
        """Return the whole body.

        Raises:
            ProviderTooLarge: it is longer than `max_body`.
            StreamInterrupted: it ended before its end.
            ProviderTimeout: nothing came within the idle clock.
            DeadlineExceeded: the total clock ran out.
        """
        answer, most = self._answer, self._owner.max_body
        if (
            answer.complete
            and len(answer.body) == 1
            and len(answer.body[0]) <= most
            and not self._ended
            and self._loop.time() < self._deadline
        ):
            # It came in one piece, as short ones do.
            self._end()
            return answer.body.popleft()
        length = self.headers.get("content-length", "")
        size = int(length) if length.isascii() and length.isdigit() else 0
        pieces = []
        if size <= most:
            size = 0
            while size <= most and (piece := await self.chunk()):
                pieces.append(piece)
                size += len(piece)
        if size > most:
            self.close()
            raise ProviderTooLarge(
                f"{self._target.provider}: an answer of more than {most} bytes",
                upstream_status=self.status,
            )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def chunk(self) -> bytes:
        """Return the next bytes as they come, at most `PIECE` of them; `b""` at the clean end of the body.

        The length of the whole is not bounded here, only its time is.

        Raises:
            StreamInterrupted: the body ended before its end; what had come before was returned first.
            ProviderTimeout: nothing came within the idle clock.
            DeadlineExceeded: the total clock ran out.
        """
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return b""
        answer = self._answer
        now = self._loop.time()
        if now >= self._deadline:
            return self._fail(total_over(self._target))
        if not (answer.body or answer.complete or answer.failure):
            # Wait for the next bytes, the end, or the clock.
            due = now + self._target.timeouts.idle_s
            self._due = due = min(self._deadline, due)
            self._connection.wake_at(due)
            answer.waiter = self._loop.create_future()
            try:
                piece = await answer.waiter
            except BaseException:
                # The caller is cancelled: the provider learns of it now.
                self.close()
                raise
            finally:
                answer.waiter = None
            if piece:
                return piece
        if answer.body:
            return self._connection.take(answer, PIECE)
        if answer.complete:
            self._end()
            return b""
        if answer.failure is not None:
            return self._fail(in_body(answer.failure, self._target))
        late = total_over if self._due >= self._deadline else idle_long
        return self._fail(late(self._target))

    def _fail(self, failure: GatewayError) -> bytes:
        """End in a failure; what had come before is returned first, where there is any.

        Raises:
            GatewayError: the failure.
        """
        self._failure = failure
        answer = self._answer
        rest = b"".join(answer.body)
        answer.body.clear()
        self.close()
        if rest:
            return rest
        raise failure

    def close(self) -> None:
        """Drop the connection at once; where the whole answer had come it is kept for the next call."""
        if self._ended:
            return
        if not self._answer.complete:
            if self._failure is None:
                self._failure = StreamInterrupted(f"{self._target.provider}: the answer was closed unread")
            self._drop()
        self._end()

    def release(self) -> None:
        """All that matters was read: keep the connection if the end of the body follows soon, else drop it.

        A stream's last event often comes a moment before the body's end; dropping the connection there would cost
        the next call a handshake.
        """
        if self._ended or self._answer.over:
            self.close()
        else:
            self._owner.spawn(self._drain())

    async def _drain(self) -> None:
        self._deadline = min(self._deadline, self._loop.time() + DRAIN_S)
        try:
            await self.chunk()
        except GatewayError:
            # Nobody waits for this any more; the connection is dropped below.
            pass
        finally:
            self.close()

    def _end(self) -> None:
        self._ended = True
        self._owner.leave(self._pool)

    def _drop(self) -> None:
        """Drop the connection, unless it is free of this answer and may carry another."""
        if not self._answer.complete:
            self._connection.abort()


def _head(answer: Answer, target: Target) -> dict[str, str]:
    """Read the header fields of an answer, once they are known to be harmless.

    Raises:
        ProviderBadResponse: the body is encoded.
    """
    headers: dict[str, str] = {}
    if answer.fields:
        # In one go, as there are often twenty; none has a line break.
        names, values = zip(*answer.fields, strict=True)
        try:
            texts = b"\n".join(map(bytes.strip, values)).decode().split("\n")
        except UnicodeDecodeError:
            texts = [*map(_text, values)]
        headers = dict(zip(b"\n".join(names).lower().decode("latin-1").split("\n"), texts, strict=True))
    encoding = headers.get("content-encoding")
    if encoding is not None and encoding.lower() not in {"", "identity"}:
        raise ProviderBadResponse(
            f"{target.provider}: an encoded answer, though none was asked for", upstream_status=answer.status
        )
    return headers


def _text(value: bytes) -> str:
    """Read a header's value: ASCII, or UTF-8, or else Latin-1, which any bytes are."""
    try:
        return value.strip().decode()
    except UnicodeDecodeError:
        return value.strip().decode("latin-1")
