"""Pages of calls: every call once, in order, wherever it is kept."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from llmgw.calllog.cursors import Cursor
from llmgw.calllog.event import CallEvent
from llmgw.calllog.files import Directory
from llmgw.calllog.filters import Filters, Order
from llmgw.calllog.reading import Found
from tests.integration.calllog.asked_log import (
    HOUR_US,
    TUESDAY_US,
    AskedLog,
    asked_log,
    call,
    everything,
    ids,
    run,
)

# Calls of six hours, three of which ended in the same microsecond, two of them late in the stream.
EVENTS = [call(n, TUESDAY_US + (n // 4) * HOUR_US + (n % 4) * 1000) for n in range(24)]
SAME = [call(n, TUESDAY_US + 2 * HOUR_US + 500) for n in range(100, 103)]


async def _filled(log: AskedLog) -> list[CallEvent]:
    await log.keep([*EVENTS[:10], SAME[0]])
    await log.keep([*EVENTS[10:20], SAME[1]])
    log.buffered([*EVENTS[20:], SAME[2]])
    return sorted([*EVENTS, *SAME], key=lambda each: (each.ended_us, each.id))


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("size", [1, 3, 27])
def test_pages_hold_every_call_once_and_in_order(tmp_path: Path, order: Order, size: int) -> None:
    """Page after page of any size: those of segments, those in none, and those of one moment."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            expected = [each.id for each in await _filled(log)]
            found = [
                each async for page in log.reading.pages(everything(), order, size) for each in ids(page.rows)
            ]
            assert found == (expected if order == "oldest" else expected[::-1])

    run(scene())


def test_a_call_is_whole_in_a_page(tmp_path: Path) -> None:
    """All that was written down comes back, with its end as a time and its cost in dollars."""
    event = call(
        1, TUESDAY_US + 1, alias="smart", tags=("a", "b"), status=200, cost_nano=1_500_000_000, score=0.5,
        stream=True, prompt="triage@7", loss_codes=("x",),
    )  # fmt: skip

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep([event])
            log.buffered([call(2, TUESDAY_US + 2)])
            page = await log.reading.page(everything(), "oldest", 10)
            kept, live = map(msgspec.json.decode, page.rows)
            assert kept["ended_at"] == "2026-11-24T00:00:00.000001Z"
            assert kept["cost_usd"] == "1.5"
            assert msgspec.convert(kept, CallEvent) == event
            assert live.keys() == kept.keys()

    run(scene())


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"tenant": "globex"}, [2]),
        ({"texts": {"alias": "smart"}}, [1]),
        ({"texts": {"alias": "smart", "error": "x"}}, []),
        ({"prompt": "triage"}, [1, 2]),
        ({"prompt": "triage@8"}, [2]),
        ({"prompt": "tri"}, []),
        ({"tag": "eu"}, [1]),
        ({"status": 502}, [2]),
        ({"min_us": 2000}, [2]),
        ({"min_cost_nano": 5}, [1]),
        ({"from_us": TUESDAY_US + HOUR_US}, [2]),
        ({"to_us": TUESDAY_US + HOUR_US}, [1]),
        ({"texts": {"alias": "' OR 1=1 --"}}, []),
    ],
    ids=str,
)  # fmt: skip
def test_a_filter_finds_what_matches(tmp_path: Path, asked: dict[str, object], found: list[int]) -> None:
    """In segments and in what is in none alike."""
    one = call(1, TUESDAY_US, alias="smart", prompt="triage@7", tags=("eu", "web"), status=200, cost_nano=5)
    two = call(2, TUESDAY_US + HOUR_US, tenant="globex", prompt="triage@8", status=502, duration_us=2000)
    expected = [{1: one, 2: two}[each].id for each in found]

    async def scene() -> None:
        async with asked_log(tmp_path / "kept") as log:
            await log.keep([one, two])
            assert ids((await log.reading.page(everything(**asked), "oldest", 10)).rows) == expected
            log.buffered([])
        async with asked_log(tmp_path / "live") as log:
            log.buffered([one, two])
            assert ids((await log.reading.page(everything(**asked), "oldest", 10)).rows) == expected

    run(scene())


