"""How bytes become frames: server-sent events cut as they come, or a whole body collected.

Lines end in LF, CRLF or CR and nothing else (https://html.spec.whatwg.org/multipage/server-sent-events.html),
so U+2028 and U+0085 inside JSON stay where they are. All work is on bytes: a character split between two reads
is whole again before anybody decodes it.
"""

from typing import Final, Protocol, assert_never

from llmgw.providers.base import Frame, Framing
from llmgw.types import json
from llmgw.types.errors import InvalidJson, ProviderTooLarge

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""Longest line, and longest event, of a stream: Gemini sends a picture, Claude a fetched document, in one event."""

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""Longest answer that is not a stream."""

_BOM: Final = b"\xef\xbb\xbf"
_DATA: Final = b"data: "


class Framer(Protocol):
    """Cuts one answer into frames; any split of the bytes gives the same frames."""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and return the frames they complete.

        Raises:
            ProviderTooLarge: a frame is over its limit.
        """

    def close(self) -> list[Frame]:
        """The answer's bytes are over: return the frame that only their end completes."""


class SseFramer:
    """Cuts a stream of server-sent events."""

    __slots__ = ("_after_cr", "_at_start", "_data", "_event", "_partial", "_size")

    def __init__(self) -> None:
        self._partial: list[bytes] = []  # the line that has no end yet, in the pieces it came in
        self._data: list[bytes] = []  # data lines of the event that has no end yet
        self._event = ""
        self._size = 0  # bytes in both
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Frame]:
        """See `Framer.feed`."""
        if not (self._size or self._after_cr) and self._is_one(chunk):
            self._at_start = False
            return [Frame(chunk[6:-2])]
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_lf_only(chunk)
        if b"\n" not in chunk:
            if chunk:
                self._grow(len(chunk))
                self._partial.append(chunk)
            return []
        if self._partial:
            chunk = b"".join((*self._partial, chunk))
            self._size -= sum(map(len, self._partial))
            self._partial.clear()
        frames: list[Frame] = []
        if not self._size and not (self._at_start and chunk.startswith(_BOM)):
            # Nothing of an event has come before: what is whole in here is cut in one go.
            end = chunk.rfind(b"\n\n") + 2
            if end >= 2:
                self._at_start = False
                frames = self._whole_events(chunk[:end])
                chunk = chunk[end:]
                if not chunk:
                    return frames
        lines = chunk.split(b"\n")
        rest = lines.pop()
        for line in lines:
            if not line:
                self._dispatch(frames)
            else:
                self._line(line)
        if rest:
            self._grow(len(rest))
            self._partial.append(rest)
        return frames

    def close(self) -> list[Frame]:
        """Return the last event although no blank line ended it, if its data is complete.

        Complete means `[DONE]` or one JSON value: a line that was cut is neither, and is dropped.
        """
        if self._partial:
            line = b"".join(self._partial)
            self._partial.clear()
            self._line(line)
        frames: list[Frame] = []
        self._dispatch(frames)
        return [frame for frame in frames if _is_complete(frame.data)]

    @staticmethod
    def _is_one(chunk: bytes) -> bool:
        """Whether these bytes are an event of one line, as streams come chunk by chunk."""
        return (
            chunk[:6] == _DATA
            and chunk[-2:] == b"\n\n"
            and chunk.count(b"\n") == 2
            and b"\r" not in chunk
            and len(_DATA) + 2 < len(chunk) <= MAX_EVENT_BYTES
        )

    def _whole_events(self, chunk: bytes) -> list[Frame]:
        """Take the usual chunk: whole events, of one data line each, or of a name and one."""
        small = len(chunk) <= MAX_EVENT_BYTES
        if small and chunk[:6] == _DATA:
            told = chunk[6:-2].split(b"\n\ndata: ")
            # Where each line end is one of those between events, or of the last, there is nothing else in them.
            if chunk.count(b"\n") == 2 * len(told) and all(told):
                return list(map(Frame, told))
        frames: list[Frame] = []
        # The line that named the event before, and what it said where it said that alone: names repeat.
        known, event = b"", ""
        for block in chunk[:-2].split(b"\n\n"):
            name, _, data = block.partition(b"\ndata: ")
            if name != known:
                known, event = name, ""
                if small and name[:6] == b"event:" and b"\n" not in name:
                    event = name[6:].strip().decode("utf-8", "replace")
            if event and data and b"\n" not in data:
                frames.append(Frame(data, event))
                continue
            for line in block.split(b"\n"):
                if line:
                    self._line(line)
                else:
                    self._dispatch(frames)
            self._dispatch(frames)
        return frames

    def _with_lf_only(self, chunk: bytes) -> bytes:
        """Write every line end as LF; the LF of a CRLF that was split between two reads is dropped."""
        if not chunk:
            return chunk
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        chunk = b"\n".join(chunk.split(b"\r\n"))  # half the time of `replace`
        return chunk.replace(b"\r", b"\n") if b"\r" in chunk else chunk

    def _line(self, line: bytes) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._grow(len(line))
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            self._grow(len(line))
            self._event = line[6:].strip().decode("utf-8", "replace")
        elif line == b"data":
            self._grow(len(line))
            self._data.append(b"")
        elif line == b"event":
            self._event = ""
        else:
            # A comment, `id:`, `retry:` or a field nobody defined: read over, but not without limit.
            _check(len(line))

    def _dispatch(self, frames: list[Frame]) -> None:
        self._at_start = False
        data = self._data
        if data:
            whole = data[0] if len(data) == 1 else b"\n".join(data)
            if whole:
                frames.append(Frame(whole, self._event))
            data.clear()
        self._event = ""
        self._size = 0

    def _grow(self, by: int) -> None:
        self._size += by
        _check(self._size)


class WholeFramer:
    """Collects a body of at most `cap` bytes into one frame."""

    __slots__ = ("_cap", "_pieces", "_size")

    def __init__(self, cap: int = MAX_BODY_BYTES) -> None:
        self._cap = cap
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """See `Framer.feed`."""
        self._size += len(chunk)
        if self._size > self._cap:
            raise ProviderTooLarge(f"the provider's answer is over {self._cap} bytes")
        self._pieces.append(chunk)
        return []

    def close(self) -> list[Frame]:
        """Return the body, empty or not."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        return [Frame(body)]


def framer(framing: Framing) -> Framer:
    """Make the framer of one answer."""
    match framing:
        case "sse":
            return SseFramer()
        case "whole":
            return WholeFramer()
        case _:
            assert_never(framing)


def _check(size: int) -> None:
    if size > MAX_EVENT_BYTES:
        raise ProviderTooLarge(f"an event of the provider's stream is over {MAX_EVENT_BYTES} bytes")


def _is_complete(data: bytes) -> bool:
    if data.strip() == b"[DONE]":
        return True
    try:
        json.decode(data)
    except InvalidJson:
        return False
    return True
