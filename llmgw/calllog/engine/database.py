"""DuckDB as the engine runs it: in memory, bounded, and shut in with the log's own files."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from llmgw.calllog.datasets import CALLS, CONTENT, FEEDBACK
from llmgw.calllog.engine.frames import Opening, Source
from llmgw.calllog.engine.waiting import Waiting

DATASETS: Final = {each.name: each for each in (CALLS, CONTENT, FEEDBACK)}
"""What an engine writes and reads, by name."""
_SPILL: Final = "spill"
_LOCKS: Final = (
    "SET enable_external_access = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET allow_unsigned_extensions = false",
    "SET python_enable_replacements = false",
    "SET lock_configuration = true",
)


class Database:
    """One connection, used from one thread; `interrupting` ends what runs too long."""

    def __init__(self, opening: Opening) -> None:
        self.scratch = Path(opening.scratch)
        self.connection = duckdb.connect(
            config={
                "threads": opening.threads,
                "memory_limit": f"{opening.memory_bytes}B",
                "temp_directory": str(self.scratch / _SPILL),
                "max_temp_directory_size": f"{opening.spill_bytes}B",
                "preserve_insertion_order": False,
            }
        )
        self.connection.execute("SET parquet_metadata_cache = true")
        # The system keeps what was read; a second copy of it costs more than it saves.
        self.connection.execute("SET enable_external_file_cache = false")
        self.connection.execute("SET TimeZone = 'UTC'")
        places = ", ".join(map(quoted, (opening.scratch, *opening.directories)))
        self.connection.execute(f"SET allowed_directories = [{places}]")
        for each in _LOCKS:
            with contextlib.suppress(duckdb.CatalogException):
                self.connection.execute(each)
        self.catalog = frozenset(
            name.lower()
            for (name,) in self.connection.execute(
                "SELECT view_name FROM duckdb_views() UNION SELECT table_name FROM duckdb_tables()"
            ).fetchall()
        )
        """Names of tables and views that are there before any of ours is."""
        self._waiting = {
            name: Waiting(self.connection, each, self.scratch) for name, each in DATASETS.items()
        }

    @contextlib.contextmanager
    def interrupting(self, within_s: float) -> Iterator[None]:
        """End what the block does after so many seconds, with an exception of DuckDB's."""
        timer = threading.Timer(within_s, self.connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def live(self, source: Source) -> str:
        """The name of a view of the rows that are in no segment, as the source says; good until the next source.

        Raises:
            Forgotten: the source counts on lines that are not here.
            duckdb.Error: the lines are not as the dataset says, or there is no room.
        """
        waiting = self._waiting[source.dataset]
        waiting.become(source)
        return waiting.view

    def rows(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query of ours."""
        return self.connection.execute(query, values).fetchall()


def union(paths: Sequence[str], live: str) -> str:
    """SQL for the rows of files and of a table, by the names of their columns."""
    if not paths:
        return f"SELECT * FROM {live}"  # names are ours
    files = ", ".join(map(quoted, paths))
    return (
        f"SELECT * FROM read_parquet([{files}], union_by_name = true, hive_partitioning = false) "
        f"UNION ALL BY NAME SELECT * FROM {live}"
    )


def quoted(value: str) -> str:
    """A text as SQL has it."""
    return "'" + value.replace("'", "''") + "'"
