"""All calls that match as one file of Parquet."""

import secrets
from typing import Final

from llmgw.calllog.engine.database import Database, quoted, union
from llmgw.calllog.engine.frames import Export, File
from llmgw.calllog.engine.paging import COLUMNS, within

_ALL: Final = ", ".join(f'"{name}"' for name in COLUMNS)


def export(database: Database, asked: Export) -> File:
    """Write them, oldest first and `most` at most."""
    where, values = asked.filters.where()
    path = database.scratch / f"export-{secrets.token_hex(8)}.parquet"
    paths = within(asked.source.paths, asked.filters.from_us, asked.filters.to_us)
    live = database.live(asked.source)
    rows = f"SELECT {_ALL} FROM ({union(paths, live)}) WHERE {where}"  # names are ours, values apart
    ((total,),) = database.rows(f"SELECT count(*) FROM ({rows})", values)  # as above
    if total > asked.most:
        return File(path="", rows=total, truncated=True)
    try:
        database.rows(
            f"COPY ({rows} ORDER BY ended_us, id) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)",
            values,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return File(path=str(path), rows=total, truncated=False)
