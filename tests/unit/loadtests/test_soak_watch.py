"""From when on a worker's memory is asked whether it grows."""

import pytest
from loadtests.soak.watch import Worker


@pytest.mark.parametrize(
    ("minutes", "grows_for", "answer"),
    [
        (9, 9, "not proved"),
        (20, 8, "holds"),
        (20, 20, "fails"),
        (60, 16, "holds"),
        (60, 60, "fails"),
    ],
)
def test_memory_is_held_against_its_bound_once_caches_are_full(
    minutes: int, grows_for: int, answer: str
) -> None:
    """What a worker takes in its first ten minutes, or third of its life, is no slope; what it takes later is."""
    worker = Worker(pid=1, since=0.0)
    for second in range(0, minutes * 60, 2):
        worker.rss.append((second, 100 + min(second, grows_for * 60) / 60))
    assert worker.slope().judged(1.0) == answer
