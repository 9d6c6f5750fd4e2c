"""Statements over calls: ours, which name their tenant themselves, and callers', which see theirs alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import duckdb

from llmgw.calllog.engine.database import DATASETS, Database, quoted, union
from llmgw.calllog.engine.frames import Ask, Failed, Sql, Table
from llmgw.calllog.engine.guard import NotAllowed, checked, told
from llmgw.calllog.engine.paging import within
from llmgw.calllog.engine.values import plain

MAX_BYTES: Final = 32 * 1024 * 1024
"""About as many bytes of a table are answered."""
_STEP: Final = 256
_TOO_LARGE: Final = (
    "the query takes more memory than one may: ask for less time, fewer columns or fewer groups"
)


def ask(database: Database, asked: Ask) -> Table:
    """Answer one of our statements."""
    live = database.live(asked.source)
    paths = [path for span in asked.spans for path in within(asked.source.paths, *span)]
    rows, values = union(sorted(set(paths)), live), dict(asked.values)
    where = " OR ".join(f"(ended_us >= {begin} AND ended_us < {end})" for begin, end in asked.spans)
    if asked.tenant is not None:
        where, values = f"({where}) AND tenant = $tenant", {**values, "tenant": asked.tenant}
    statement = f"WITH calls AS (SELECT * FROM ({rows}) WHERE {where}) {asked.statement}"  # ours
    return _table(database.connection.execute(statement, values), asked.most)


def sql(database: Database, asked: Sql) -> Table | Failed:
    """Answer a caller's statement, or say why not; no message holds a value that the statement did not have."""
    names = [source.dataset for source in asked.sources]
    try:
        statement = checked(database.connection, asked.statement, names, database.catalog)
    except NotAllowed as refused:
        return Failed(kind="refused", message=str(refused))
    with _views(database, asked):
        try:
            return _table(database.connection.execute(statement, asked.values), asked.most)
        except (duckdb.ParserException, duckdb.BinderException, duckdb.SyntaxException) as error:
            return Failed(kind="refused", message=told(error))
        except duckdb.CatalogException as error:
            return Failed(kind="refused", message=told(error))
        except (duckdb.OutOfMemoryException, MemoryError):
            return Failed(kind="large", message=_TOO_LARGE)
        except duckdb.InvalidInputException as error:
            # Parameters that are missing or too many are told; the rest is about values, which may be others'.
            text = told(error)
            about_parameters = "parameter" in text.lower()
            return Failed(kind="refused", message=text if about_parameters else _UNFIT)
        except (
            duckdb.InterruptException,
            duckdb.IOException,
            duckdb.FatalException,
            duckdb.InternalException,
        ):
            raise
        except duckdb.Error:
            return Failed(kind="refused", message=_UNFIT)


_UNFIT: Final = "a value does not fit what the query does with it, such as a text that is cast to a number"


@contextmanager
def _views(database: Database, asked: Sql) -> Iterator[None]:
    """Have each dataset as a view of what the caller may see, as long as the block lasts.

    With one tenant the view ends in a LIMIT that cuts nothing: past it no condition of the caller's is moved, which
    would else be tried on the rows of others, and could fail on one and so tell of it.
    """
    try:
        for source in asked.sources:
            rows = union(within(source.paths, asked.from_us, asked.to_us), database.live(source))
            time = DATASETS[source.dataset].time
            where = f'"{time}" >= {asked.from_us} AND "{time}" < {asked.to_us}'
            barrier = ""
            if asked.tenant is not None:
                where, barrier = f"{where} AND tenant = {quoted(asked.tenant)}", "LIMIT 9000000000000000000"
            seen = f"SELECT * FROM ({rows}) WHERE {where} {barrier}"
            database.connection.execute(f'CREATE OR REPLACE TEMP VIEW "{source.dataset}" AS {seen}')
        yield
    finally:
        for source in asked.sources:
            database.connection.execute(f'DROP VIEW IF EXISTS "{source.dataset}"')


def _table(result: duckdb.DuckDBPyConnection, most: int) -> Table:
    columns = [str(each[0]) for each in result.description or ()]
    types = [str(each[1]) for each in result.description or ()]
    rows = list[list[Any]]()
    size = 0
    while size < MAX_BYTES and (found := result.fetchmany(min(_STEP, most + 1 - len(rows)))):
        for each in found:
            row = [plain(value) for value in each]
            size += _size(row)
            rows.append(row)
            if size >= MAX_BYTES or len(rows) > most:
                return Table(columns=columns, types=types, rows=rows[:most], truncated=True)
    return Table(columns=columns, types=types, rows=rows, truncated=False)


def _size(value: Any) -> int:
    """About how many bytes a value takes."""
    match value:
        case str():
            return len(value) + 8
        case list():
            return 8 + sum(map(_size, value))
        case dict():
            return 8 + sum(len(name) + _size(each) for name, each in value.items())
    return 8
