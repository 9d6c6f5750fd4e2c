"""What commands print of others' words: text and JSON that do nothing to a terminal, times, tables."""

import re
import sys
from datetime import UTC, datetime
from typing import Any, Final

import rich_click as click
from rich.console import Console, RenderableType

from llmgw.types.json import encode
from llmgw.types.text import printable

LONGEST_LINE: Final = 2000
"""Characters of one line of an error that are printed."""

_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON lets stand, and a terminal may take for a command or for another order of the letters."""
_WIDE: Final = 10_000


def json(value: Any) -> str:
    """A value as JSON that does nothing to a terminal."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", encode(value).decode())


def safe(text: object, limit: int = 300) -> str:
    """One line of `limit` characters at most, controls escaped."""
    return printable(str(text), limit)


def safe_block(text: str, limit: int = 500) -> list[str]:
    """The lines of a text, `limit` at most, with nothing that a terminal would obey; tabs are spaces."""
    lines = text.split("\n")
    shown = [printable(line.expandtabs(4), LONGEST_LINE) for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"… {len(lines) - limit} more lines")
    return shown


def minute(unix_ms: int | None) -> str:
    """A time to the minute; empty for none."""
    if unix_ms is None:
        return ""
    try:
        return datetime.fromtimestamp(unix_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return safe(unix_ms)


def show(*pages: RenderableType) -> None:
    """Print pages; where no terminal sets the width, each line is as long as it has to be."""
    console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    for page in pages:
        console.print(page)


def note(text: str) -> None:
    """Say something beside the answer, where a program that reads the answer does not meet it."""
    click.echo(text, err=True)
