"""Where segments are: a directory or a bucket. Names are paths with slashes; a file is there whole, or not."""

import asyncio
import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

DRAFT: Final = ".draft-"
"""What the name of a file begins with while it is written."""
_RETRIES: Final = 2


class FilesUnavailable(Exception):
    """Files cannot be read or written now; `reason` is `disk` or `store`, the message says more."""

    def __init__(self, message: str, reason: str = "store") -> None:
        super().__init__(message)
        self.reason = reason


class Entry(NamedTuple):
    """A file as it is listed; `modified_ms` is unix time."""

    name: str
    size: int
    modified_ms: int


class Files(Protocol):
    """A place for files. Every method raises `FilesUnavailable` where that cannot be done now."""

    async def entries(self, folder: str) -> list[Entry]:
        """List all files below a folder, whoever made them; none where there is no such folder."""

    async def put(self, name: str, data: bytes | Path) -> None:
        """Write a file, in the place of one of that name; a path's own file may be moved there."""

    async def read(self, name: str) -> bytes:
        """Read a whole file.

        Raises:
            FileNotFoundError: there is none.
        """

    async def fetch(self, name: str, target: Path) -> None:
        """Copy a file to a path of this machine.

        Raises:
            FileNotFoundError: there is none.
        """

    async def delete(self, names: Sequence[str]) -> None:
        """Delete files; one that is gone already is no error."""

    def path(self, name: str) -> Path | None:
        """Where a file can be opened on this machine; None where it has to be fetched."""


class Directory:
    """A directory of this machine; what is put is on the disk before that returns."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def entries(self, folder: str) -> list[Entry]:
        """As `Files`."""
        found: list[Entry] = await _in_thread(self._entries, folder)
        return found

    async def put(self, name: str, data: bytes | Path) -> None:
        """As `Files`."""
        await _in_thread(self._put, name, data)

    async def read(self, name: str) -> bytes:
        """As `Files`."""
        found: bytes = await _in_thread((self._root / name).read_bytes)
        return found

    async def fetch(self, name: str, target: Path) -> None:
        """As `Files`."""
        await _in_thread(shutil.copyfile, self._root / name, target)

    async def delete(self, names: Sequence[str]) -> None:
        """As `Files`."""
        await _in_thread(self._delete, names)

    def path(self, name: str) -> Path | None:
        """As `Files`."""
        return self._root / name

    def _entries(self, folder: str) -> list[Entry]:
        found: list[Entry] = []
        for directory, _, names in os.walk(self._root / folder):
            for name in names:
                path = Path(directory, name)
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    below = path.relative_to(self._root).as_posix()
                    found.append(Entry(below, status.st_size, status.st_mtime_ns // 1_000_000))
        return found

    def _put(self, name: str, data: bytes | Path) -> None:
        path = self._root / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{DRAFT}{secrets.token_hex(8)}")
        try:
            _write(draft, data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync(path.parent)

    def _delete(self, names: Sequence[str]) -> None:
        for name in names:
            path = self._root / name
            path.unlink(missing_ok=True)
            # The hour's folder, and then the day's, goes with its last file.
            with contextlib.suppress(OSError):
                path.parent.rmdir()
                path.parent.parent.rmdir()


SCHEMES: Final = {"s3": "aws_", "gs": "google_", "az": "azure_"}
"""Object stores by the scheme of their URLs, with what the names of their options begin with."""
CLIENT_OPTIONS: Final = frozenset({"allow_http", "connect_timeout", "timeout"})
"""Options of all stores."""


class Bucket:
    """An object store, by a URL as `s3://bucket/prefix`, with options of `obstore` by their names."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        """Open it; asks nothing of it yet.

        Raises:
            ValueError: the URL or an option cannot be meant; the message repeats no value.
        """
        # Costs a worker nothing that keeps its log in a directory.
        from obstore.exceptions import BaseError  # noqa: PLC0415
        from obstore.store import from_url  # noqa: PLC0415

        prefix = SCHEMES.get(url.partition("://")[0])
        if prefix is None:
            raise ValueError(
                f"is no URL of an object store: write one of {', '.join(SCHEMES)}, as s3://bucket/prefix"
            )
        unknown = [each for each in options if each not in CLIENT_OPTIONS and not each.startswith(prefix)]
        if unknown:
            raise ValueError(f"has an option whose name does not begin with {prefix}")
        config: Any = {name: value for name, value in options.items() if name not in CLIENT_OPTIONS}
        client: Any = {name: value for name, value in options.items() if name in CLIENT_OPTIONS}
        try:
            self._store: Any = from_url(
                url, config=config, client_options=client, retry_config={"max_retries": _RETRIES}
            )
        except (BaseError, ValueError, TypeError):
            raise ValueError(
                "cannot be opened: the URL or an option of it is not as its store wants it"
            ) from None

    async def entries(self, folder: str) -> list[Entry]:
        """As `Files`."""
        found: list[Entry] = []
        async with _telling():
            async for page in self._store.list(prefix=folder):
                found += [
                    Entry(each["path"], each["size"], round(each["last_modified"].timestamp() * 1000))
                    for each in page
                ]
        return found

    async def put(self, name: str, data: bytes | Path) -> None:
        """As `Files`."""
        async with _telling():
            await self._store.put_async(name, data)

    async def read(self, name: str) -> bytes:
        """As `Files`."""
        async with _telling():
            found = await self._store.get_async(name)
            return bytes(await found.bytes_async())

    async def fetch(self, name: str, target: Path) -> None:
        """As `Files`."""
        async with _telling():
            found = await self._store.get_async(name)
            with target.open("wb") as file:
                async for part in found.stream():
                    await asyncio.to_thread(file.write, part)

    async def delete(self, names: Sequence[str]) -> None:
        """As `Files`."""
        async with _telling():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    await self._store.delete_async(name)

    def path(self, name: str) -> Path | None:  # noqa: ARG002  # as Files
        """As `Files`."""
        return None


@contextlib.asynccontextmanager
async def _telling() -> Any:
    """Turn the store's errors into ours, with no word of theirs, which may hold a credential."""
    from obstore.exceptions import BaseError  # noqa: PLC0415

    try:
        yield
    except FileNotFoundError:
        raise
    except BaseError as error:
        raise FilesUnavailable(f"the object store failed: {type(error).__name__}") from None
    except OSError as error:
        raise FilesUnavailable(f"the object store failed: {error.strerror}") from None


async def _in_thread(do: Any, *arguments: Any) -> Any:
    try:
        return await asyncio.to_thread(do, *arguments)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FilesUnavailable(f"the directory cannot be used: {error.strerror}", "disk") from error


def _write(path: Path, data: bytes | Path) -> None:
    if isinstance(data, Path):
        try:
            data.replace(path)
        except OSError:  # another file system
            shutil.copyfile(data, path)
            data.unlink()
        path.chmod(0o600)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
