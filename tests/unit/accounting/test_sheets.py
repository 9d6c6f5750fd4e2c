"""Tables as CSV: read back as they were written, and no cell that a program would run."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.accounting.sheets import sheet


def read(text: str) -> list[list[str]]:
    """What a reader of CSV has of it."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+1", "'+1"),
        ("-1+2", "'-1+2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("-0.5", "-0.5"),
        (-7, "-7"),
        (None, ""),
        ("plain, with a comma", "plain, with a comma"),
        ("\ud800", "?"),
    ],
)
def test_formulas_are_defused_and_numbers_are_not(cell: str | int | None, written: str) -> None:
    """A text that would be a formula begins with an apostrophe; a negative number is a number."""
    assert read(sheet(["a"], [[cell]])) == [["a"], [written]] or (written == "" and cell is None)
    assert sheet(["a", "b"], [[cell, 1]]).count("1\r\n") >= 1


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8")) | st.integers(), min_size=2, max_size=2), max_size=9
    )
)
def test_tables_are_read_as_they_were_written(rows: list[list[str | int]]) -> None:
    """Whatever the cells are, a reader finds them, the apostrophes aside, and none begins as a formula."""
    found = read(sheet(["a", "b"], rows))[1:]
    assert len(found) == len(rows)
    for cells, row in zip(found, rows, strict=True):
        for cell, value in zip(cells, row, strict=True):
            assert cell in {str(value), f"'{value}"}
            if isinstance(value, str) and cell[:1] in {"=", "@", "+", "\t", "\r", "\n"}:
                pytest.fail(f"{cell!r} is a formula")
