"""Tables that read in a terminal and in a document alike."""

from collections.abc import Sequence

NONE = "-"


def drawn(title: str, lines: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Draw lines of cells, the first of them the head, under a heading; `left` columns are text."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = ["-" * (width + 2) if n < left else "-" * (width + 1) + ":" for n, width in enumerate(widths)]
    rows = [_line(line, widths, left) for line in lines]
    return "\n".join([f"### {title}", "", rows[0], "|".join(["", *rule, ""]), *rows[1:]])


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    padded = [
        cell.ljust(width) if n < left else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def number(value: float | None) -> str:
    """A whole number."""
    return NONE if value is None else f"{value:,.0f}"


def ms(seconds: float | None) -> str:
    """Milliseconds."""
    return NONE if seconds is None else f"{1e3 * seconds:.2f}"


def share(value: float | None, whole: float | None) -> str:
    """A part of a whole."""
    return NONE if value is None or not whole else f"{value / whole:.3g}"


def times(value: float | None, base: float | None) -> str:
    """A multiple of a base."""
    return NONE if value is None or not base else f"{value / base:.2f}"