class Elsewhere(Directory):
    """A directory as an object store is: every file has to be fetched."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: list[str] = []

    def path(self, name: str) -> Path | None:
        """As `Files`."""
        return None

    async def fetch(self, name: str, target: Path) -> None:
        """As `Files`."""
        self.fetched.append(name)
        await super().fetch(name, target)


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_segments_of_an_object_store_are_fetched_once_and_no_more_than_needed(
    tmp_path: Path, order: Order
) -> None:
    """The same pages; a first page takes the hours next to its end, and nothing is fetched twice."""

    async def scene() -> None:
        log = AskedLog(tmp_path, files=Elsewhere(tmp_path / "log"))
        assert isinstance(log.files, Elsewhere)
        try:
            expected = [each.id for each in await _filled(log)]
            await log.reading.page(everything(), order, 1)
            assert 0 < len(log.files.fetched) < len(await log.files.entries("calls"))
            for _ in range(2):
                found = [
                    each
                    async for page in log.reading.pages(everything(), order, 4)
                    for each in ids(page.rows)
                ]
                assert found == (expected if order == "oldest" else expected[::-1])
            assert (
                len(log.files.fetched) == len(set(log.files.fetched)) == len(await log.files.entries("calls"))
            )
        finally:
            await log.reading.aclose()

    run(scene())


def test_one_call_is_found_by_its_id_within_its_tenant(tmp_path: Path) -> None:
    """In a segment or in none, a child by its parent's time; another tenant has none of that id."""
    odd = CallEvent(ended_us=TUESDAY_US, id="none_0123456789abcdef", tenant="acme", capture="none")
    child = CallEvent(ended_us=TUESDAY_US + 5, id=f"{EVENTS[0].id}.1", tenant="acme", parent=EVENTS[0].id)

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep([EVENTS[0], child, odd])
            log.buffered([EVENTS[23]])
            for event in (EVENTS[0], EVENTS[23], child, odd):
                assert ids((await log.reading.find(event.id, "acme")).rows) == [event.id]
                assert ids((await log.reading.find(event.id, None)).rows) == [event.id]
                assert (await log.reading.find(event.id, "globex")).rows == []
            assert (await log.reading.find("call_00000000000000000000000f", None)).rows == []

    run(scene())


def test_the_store_away_hides_what_is_in_no_segment_and_says_so(tmp_path: Path) -> None:
    """Segments are answered all the same, those written last too."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep(EVENTS[:2])
            log.buffered(EVENTS[2:3])
            whole = await log.reading.page(everything(), "oldest", 10)
            log.buffer.away = True
            part = await log.reading.page(everything(), "oldest", 10)
            assert (len(whole.rows), whole.live) == (3, True)
            assert (ids(part.rows), part.live) == ([EVENTS[0].id, EVENTS[1].id], False)

    run(scene())


def test_a_segment_that_goes_between_list_and_read_is_looked_for_again(tmp_path: Path) -> None:
    """Its rows are in another one by then, which a fresh list has."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await log.keep(EVENTS[:4])
            before = await log.reading.page(everything(), "oldest", 10)
            (entry,) = await log.files.entries("calls")
            moved = entry.name.replace("_1-0_1-0", "_0-0_1-0")
            (log.root / entry.name).rename(log.root / moved)
            after: Found = await log.reading.page(everything(), "oldest", 10)
            assert ids(after.rows) == ids(before.rows)

    run(scene())


def test_a_file_of_parquet_has_what_a_page_has(tmp_path: Path) -> None:
    """All calls that match, oldest first, which the engine itself reads back."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            expected = [each.id for each in await _filled(log)]
            file, live = await log.reading.parquet(everything())
            assert (file.rows, live) == (len(expected), True)
            kept = log.root / "calls/date=2026-11-24/hour=00/00000000000000aa_1-0_9-0.parquet"
            data = await asyncio.to_thread(Path(file.path).read_bytes)
            for each in await log.files.entries("calls"):
                await log.files.delete([each.name])
            log.buffer.lines.clear()
            await log.files.put(str(kept.relative_to(log.root)), data)
            log.buffer.last = log.buffer.last._replace(ms=9)
            found = await log.reading.page(
                Filters(from_us=TUESDAY_US, to_us=TUESDAY_US + HOUR_US), "oldest", 50
            )
            assert ids(found.rows) == expected[:4]

    run(scene())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "a" * 600,
        "MSBuZXdlc3QgMSA=",
        "MSBuZXdlc3QgMQ",
        "MSBuZXdlc3QgOTk5OTk5OTk5OTk5OTk5OTk5OSBh",
    ],
)
def test_a_cursor_that_was_not_given_out_is_refused(text: str) -> None:
    """Whatever it is."""
    with pytest.raises(ValueError, match="cursor"):
        Cursor.read(text, "newest")


def test_a_cursor_belongs_to_its_order() -> None:
    """It reads back as it was, and in the other order it is refused."""
    cursor = Cursor(ended_us=TUESDAY_US, id="call_1")
    assert Cursor.read(cursor.text("oldest"), "oldest") == cursor
    with pytest.raises(ValueError, match="order"):
        Cursor.read(cursor.text("oldest"), "newest")
