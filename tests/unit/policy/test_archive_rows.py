"""A row on disk is the row that was in the store, byte for byte, and reads as the admin API shows it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.accounting.detail import LedgerAttempt, LedgerDetail
from llmgw.http.ledger_rows import told
from llmgw.policy.spending.archive.rows import read_row, write_row
from llmgw.policy.spending.ledger import Row
from llmgw.types.json import encode

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
BYTES = st.binary() | JSONS.map(
    lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
)
BYTES |= st.sampled_from((b"", b"null", b"{ }", b' {"a":1}', b'{"a":\n1}', b"[" * 1000, b"\xff", b"1e999"))
ROWS = st.builds(
    Row,
    id=st.tuples(st.integers(0, 10**15), st.integers(0, 10**15)).map("{0[0]}-{0[1]}".format),
    operation=st.text(st.characters(exclude_categories=["Cs"])),
    kind=st.sampled_from(("settle", "lapse", "adjustment")),
    cost=st.integers(-(10**24), 10**24),
    budgets=st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)).map(tuple),
    at_ms=st.integers(0, 2**41),
    who=BYTES,
    data=BYTES,
)


@given(ROWS)
def test_what_was_written_comes_back(row: Row) -> None:
    """Whatever a row has, JSON or not, its line is one line, JSON, and reads as the same row."""
    line = write_row(row)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["id"] == row.id
    assert read_row(line[:-1]) == row


def test_a_line_is_what_the_admin_api_shows() -> None:
    """Members, names and values are those of `GET /admin/v1/ledger`."""
    attempt = LedgerAttempt(target="a/m", provider="a", model="m", at=1, nano=5)
    detail = encode(LedgerDetail(v=1, call="c", target="a/m", attempts=(attempt,)))
    row = Row(
        "5-1", "op", "settle", -5, ("key:k1:day:2026-11-27",), 1_700_000_000_123, b'[["key","k1"]]', detail
    )
    assert json.loads(write_row(row)) == json.loads(encode(told(row)))
    assert json.loads(write_row(row._replace(data=b""))) == json.loads(encode(told(row._replace(data=b""))))


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff", b"[" * 5000])
def test_what_is_no_line_is_refused(line: bytes) -> None:
    """Nothing is made up of a line that nobody wrote; a row without a proper id is none, either."""
    with pytest.raises(ValueError, match=r"."):
        read_row(line)
    good = json.loads(write_row(Row("5-1", "op", "settle", 1, (), 0, b"[]", b"")))
    for wrong in ({"id": "x"}, {"cost_nano": "1.5"}, {"data_bytes": "?"}, {"who": None}):
        with pytest.raises(ValueError, match=r"."):
            read_row(json.dumps({**good, **wrong}).encode())
