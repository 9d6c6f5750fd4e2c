"""Segments as Parquet: made of lines of JSON, and of other segments. For the engine's process alone."""

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb

from llmgw.calllog.datasets import Dataset
from llmgw.calllog.engine.pieces import Piece

ROW_GROUP: Final = 65_536
"""Rows that a reader skips or reads together."""
_FORM: Final = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
BATCH: Final = "_batch"
"""The column of the number of a batch; no dataset has one of that name."""
_MAX_LINE: Final = 16 * 1024 * 1024


def numbered(lines: bytes, number: int) -> bytes:
    """JSON lines, each with the number of the batch it is in; within a line no line ends."""
    member = b'{"%s":%d,' % (BATCH.encode(), number)
    whole = member + lines.removeprefix(b"{").replace(b"\n{", b"\n" + member)
    return whole if whole.endswith(b"\n") else whole + b"\n"


def select_lines(dataset: Dataset, path: str, *, batches: bool = False) -> str:
    """SQL for the rows of a file of JSON lines, with what was left out of each filled in.

    With `batches` they are `numbered`, and that is a column, too.
    """
    # JSON has no bytes: they are base64 there.
    types = {name: "VARCHAR" if kind == "BLOB" else kind for name, kind in dataset.columns.items()}
    selected = [_filled(dataset, name) for name in dataset.columns]
    if batches:
        types[BATCH] = "BIGINT"
        selected.append(BATCH)
    members = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in types.items())
    return (
        f"SELECT {', '.join(selected)} "
        f"FROM read_json({_text(path)}, format = 'newline_delimited', columns = {{{members}}}, "
        f"maximum_object_size = {_MAX_LINE})"
    )


def write(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, lines: Sequence[bytes], scratch: Path
) -> list[Piece]:
    """Make the segments of events, one for each hour that there are of; an event that is there twice is kept once.

    `lines` are JSON lines, many in each item; `scratch` is a directory for what is needed on the way. The same
    lines make the same segments.

    Raises:
        duckdb.Error: they are not as the dataset says, or there is no room.
        OSError: there is no room.
    """
    with _passing(scratch, ".ndjson") as source, _table(connection) as table:
        with source.open("wb") as file:
            for each in lines:
                file.write(each if each.endswith(b"\n") else each + b"\n")
        connection.execute(f"CREATE TEMP TABLE {table} AS {select_lines(dataset, str(source))}")
        source.unlink()
        _once_each(connection, table, dataset)
        connection.execute(f"ALTER TABLE {table} ADD COLUMN partition VARCHAR")
        connection.execute(f"UPDATE {table} SET partition = {_partition(dataset)}")
        hours = connection.execute(
            f"SELECT partition, count(*) FROM {table} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        return [
            Piece(partition=hour, rows=rows, parquet=_copied(connection, dataset, table, hour, scratch))
            for hour, rows in hours
        ]


def compact(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, sources: Sequence[str], target: str
) -> int:
    """Make one file of several segments of an hour, and return its rows; columns that are not known here stay.

    Raises:
        duckdb.Error: one of them cannot be read, or there is no room.
    """
    files = ", ".join(map(_text, sources))
    rows = f"SELECT * FROM read_parquet([{files}], union_by_name = true, hive_partitioning = false)"
    key, order = _name(dataset.key), f"ORDER BY {_name(dataset.time)}, {_name(dataset.key)}"
    total, distinct = _row(
        connection,
        f"SELECT count(*), count(DISTINCT {key}) FROM ({rows})",
    )
    if total != distinct:
        rows = f"SELECT DISTINCT ON ({key}) * FROM ({rows}) ORDER BY {key}, {_name(dataset.time)}"
    connection.execute(f"COPY (SELECT * FROM ({rows}) {order}) TO {_text(target)} ({_FORM})")
    return distinct


def _once_each(connection: duckdb.DuckDBPyConnection, table: str, dataset: Dataset) -> None:
    key = _name(dataset.key)
    total, distinct = _row(connection, f"SELECT count(*), count(DISTINCT {key}) FROM {table}")
    if total != distinct:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS "
            f"SELECT DISTINCT ON ({key}) * FROM {table} ORDER BY {key}, {_name(dataset.time)}"
        )


def _copied(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, table: str, hour: str, scratch: Path
) -> bytes:
    with _passing(scratch, ".parquet") as target:
        connection.execute(
            f"COPY (SELECT * EXCLUDE (partition) FROM {table} WHERE partition = {_text(hour)} "
            f"ORDER BY {_name(dataset.time)}, {_name(dataset.key)}) TO {_text(str(target))} ({_FORM})"
        )
        return target.read_bytes()


def _partition(dataset: Dataset) -> str:
    # A time that is none would else keep all others from being kept.
    micros = f"least(greatest({_name(dataset.time)}, 0), 253402300799000000)"
    return f"strftime(make_timestamp({micros}), 'date=%Y-%m-%d/hour=%H')"


def _filled(dataset: Dataset, name: str) -> str:
    value = _name(name)
    if dataset.columns[name] == "BLOB":
        value = f"from_base64({value})"
    if name in dataset.defaults:
        value = f"coalesce({value}, {dataset.defaults[name]})"
    return f"{value} AS {_name(name)}"


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, int]:
    found = connection.execute(query).fetchone()
    return (found[0], found[1]) if found is not None else (0, 0)


@contextlib.contextmanager
def _passing(scratch: Path, suffix: str) -> Iterator[Path]:
    """A path for a file that is gone afterwards."""
    path = scratch / f"{secrets.token_hex(8)}{suffix}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _table(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """A name for a table that is gone afterwards."""
    table = f"rows_{secrets.token_hex(8)}"
    try:
        yield table
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
