"""The bytes of the journal: pure functions between records and segments (`docs/accounting-journal.md`).

A segment is a head and records. Each record begins with the eight random bytes of its worker's marker, so that
reading goes on after a damaged place at the next record that proves itself, and never inside a payload.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from hashlib import blake2b
from typing import Final

from msgspec import Struct

MAGIC: Final = b"llmgwjnl"
VERSION: Final = 1
MARKER_BYTES: Final = 8
OPERATION_MAX: Final = 255

_HEAD: Final = struct.Struct(">8sH8s16sQq16s")
_CRC: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">8sI")
_BODY: Final = struct.Struct(">IBBq")
_PLACE: Final = struct.Struct(">QQ")
HEAD_BYTES: Final = _HEAD.size + _CRC.size
FRAME_BYTES: Final = _FRAME.size + _BODY.size
"""Bytes of a record beside its operation and its payload."""


class Kind(IntEnum):
    """What a record says about its operation."""

    INTENT = 1
    """A call is about to be dispatched, or how far it has come: a later one takes the place of an earlier."""
    RESULT = 2
    """What the call used and cost; enough to settle it without the intent."""
    DONE = 3
    """It is settled: all earlier records of the operation are closed."""
    END = 4
    """The segment was ended in order; nothing follows."""


class Record(Struct, frozen=True):
    """One fact about one operation; `operation` has 1 to 255 bytes of UTF-8, `payload` is the caller's own."""

    kind: Kind
    operation: str
    payload: bytes = b""
    unix_ns: int = 0


class Head(Struct, frozen=True):
    """What a segment says about itself; `worker` is 16 hex digits, `gateway` a digest of the gateway's name."""

    worker: str
    sequence: int
    marker: bytes
    gateway: bytes
    unix_ns: int
    version: int = VERSION


class Place(Struct, frozen=True):
    """A record and where its frame begins and ends in the segment."""

    record: Record
    offset: int
    end: int


class Gap(Struct, frozen=True):
    """Bytes of a segment that are no record: from `offset` to before `end`."""

    offset: int
    end: int


class NotASegment(Exception):
    """The bytes do not begin as a segment of this format does; the message says why."""


class HeadDamaged(NotASegment):
    """It may have been a segment: the checksum of its head is wrong."""


def gateway_digest(name: str) -> bytes:
    """Give the 16 bytes by which the segments of one gateway know each other."""
    return blake2b(name.encode(), digest_size=16).digest()


def encode_head(head: Head) -> bytes:
    """Write the beginning of a segment, HEAD_BYTES long."""
    packed = _HEAD.pack(
        MAGIC, head.version, head.marker, head.worker.encode(), head.sequence, head.unix_ns, head.gateway
    )
    return packed + _CRC.pack(zlib.crc32(packed))


def decode_head(data: bytes) -> Head:
    """Read the beginning of a segment.

    Raises:
        NotASegment: it is something else, of another version, or damaged.
    """
    if len(data) < HEAD_BYTES:
        raise NotASegment("it is shorter than a segment's head")
    magic, version, marker, worker, sequence, unix_ns, gateway = _HEAD.unpack_from(data)
    if zlib.crc32(data[: _HEAD.size]) != _CRC.unpack_from(data, _HEAD.size)[0]:
        raise HeadDamaged("its head is not that of a segment, or damaged")
    if magic != MAGIC:
        raise NotASegment("it does not begin as a segment does")
    if version != VERSION:
        raise NotASegment(f"it is of version {version}, and {VERSION} is read here")
    try:
        name = worker.decode("ascii")
    except UnicodeDecodeError:
        raise NotASegment("its head names no worker") from None
    return Head(name, sequence, marker, gateway, unix_ns, version)


def salvaged_head(data: bytes, worker: str, sequence: int, gateway: bytes) -> Head | None:
    """Stand in for a damaged head where the first record proves itself in the place that the file's name says."""
    head = Head(worker, sequence, data[HEAD_BYTES : HEAD_BYTES + MARKER_BYTES], gateway, 0)
    return head if record_at(data, head, HEAD_BYTES) is not None else None


def encode_record(record: Record, marker: bytes, sequence: int, offset: int) -> bytes:
    """Write one record for its place: the checksum is of its bytes, its segment's sequence and its offset.

    Raises:
        ValueError: the operation is empty or longer than OPERATION_MAX bytes.
    """
    operation = record.operation.encode()
    if len(operation) > OPERATION_MAX or (not operation and record.kind is not Kind.END):
        raise ValueError(f"an operation has 1 to {OPERATION_MAX} bytes, this one {len(operation)}")
    payload = record.payload
    body = _BODY.pack(len(payload), record.kind, len(operation), record.unix_ns) + operation + payload
    return _FRAME.pack(marker, zlib.crc32(body, zlib.crc32(_PLACE.pack(sequence, offset)))) + body


def record_at(data: bytes, head: Head, offset: int) -> Place | None:
    """Read the record whose frame begins at the offset; None where there is none that proves itself."""
    start = offset + _FRAME.size
    if start + _BODY.size > len(data):
        return None
    marker, crc = _FRAME.unpack_from(data, offset)
    if marker != head.marker:
        return None
    size, kind, operation_size, unix_ns = _BODY.unpack_from(data, start)
    payload_at = start + _BODY.size + operation_size
    end = payload_at + size
    if end > len(data) or not Kind.INTENT <= kind <= Kind.END:
        return None
    body = memoryview(data)[start:end]
    if zlib.crc32(body, zlib.crc32(_PLACE.pack(head.sequence, offset))) != crc:
        return None
    operation = data[start + _BODY.size : payload_at].decode(errors="replace")
    return Place(Record(Kind(kind), operation, data[payload_at:end], unix_ns), offset, end)


def scan(data: bytes, head: Head) -> Iterator[Place | Gap]:
    """Read a segment from its head on: records in order, and the places between that are none."""
    offset = HEAD_BYTES
    while offset < len(data):
        place = record_at(data, head, offset)
        if place is not None:
            yield place
            offset = place.end
            continue
        following = _next(data, head, offset + 1)
        yield Gap(offset, following)
        offset = following


def _next(data: bytes, head: Head, offset: int) -> int:
    """Find the next offset at which a record proves itself, or the end."""
    while (offset := data.find(head.marker, offset)) >= 0:
        if record_at(data, head, offset) is not None:
            return offset
        offset += 1
    return len(data)
