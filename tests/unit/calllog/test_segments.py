"""Which segments a reader takes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from llmgw.calllog.segments import Cursor, Place, Segment, covered, visible

ORIGIN = "00000000000000aa"
HOURS = ["date=2026-11-27/hour=01", "date=2026-11-27/hour=02"]


def segment(first: int, last: int, hour: int = 0, origin: str = ORIGIN) -> Segment:
    """The events from one place to another."""
    return Segment("calls", HOURS[hour], origin, Place(first, 0), Place(last, 0))


@st.composite
def logs(draw: st.DrawFn) -> tuple[set[Segment], list[tuple[int, int]], Cursor]:
    """A log at any moment: ranges written one after another, some joined, some of those deleted; and a cursor."""
    ends = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=12)))
    ranges = [(before + 1, end) for before, end in pairwise([0, *ends])]
    at = draw(st.integers(0, len(ranges)))
    cursor = Cursor(ORIGIN, Place(ranges[at - 1][1] if at else 0, 0))
    files = {segment(*each) for each in ranges[: draw(st.integers(at, len(ranges)))]}
    for _ in range(draw(st.integers(0, 3))):
        # Whoever joins takes what a reader would take, so that no two files have a part in common.
        whole = visible(files)
        low, high = draw(st.integers(0, max(0, len(whole) - 1))), draw(st.integers(0, max(0, len(whole) - 1)))
        group = whole[min(low, high) : max(low, high) + 1]
        if len(group) > 1:
            files.add(segment(group[0].first.ms, group[-1].last.ms))
            # Deleted is only what has been in another one for longer than the cursor is old.
            if group[-1].last <= cursor.place:
                files -= draw(st.sets(st.sampled_from(sorted(group))))
    return files, ranges, cursor


@given(logs())
def test_each_event_up_to_the_cursor_is_read_once(
    log: tuple[set[Segment], list[tuple[int, int]], Cursor],
) -> None:
    """Whatever was joined or deleted meanwhile; what comes behind the cursor is in none that is taken."""
    files, ranges, cursor = log
    taken = visible(files, cursor)
    found = [number for each in taken for number in range(each.first.ms, each.last.ms + 1)]
    assert found == list(range(1, cursor.place.ms + 1))
    assert {number for _, number in ranges if number <= cursor.place.ms} <= {0, *found}


@given(logs())
def test_what_is_covered_can_go(log: tuple[set[Segment], list[tuple[int, int]], Cursor]) -> None:
    """Without it, a reader without a cursor takes the same segments."""
    files, _, _ = log
    assert visible(files - set(covered(files))) == visible(files)


def test_ranges_of_other_hours_and_other_streams_do_not_cover() -> None:
    """A store that was lost begins a new stream, whose places may be the same ones; a cursor is about its own."""
    other = segment(2, 9, origin="00000000000000bb")
    segments = [segment(1, 9), segment(2, 3), segment(2, 3, hour=1), other]
    assert visible(segments) == [segment(1, 9), other, segment(2, 3, hour=1)]
    assert visible(segments, Cursor("00000000000000bb", Place(5, 0))) == [
        segment(1, 9),
        segment(2, 3, hour=1),
    ]


def test_a_name_is_read_as_it_was_written() -> None:
    """And what is no name of ours is nothing, nor is a range that ends before it begins."""
    one = segment(5, 70)
    assert one.name == f"calls/date=2026-11-27/hour=01/{ORIGIN}_5-0_70-0.parquet"
    assert Segment.read(one.name) == one
    for name in (
        one.name + ".tmp",
        f"calls/{ORIGIN}_5-0_70-0.parquet",
        one.name.replace("_5-0", "_99-0"),
        "x",
    ):
        assert Segment.read(name) is None
