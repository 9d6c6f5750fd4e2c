"""The pepper file."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from llmgw.policy.pepper import PepperError, load_pepper


def test_it_is_made_once_and_read_again(tmp_path: Path) -> None:
    """The first call makes 32 random bytes in a 0600 file; later calls read the same."""
    made = load_pepper(tmp_path / "state")
    file = tmp_path / "state" / "pepper"
    assert load_pepper(tmp_path / "state") == made
    assert len(bytes.fromhex(made.reveal())) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["pepper"]


def test_many_makers_agree(tmp_path: Path) -> None:
    """Workers that start together on an empty directory all get one pepper."""
    with ThreadPoolExecutor(16) as pool:
        peppers = set(pool.map(lambda _: load_pepper(tmp_path / "state"), range(64)))
    assert len(peppers) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_readable_file_is_refused(tmp_path: Path, mode: int) -> None:
    """A pepper others can read is no secret; the message has the command that mends it."""
    load_pepper(tmp_path)
    (tmp_path / "pepper").chmod(mode)
    with pytest.raises(PepperError, match="chmod 600"):
        load_pepper(tmp_path)


@pytest.mark.parametrize("text", ["", "\n", "short"])
def test_an_empty_or_short_file_is_refused(tmp_path: Path, text: str) -> None:
    """An empty pepper would make digests guessable."""
    file = tmp_path / "pepper"
    file.touch(0o600)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PepperError, match="restore it from a backup"):
        load_pepper(tmp_path)


def test_a_directory_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    """A path under a file fails with a fix."""
    (tmp_path / "file").touch()
    with pytest.raises(PepperError, match=r"auth\.pepper"):
        load_pepper(tmp_path / "file" / "state")


def test_the_pepper_does_not_print_itself(tmp_path: Path) -> None:
    """It is a Secret."""
    assert str(load_pepper(tmp_path)) == "***"
