"""Events as rows: what goes in comes out."""

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from llmgw.calllog.columns import columns_of, defaults_of
from llmgw.calllog.datasets import CALLS, CONTENT, ContentEvent, dataset_of
from llmgw.calllog.engine.writing import compact, write
from llmgw.calllog.event import CallEvent

HOUR_US = 3_600_000_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1)
EVENTS = st.builds(
    CallEvent,
    ended_us=st.integers(0, 10 * HOUR_US),
    id=TEXTS,
    alias=TEXTS,
    tags=st.lists(TEXTS, max_size=3).map(tuple),
    score=st.none() | st.floats(0, 1),
    replayed=st.booleans(),
    cost_nano=st.none() | NUMBERS,
    status=st.integers(0, 599),
)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    """A database of this process."""
    return duckdb.connect(config={"threads": 1})


def rows(connection: duckdb.DuckDBPyConnection, path: Path) -> list[dict[str, Any]]:
    """Those of a file, in their order."""
    found = connection.execute("SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)])
    names = [each[0] for each in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@example([CallEvent(ended_us=1, id="\0'\"\n\u2028{", alias="\0", tags=("\0", "\U0001f600"))])
@given(st.lists(EVENTS, min_size=1, max_size=6, unique_by=lambda event: event.id))
def test_every_event_is_a_row_of_its_hour(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, events: list[CallEvent]
) -> None:
    """With every member as it was, whatever text is in it; what does not apply is empty."""
    lines = [b"\n".join(map(msgspec.json.encode, events[:2])), *map(msgspec.json.encode, events[2:])]
    found: dict[str, dict[str, Any]] = {}
    for piece in write(connection, CALLS, lines, tmp_path):
        path = tmp_path / "piece.parquet"
        path.write_bytes(piece.parquet)
        here = rows(connection, path)
        assert len(here) == piece.rows
        assert [(row["ended_us"], row["id"]) for row in here] == sorted(
            ((row["ended_us"], row["id"]) for row in here), key=lambda place: (place[0], place[1].encode())
        )
        hour = f"date=1970-01-01/hour={here[0]['ended_us'] // HOUR_US:02}"
        assert {f"date=1970-01-01/hour={row['ended_us'] // HOUR_US:02}" for row in here} == {hour}
        assert piece.partition == hour
        found |= {row["id"]: row for row in here}
    for event in events:
        told = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in msgspec.structs.asdict(event).items()
        }
        assert found[event.id] == told
    assert {each.name for each in tmp_path.iterdir()} == {"piece.parquet"}


def test_bytes_are_bytes_and_wild_times_have_an_hour(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """JSON has neither."""
    events = [
        ContentEvent(id=str(at), tenant="a", ended_us=at, sealed=bytes(range(256))) for at in (-5, 2**62)
    ]
    early, late = write(connection, CONTENT, list(map(msgspec.json.encode, events)), tmp_path)
    assert (early.partition, late.partition) == ("date=1970-01-01/hour=00", "date=9999-12-31/hour=23")
    (tmp_path / "x").write_bytes(early.parquet)
    assert rows(connection, tmp_path / "x")[0]["sealed"] == bytes(range(256))


def test_files_of_several_versions_are_joined(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A column that only one of them has stays, be it one that this version does not know."""
    (new,) = write(connection, CALLS, [b'{"ended_us": 2, "id": "new"}'], tmp_path)
    (tmp_path / "new").write_bytes(new.parquet)
    old = tmp_path / "old"
    connection.execute(f"COPY (SELECT 1 AS ended_us, 'old' AS id, 7 AS later) TO '{old}' (FORMAT parquet)")
    target = tmp_path / "target"
    assert compact(connection, CALLS, [str(tmp_path / "new"), str(old)], str(target)) == 2
    first, second = rows(connection, target)
    assert (first["id"], first["later"], first["alias"]) == ("old", 7, None)
    assert (second["id"], second["later"], second["alias"]) == ("new", None, "")


def test_a_dataset_is_what_a_struct_says() -> None:
    """A type or default that makes no column is refused, as is a key that is none of them."""

    class Other(msgspec.Struct):
        made: dict[str, str]

    class Quoted(msgspec.Struct):
        text: str = "it's"

    with pytest.raises(TypeError, match="no column is made of"):
        columns_of(Other)
    with pytest.raises(TypeError, match="no column has the default"):
        defaults_of(Quoted)
    with pytest.raises(TypeError, match="has no column id"):
        dataset_of("quoted", Quoted)
