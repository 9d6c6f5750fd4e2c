"""What must be true when it is over, line by line."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

Answer: TypeAlias = Literal["holds", "fails", "not proved"]


class Line(Struct, frozen=True):
    """One thing that was looked for: what was wanted, what was found, and whether that is well."""

    what: str
    wanted: str
    found: str
    answer: Answer


def line(what: str, wanted: str, found: object, *, well: bool) -> Line:
    """Judge by a fact."""
    return Line(what, wanted, str(found), "holds" if well else "fails")


def at_most(what: str, most: float, found: float) -> Line:
    """Judge a number that should be small."""
    return line(what, f"≤ {most:g}", f"{found:g}", well=found <= most)


def none(what: str, found: int) -> Line:
    """Judge a number that should be zero."""
    return line(what, "0", f"{found:,}", well=found == 0)


def table(lines: Sequence[Line]) -> str:
    """Draw them."""
    rows = [
        ("", "wanted", "found", ""),
        *((each.what, each.wanted, each.found, each.answer) for each in lines),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    drawn = [
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(drawn)


def passed(lines: Sequence[Line]) -> bool:
    """Whether nothing fails; what is not proved needs a longer run, and is no failure."""
    return all(each.answer != "fails" for each in lines)
