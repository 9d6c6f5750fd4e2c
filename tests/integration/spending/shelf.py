"""Archives of a desk's books, and writers that die when a test says so."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from llmgw.policy.spending.archive import draft
from llmgw.policy.spending.archive.reading import Folder, archived_rows, open_folder
from llmgw.policy.spending.archive.verifying import Verified, verify
from llmgw.policy.spending.books import base_of
from llmgw.policy.spending.ledger import Row, rows
from llmgw.state.connection import State
from tests.integration.spending.desk import TENANT, Desk


class Died(BaseException):
    """The process is no more."""


class Mortal:
    """Steps that reach the disk or the store; the process dies before the one at `at`, counted from 0.

    What was written and is not yet synchronised may be there in part: `torn` bytes of it are not.
    """

    def __init__(self, at: int | None, torn: int = 0) -> None:
        self.at = at
        self.torn = torn
        self.steps = 0
        self.dead = False

    def step(self) -> bool:
        """Whether the process lives on."""
        self.dead = self.dead or self.steps == self.at
        self.steps += 1
        return not self.dead

    def die_unless_alive(self) -> None:
        """One step."""
        if not self.step():
            raise Died

    @contextmanager
    def living(self) -> Iterator[None]:
        """Let archives be written by this process."""
        with ExitStack() as stack:
            for place, name, new in (
                (draft, "os", _Steps(self)),
                (draft._Hashed, "write", self._written()),
                (Path, "replace", self._replaced()),
                (State, "script", self._asked()),
                (draft.Draft, "close", self._closed()),
            ):
                stack.enter_context(patch.object(place, name, new))
            yield

    def _written(self) -> Any:
        def written(hashed: Any, data: bytes) -> int:
            if not self.step():
                _write(hashed, data[: len(data) // 2])
                raise Died
            return _write(hashed, data)

        return written

    def _replaced(self) -> Any:
        def replaced(path: Path, target: Path) -> Path:
            self.die_unless_alive()
            return _replace(path, target)

        return replaced

    def _asked(self) -> Any:
        async def asked(state: State, script: Any, *arguments: Any) -> Any:
            if script.name != "spending_trim":
                return await _script(state, script, *arguments)
            self.die_unless_alive()
            answer = await _script(state, script, *arguments)
            self.die_unless_alive()
            return answer

        return asked

    def _closed(self) -> Any:
        def closed(mortal: Any) -> None:
            if self.dead:
                # The kernel ends a dead process's lock, and nobody clears up behind it.
                mortal._path = mortal._path.with_name("never")
            _close(mortal)

        return closed


class _Steps:
    """The module `os`, in which each synchronising of a file is a step."""

    def __init__(self, mortal: Mortal) -> None:
        self._mortal = mortal

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, descriptor: int) -> None:
        """Die over it, with a part of what was written, or go on."""
        if not self._mortal.step():
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE:  # no directory
                size = os.fstat(descriptor).st_size
                os.truncate(descriptor, max(_synchronised(descriptor, size), size - self._mortal.torn))
            raise Died
        os.fsync(descriptor)


def _synchronised(descriptor: int, size: int) -> int:
    """Bytes that were on the disk before: of a file of rows none, of an index all but its last line."""
    path = Path(f"/proc/self/fd/{descriptor}").resolve()
    return path.read_bytes().rfind(b"\n", 0, size - 1) + 1 if path.name.startswith("index") else 0


_write = draft._Hashed.write
_replace = Path.replace
_script = State.script
_close = draft.Draft.close


def shelves(archives: list[Path], tenant: str = TENANT) -> list[Folder]:
    """A tenant's part of each archive."""
    return [open_folder(each, tenant) for each in archives]


async def union(desk: Desk, archives: list[Path], tenant: str = TENANT) -> list[Row]:
    """Every row there is, archived or not, once; what is in both is the same in both."""
    found = {row.id: row for row in archived_rows(shelves(archives, tenant))}
    async for row in rows(desk.state, tenant):
        assert found.setdefault(row.id, row) == row
    return sorted(found.values(), key=lambda each: tuple(map(int, each.id.split("-"))))


async def proof(desk: Desk, archives: list[Path], tenant: str = TENANT) -> Verified:
    """What archives are, held to the store."""
    base = await base_of(desk.state, tenant)
    return verify(shelves(archives, tenant), base)
