"""G2, G3 for money: a killed worker loses no call that was acknowledged, and none is charged twice."""

import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
KILLS = 50


def worker(home: Path, name: str, *rest: str) -> "subprocess.Popen[bytes]":
    """Start a worker on the journal and the ledger of this test."""
    paths = (str(home / "journal"), str(home / "ledger"))
    command = [sys.executable, "-m", "tests.faults.journal_worker", *paths, name, *rest]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def acknowledged(lines: list[bytes]) -> set[str]:
    """The calls whose callers had their answers; a line that was cut by the death was not read by anybody."""
    whole = (line.decode().split() for line in lines if line.endswith(b"\n"))
    return {words[1] for words in whole if words[0] == "ack"}


def test_kill_9_fifty_times_between_records(tmp_path: Path) -> None:
    """Every acknowledged call is in the ledger at its cost; none comes after its durable end; all files go."""
    (tmp_path / "ledger").mkdir()
    drawn = random.Random(6)  # noqa: S311 - which call is the last is no secret
    acked: set[str] = set()
    lines: list[bytes] = []
    for kill in range(KILLS):
        with worker(tmp_path, f"w{kill}") as process:
            assert process.stdout is not None
            heard = [process.stdout.readline() for _ in range(drawn.randint(1, 60))]
            process.kill()
            heard += process.stdout.readlines()
        lines += heard
        acked |= acknowledged(heard)
    with worker(tmp_path, "last", "finish") as process:
        assert process.stdout is not None
        lines += process.stdout.readlines()
    assert process.returncode == 0
    ledger = {path.name: path.read_bytes() for path in (tmp_path / "ledger").iterdir()}
    assert len(acked) > KILLS
    assert sorted(acked - ledger.keys()) == []
    assert ledger == {name: b"%s nano-USD" % name.partition("-")[2].encode() for name in ledger}
    said = [line.split() for line in lines if line.endswith(b"\n")]
    again = [operation for word, operation in said if word == b"again"]
    assert len(again) <= KILLS * 40, "only what was settled in the last moments before a death comes again"
    ended: set[bytes] = set()
    for word, operation in said:
        assert word == b"ended" or operation not in ended, (
            "what has its end on the medium is never heard of again"
        )
        if word == b"ended":
            ended.add(operation)
    assert ended
    assert list((tmp_path / "journal").iterdir()) == []
