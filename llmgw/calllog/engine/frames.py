"""What a worker and its engine say to each other: msgpack behind a length of four bytes, requests in order."""

from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.calllog.cursors import Cursor
from llmgw.calllog.engine.pieces import Piece
from llmgw.calllog.filters import Filters, Order

MAX_FRAME: Final = 256 * 1024 * 1024
"""Bytes of one request or answer."""
LENGTH: Final = 4


class Opening(Struct, frozen=True, kw_only=True):
    """The first words to an engine: what it may use and where it may look.

    `directories` hold segments; `scratch` is its own.
    """

    scratch: str
    directories: tuple[str, ...]
    memory_bytes: int
    spill_bytes: int
    threads: int


class Source(Struct, frozen=True, kw_only=True):
    """The rows of one dataset, each once: files of Parquet, and lines of JSON that are in none of them.

    To an engine go only lines that it does not have, each with a number of the worker's choice; `held` are the
    numbers of those that it does, and what else it has it drops.
    """

    dataset: str
    paths: tuple[str, ...] = ()
    lines: tuple[bytes, ...] = ()
    numbers: tuple[int, ...] = ()
    held: tuple[int, ...] = ()


class Page(Struct, frozen=True, kw_only=True, tag="page"):
    """Calls that match, in order, behind a cursor; answered by `Rows`."""

    source: Source
    filters: Filters
    order: Order
    limit: int
    after: Cursor | None = None


class Find(Struct, frozen=True, kw_only=True, tag="find"):
    """One call by its id; answered by `Rows` of one or none."""

    source: Source
    id: str
    tenant: str | None


class Ask(Struct, frozen=True, kw_only=True, tag="ask"):
    """One statement of ours over the calls of a tenant, or of all; answered by `Table`.

    It reads the table `calls`, once, in which there are the calls that ended in one of the `spans` of time;
    `values` stand for its named parameters.
    """

    source: Source
    statement: str
    values: dict[str, Any]
    tenant: str | None
    spans: tuple[tuple[int, int], ...]
    most: int


class Sql(Struct, frozen=True, kw_only=True, tag="sql"):
    """A statement of a caller, which may be anything; answered by `Table` or `Failed`."""

    sources: tuple[Source, ...]
    statement: str
    values: list[Any] | dict[str, Any]
    tenant: str | None
    from_us: int
    to_us: int
    most: int


class Export(Struct, frozen=True, kw_only=True, tag="export"):
    """Calls that match as a file of Parquet, oldest first; answered by `File`."""

    source: Source
    filters: Filters
    most: int


class Write(Struct, frozen=True, kw_only=True, tag="write"):
    """Events of a dataset as segments of an hour each; answered by `Pieces`."""

    dataset: str
    lines: list[bytes]


class Compact(Struct, frozen=True, kw_only=True, tag="compact"):
    """Several segments of an hour as one; answered by `Compacted`."""

    dataset: str
    sources: list[str]
    target: str


Operation: TypeAlias = Page | Find | Ask | Sql | Export | Write | Compact


class Request(Struct, frozen=True, kw_only=True):
    """One operation, and after how many seconds the engine gives it up."""

    operation: Operation
    within_s: float


class Rows(Struct, frozen=True, kw_only=True, tag="rows"):
    """Rows as JSON objects; `next` is where to go on, if there may be more."""

    rows: list[bytes]
    next: Cursor | None = None


class Table(Struct, frozen=True, kw_only=True, tag="table"):
    """What a statement found; `truncated` tells that there was more."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    truncated: bool = False


class File(Struct, frozen=True, kw_only=True, tag="file"):
    """A file in the engine's scratch directory, which whoever asked for it deletes."""

    path: str
    rows: int
    truncated: bool


class Pieces(Struct, frozen=True, kw_only=True, tag="pieces"):
    """Segments, made and not stored."""

    pieces: list[Piece]


class Compacted(Struct, frozen=True, kw_only=True, tag="compacted"):
    """How many rows the one segment has."""

    rows: int


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """Why there is no answer: `refused` and `large` are the statement's fault, `away` is that of what it reads.

    `forgotten`: lines that the worker takes for held are not. `message` may be told to callers.
    """

    kind: str
    message: str


Reply: TypeAlias = Rows | Table | File | Pieces | Compacted | Failed

_encoder: Final = msgspec.msgpack.Encoder()


def framed(message: Struct) -> bytearray:
    """Write a message as it goes over a pipe; once, as it may be of many megabytes."""
    frame = bytearray(LENGTH)
    _encoder.encode_into(message, frame, LENGTH)
    frame[:LENGTH] = (len(frame) - LENGTH).to_bytes(LENGTH, "big")
    return frame
