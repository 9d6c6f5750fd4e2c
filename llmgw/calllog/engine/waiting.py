"""The rows of a dataset that are in no segment, as a table that stays from one question to the next."""

import contextlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from llmgw.calllog.datasets import Dataset
from llmgw.calllog.engine.frames import Source
from llmgw.calllog.engine.writing import BATCH, numbered, select_lines

LIVE: Final = "_live_"
"""What the names of these tables begin with; no caller may name one."""


class Forgotten(Exception):
    """What the worker takes for known here is not: it has to send all of it."""


class Waiting:
    """One dataset's table; `view` shows it as the columns of the dataset."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, dataset: Dataset, scratch: Path) -> None:
        self.view = f"{LIVE}{dataset.name}"
        self._rows = f"{self.view}_rows"
        self._connection = connection
        self._dataset = dataset
        self._scratch = scratch
        self._kept: set[int] | None = None
        """The numbers of the batches in the table; None while there is no table."""

    def become(self, source: Source) -> None:
        """Have in the table what the source says, and nothing else.

        Raises:
            Forgotten: some of that was neither sent now nor before.
            duckdb.Error: the lines are not as the dataset says, or there is no room; then nothing is kept.
        """
        held = set(source.held)
        if not held <= (self._kept or set()):
            raise Forgotten
        try:
            if self._kept is None:
                self._begin()
            elif self._kept != held:
                # Made anew: what is deleted from a table in memory keeps its room.
                self._connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE {self._rows} AS SELECT * FROM {self._rows} "
                    f"WHERE {BATCH} IN (SELECT unnest(?::BIGINT[]))",
                    [list(source.held)],
                )
            if source.lines:
                self._add(source.lines, source.numbers)
        except BaseException:
            self._kept = None
            raise
        self._kept = held | set(source.numbers)

    def _begin(self) -> None:
        columns = ", ".join(f'"{name}"' for name in self._dataset.columns)
        empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in self._dataset.columns.items())
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {self._rows} AS SELECT {empty}, NULL::BIGINT AS {BATCH} WHERE false"
        )
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {self.view} AS SELECT {columns} FROM {self._rows}"  # names are ours
        )

    def _add(self, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        path = self._scratch / f"{secrets.token_hex(8)}.ndjson"
        try:
            with path.open("wb") as file:
                file.writelines(map(numbered, lines, numbers))
            self._connection.execute(
                f"INSERT INTO {self._rows} BY NAME {select_lines(self._dataset, str(path), batches=True)}"
            )
        finally:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
