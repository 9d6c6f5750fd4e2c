"""Tables as CSV (RFC 4180) that open in any program without doing anything there."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

Cell: TypeAlias = str | int | None

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes programs take a text for a formula."""
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)


def sheet(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Write a table; numbers as they are, and an apostrophe before each text that would be taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(each) for each in row])
    return out.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    # A lone surrogate has no bytes; no program could show it.
    text = value.encode("utf-8", "replace").decode()
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
