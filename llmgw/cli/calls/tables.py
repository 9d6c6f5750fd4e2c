"""Tables that answers hold, as the terminal shows them."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from llmgw.cli.printing import safe, show


def print_table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under titles, numbers to the right."""
    table = Table()
    for place, title in enumerate(titles):
        numbers = any(isinstance(row[place], int | float) for row in rows)
        table.add_column(Text(safe(title)), justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(Text(safe(cell(value))) for value in row))
    show(table)


def cell(value: Any) -> str:
    """One value as text."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
