"""The index of a tenant's archive: a line for each file, each with the digest of the line before."""

import re
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from llmgw.policy.spending.ledger import order_of
from llmgw.state.audit_chain import Chain, digest_of

NAME: Final = "index.ndjson"
FILE: Final = re.compile(r"([0-9]{1,16}-[0-9]{1,20})-([0-9]{1,16}-[0-9]{1,20})\.ndjson\.gz", re.ASCII)
"""What a file of rows is called: by its first and its last."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file: `rows` from `first` to `last`, that follow upon the row `after`, and cost `sum` nano-USD.

    `seq` counts from 1; `prev` is the SHA-256 of the line before, empty in the first one.
    """

    seq: int
    file: str
    after: str
    first: str
    last: str
    rows: int
    sum: str
    sha256: str
    prev: str


class Index(NamedTuple):
    """What an index says, in order of the rows, and what is wrong with it, empty where nothing is."""

    entries: tuple[Entry, ...]
    problem: str
    torn: bool
    """Whether its last line is but a part of one: the writer died, and nothing was trimmed for it."""


_read: Final = msgspec.json.Decoder(Entry).decode


def read_index(folder: Path) -> Index:
    """Read a tenant's index; where there is none, it is empty.

    Raises:
        OSError: it cannot be read.
    """
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return Index((), "", torn=False)
    *lines, rest = text.split(b"\n")
    chain = Chain(decode_entry)
    found = chain.follow(lines)
    return Index(tuple(sorted(found, key=lambda each: order_of(each.first))), chain.problem, torn=bool(rest))


def decode_entry(line: bytes) -> Entry:
    """Read a line.

    Raises:
        ValueError: it is none.
    """
    found = _read(line)
    named = FILE.fullmatch(found.file)
    if named is None or named.groups() != (found.first, found.last):
        raise ValueError("its file is not called by its rows")
    return found


def next_of(line: bytes | None) -> tuple[int, str]:
    """The number and the `prev` of what follows upon a line, or of the first."""
    return (1, "") if line is None else (decode_entry(line).seq + 1, digest_of(line))
