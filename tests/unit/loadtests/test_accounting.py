"""What is told of a gateway's memory is its largest worker's."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from loadtests.accounting import Family, worker_rss_mib

HOLDING = "import sys; held = b'x' * (int(sys.argv[2]) << 20); print(flush=True); sys.stdin.read()"


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """One that holds 40 MiB, one of 20, and one of 80 that counts tokens for them."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDING, name, str(mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name, mib in (("root", 40), ("worker", 20), ("llmgw.accounting.counting", 80))
    ]
    for each in started:
        assert each.stdout is not None
        each.stdout.readline()
    yield started
    for each in started:
        each.communicate()


def test_helpers_are_no_workers(processes: list[subprocess.Popen[bytes]]) -> None:
    """The largest below the root counts, however large the root and those that help the workers are."""
    root, worker, helper = (each.pid for each in processes)
    assert 20 < worker_rss_mib(Family((root, worker, helper), ())) < 40
    assert 40 < worker_rss_mib(Family((root, helper), ())) < 80
