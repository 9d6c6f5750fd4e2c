"""A configuration on its way from the supervisor to workers."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.app import Handed, Handover, HandoverError
from llmgw.settings import Snapshot


@pytest.fixture
def handover(tmp_path: Path) -> Iterator[Handover]:
    """One whose file is in the test's directory, under no name."""
    with Handover(tmp_path) as made:
        yield made


def _handed(generation: int, text: str = "aliases: {}", refused: int = 0) -> Handed:
    snapshot = Snapshot(source="llmgw.yaml", text=text, files={"key": "sk-1"})
    return Handed(generation=generation, refused=refused, snapshot=snapshot)


def test_readers_find_what_was_written_last(handover: Handover) -> None:
    """Before anything was written they find what they began with; a shorter text leaves nothing of a longer one."""
    assert handover.read() == Handed()
    for handed in (_handed(2, "a: " + "x" * 100_000), _handed(3), _handed(3, refused=1), _handed(4, "b: 1")):
        handover.write(handed)
        assert handover.read() == handover.last == handed


def test_a_forked_process_reads_what_is_written_after_its_birth(handover: Handover) -> None:
    """Each worker has the file from its fork on, whether it began before a reload or after."""
    go, gone = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(go, 1)
        found = handover.read()
        os._exit(0 if found == _handed(2) else 1)
    handover.write(_handed(2))
    os.write(gone, b"x")
    _, status = os.waitpid(child, 0)
    os.close(go)
    os.close(gone)
    assert os.waitstatus_to_exitcode(status) == 0


def test_nothing_is_left_where_others_could_look(handover: Handover, tmp_path: Path) -> None:
    """What was read of secret files is under no name, and in no text that is printed."""
    handover.write(_handed(2, "key: sk-2"))
    assert list(tmp_path.iterdir()) == []
    assert "sk-" not in repr(handover.read())


def test_a_writing_that_fails_leaves_what_was_there(
    handover: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full, at the text or at the header, hides nothing that was checked before."""
    handover.write(_handed(2))
    real = os.pwrite
    for full_at in (lambda at: at > 0, lambda at: at == 0):

        def pwrite(file: int, text: bytes, at: int, full: object = full_at) -> int:
            if full(at):  # type: ignore[operator]
                raise OSError(28, "No space left on device")
            return real(file, text, at)

        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(OSError, match="No space"):
            handover.write(_handed(3))
        monkeypatch.setattr(os, "pwrite", real)
        assert handover.read() == handover.last == _handed(2)
    handover.write(_handed(3))
    assert handover.read() == _handed(3)


def test_a_text_that_is_not_what_was_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digest that does not fit is an error, and no configuration."""
    file = (tmp_path / "seen").open("w+b", buffering=0)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: file)
    with Handover(tmp_path) as handover:
        handover.write(_handed(2))
        os.pwrite(file.fileno(), b"\xff", Path(file.name).stat().st_size - 1)
        with pytest.raises(HandoverError):
            handover.read()
