"""Segments of an object store as files of this machine, fetched once: what a name stands for never changes."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmgw.calllog.files import Files
from llmgw.types.call_log_errors import QueryTooLarge

MAX_BYTES: Final = 4 * 1024 * 1024 * 1024
_AT_ONCE: Final = 8


class Cache:
    """A directory of files that were fetched, about `most` bytes of them; those used last stay."""

    def __init__(self, root: Path, files: Files, most: int = MAX_BYTES) -> None:
        self.root = root
        self._files = files
        self._most = most
        self._fetching = asyncio.Semaphore(_AT_ONCE)
        self._turn = asyncio.Lock()

    async def paths(self, wanted: Sequence[tuple[str, int]]) -> tuple[str, ...]:
        """Where files are, by their names and sizes, those fetched that have to be.

        Raises:
            FilesUnavailable: one cannot be fetched.
            FileNotFoundError: one is not there any more.
            QueryTooLarge: they are more than there is room for.
        """
        here = [self._files.path(name) for name, _ in wanted]
        if all(here):
            return tuple(map(str, here))
        if sum(size for _, size in wanted) > self._most:
            raise QueryTooLarge(
                f"that time takes more than {self._most} bytes of segments, which are fetched for it: ask for less",
                param="from",
            )
        async with self._turn:
            targets = [self._target(name) for name, _ in wanted]
            await asyncio.to_thread(self._make_room, set(targets), sum(size for _, size in wanted))
            await asyncio.gather(
                *(self._fetch(name, target) for (name, _), target in zip(wanted, targets, strict=True))
            )
        return tuple(map(str, targets))

    def clear(self) -> None:
        """Forget all of it; for an end, or a beginning after one that was none."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _target(self, name: str) -> Path:
        """Where a file is kept; its hour stays readable, and no name can lead elsewhere."""
        folder, _, _ = name.rpartition("/")
        return self.root / folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.parquet"

    async def _fetch(self, name: str, target: Path) -> None:
        async with self._fetching:
            if await asyncio.to_thread(_touch, target):
                return
            draft = target.with_name(f".{secrets.token_hex(8)}")
            try:
                await self._files.fetch(name, draft)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)

    def _make_room(self, kept: set[Path], more: int) -> None:
        found = list[tuple[float, int, Path]]()
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, path in found if path not in kept) + more
        for _, size, path in sorted(found):
            if total <= self._most:
                return
            if path not in kept:
                path.unlink(missing_ok=True)
                total -= size


def _touch(path: Path) -> bool:
    """Note that a file is used; false where it is not there, and then its folder is."""
    try:
        os.utime(path)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return False
    return True
