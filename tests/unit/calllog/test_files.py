"""Places for files: whole or not there, for this user's eyes, and errors told without a word of theirs."""

import asyncio
import stat
from pathlib import Path

import pytest
from llmgw.calllog.files import DRAFT, Directory, FilesUnavailable, open_bucket


def test_a_file_is_this_users_alone(tmp_path: Path) -> None:
    """It can be written again, read, copied and deleted twice; its folders go with the last file in them."""

    async def use(files: Directory) -> None:
        await files.put("calls/a/b/one", b"1")
        made = tmp_path / "moved"
        made.write_bytes(b"22")
        await files.put("calls/a/b/two", made)
        await files.put("calls/a/b/one", b"3")
        assert stat.S_IMODE((tmp_path / "log/calls/a/b/two").stat().st_mode) == 0o600
        assert {
            stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("log", "log/calls", "log/calls/a/b")
        } == {0o700}
        assert [(each.name, each.size) for each in sorted(await files.entries("calls"))] == [
            ("calls/a/b/one", 1),
            ("calls/a/b/two", 2),
        ]
        assert await files.read("calls/a/b/one") == b"3"
        await files.fetch("calls/a/b/two", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"22"
        for _ in range(2):
            await files.delete(["calls/a/b/one", "calls/a/b/two"])
        assert await files.entries("calls") == []
        assert not (tmp_path / "log/calls/a").exists()
        with pytest.raises(FileNotFoundError):
            await files.read("calls/a/b/one")

    asyncio.run(use(Directory(tmp_path / "log")))


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """Not even the beginning of it; it is the disk's fault then."""
    (tmp_path / "calls" / "one").mkdir(parents=True)
    with pytest.raises(FilesUnavailable, match="cannot be used") as caught:
        asyncio.run(Directory(tmp_path).put("calls/one", b"1"))
    assert caught.value.reason == "disk"
    assert list((tmp_path / "calls").glob(f"{DRAFT}*")) == []


def test_an_object_store_that_is_away_is_told_without_its_words() -> None:
    """It names neither key nor place."""
    options = {
        "aws_endpoint": "http://127.0.0.1:1",
        "aws_region": "eu",
        "aws_access_key_id": "KEYID",
        "aws_secret_access_key": "SECRET",
        "allow_http": "true",
    }
    bucket = open_bucket("s3://bucket/prefix", options)
    for doing in (bucket.put("a", b"1"), bucket.entries("calls"), bucket.read("a"), bucket.delete(["a"])):
        with pytest.raises(FilesUnavailable) as caught:
            asyncio.run(doing)
        assert str(caught.value) == "the object store failed: GenericError"
        assert caught.value.reason == "store"


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://SECRET/x", {}),
        ("s3://b", {"SECRET": "x"}),
        ("s3://b", {"aws_SECRET": "x"}),
        ("s3://b", {"aws_skip_signature": "SECRET"}),
        ("s3://", {}),
        ("gs://b", {"timeout": "SECRET"}),
    ],
)
def test_what_no_store_can_be_opened_by_is_refused(url: str, options: dict[str, str]) -> None:
    """Before anything is asked of it, and without repeating it."""
    with pytest.raises(ValueError, match=r"is no URL|cannot be opened|has an option") as caught:
        open_bucket(url, options)
    assert "SECRET" not in str(caught.value)
