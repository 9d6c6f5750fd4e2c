"""Lines to a descriptor: whole, in order, or counted as dropped."""

import io
import os
from pathlib import Path

import pytest
from llmgw.telemetry.lines import MAX_LINE, LineWriter, Rfc3339


def test_a_full_pipe_drops_whole_lines_and_counts_them() -> None:
    """Nobody reads: the writer returns, and what was taken is whole lines only."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb") as out:
        lines = LineWriter(stream)
        line = b"x" * (MAX_LINE - 1) + b"\n"
        for _ in range(100):
            lines.write(line)
        lines.close()
        stream.close()
        taken = out.read()
    assert line * (100 - lines.dropped) == taken
    assert 0 < lines.dropped < 100


def test_a_reader_that_left_costs_nothing_but_the_line() -> None:
    """EPIPE is counted, not raised."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        lines = LineWriter(stream)
        lines.write(b"lost\n")
        lines.close()
    assert lines.dropped == 1


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_no_descriptor_drops_everything(stream: io.StringIO | None) -> None:
    """A process without stderr, or with something that is no file in its place."""
    lines = LineWriter(stream)
    lines.write(b"lost\n")
    assert lines.dropped == 1


def test_a_reused_descriptor_number_is_never_written_to(tmp_path: Path) -> None:
    """Whoever gets the number after stderr was closed gets no log lines."""
    log = (tmp_path / "log").open("w")
    lines = LineWriter(log)
    number = log.fileno()
    log.close()
    with (tmp_path / "other").open("w") as other:
        assert number == other.fileno()
        lines.write(b"line\n")
    lines.close()
    assert ((tmp_path / "log").read_text(), (tmp_path / "other").read_text()) == ("line\n", "")


def test_lines_after_close_are_dropped(tmp_path: Path) -> None:
    """A closed writer neither writes nor raises."""
    with (tmp_path / "log").open("w") as log:
        lines = LineWriter(log)
        lines.close()
        lines.write(b"late\n")
        lines.close()
    assert lines.dropped == 1


def test_rfc3339_has_milliseconds_and_utc() -> None:
    """The second is remembered, the milliseconds are not."""
    write = Rfc3339()
    second = 1_700_000_000 * 1_000_000_000
    assert write(second) == "2023-11-14T22:13:20.000Z"
    assert write(second + 999_999_999) == "2023-11-14T22:13:20.999Z"
    assert write(second + 1_000_000_000) == "2023-11-14T22:13:21.000Z"
