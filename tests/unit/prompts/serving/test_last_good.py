"""The file of the last good prompts: whole or refused."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llmgw.prompts.serving import last_good
from llmgw.prompts.serving.last_good import KeptPrompt, LastGoodRefused
from llmgw.types.prompt import PromptInfo, VersionInfo

KEPT = [
    KeptPrompt(
        "acme",
        "stamp",
        PromptInfo(
            name="a/b",
            rev=1,
            created_ms=1,
            updated_ms=2,
            versions={7: VersionInfo(number=7, hash="sha256:7", author="anna", created_ms=1, message="é")},
        ),
        {"sha256:7": b"\x00 bytes \xff"},
    )
]


def written(directory: Path) -> Path:
    """A file with one prompt."""
    path = directory / "state" / last_good.FILE
    last_good.write(path, "epoch", 3, KEPT, 99)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The same prompts, bytes and standing; the file is its user's alone, and nothing else is left beside it."""
    path = written(tmp_path)
    found = last_good.read(path)
    assert found is not None
    header, prompts = found
    assert prompts == KEPT
    assert (header.epoch, header.generation, header.written_unix_ns) == ("epoch", 3, 99)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [last_good.FILE]


def test_no_file_is_no_error(tmp_path: Path) -> None:
    """There is nothing to read before anything was written."""
    assert last_good.read(tmp_path / last_good.FILE) is None


def test_the_same_state_is_not_written_again(tmp_path: Path) -> None:
    """Of several workers only one writes; a new state replaces the file."""
    path = written(tmp_path)
    before = path.stat().st_ino
    last_good.write(path, "epoch", 3, KEPT, 100)
    assert path.stat().st_ino == before
    last_good.write(path, "epoch", 4, KEPT, 100)
    found = last_good.read(path)
    assert found is not None
    assert found[0].generation == 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever byte is altered, and wherever it is cut: what is read is what was written, or nothing."""
    (tmp_path / "state" / last_good.FILE).unlink(missing_ok=True)
    path = written(tmp_path)
    whole = path.read_bytes()
    assert last_good.read(path) is not None
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        place = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
        )
    try:
        found = last_good.read(path)
    except LastGoodRefused:
        # What comes next does not stay with it.
        last_good.write(path, "epoch", 3, KEPT, 100)
        found = last_good.read(path)
    assert found is not None
    assert found[1] == KEPT


def test_a_file_that_others_can_write_or_read_is_refused(tmp_path: Path) -> None:
    """Whoever may write it could decide what models are told."""
    path = written(tmp_path)
    path.chmod(0o620)
    with pytest.raises(LastGoodRefused, match="chmod 600"):
        last_good.read(path)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    """A later version of the gateway may write what this one cannot read."""
    path = written(tmp_path)
    path.write_bytes(path.read_bytes().replace(last_good.FORMAT.encode(), b"llmgw-prompts-snapshot/9"))
    with pytest.raises(LastGoodRefused, match="another format"):
        last_good.read(path)


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """The old file stays, and no draft is left."""
    path = written(tmp_path)
    os.remove(path)  # noqa: PTH107
    path.mkdir()
    with pytest.raises(OSError, match=r".*"):
        last_good.write(path, "epoch", 4, KEPT, 100)
    assert [each.name for each in path.parent.iterdir()] == [last_good.FILE]
