"""Pages of calls and single ones: hour after hour from where a page begins, and no further than it reaches."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from llmgw.calllog.cursors import Cursor
from llmgw.calllog.datasets import CALLS
from llmgw.calllog.engine.database import DATASETS, Database, union
from llmgw.calllog.engine.frames import Find, Page, Rows
from llmgw.calllog.filters import Order
from llmgw.types.money import signed_usd

COLUMNS: Final = tuple(CALLS.columns)
HOUR_US: Final = 3_600_000_000
_PARTITION: Final = re.compile(r"/date=(\d{4})-(\d\d)-(\d\d)/hour=(\d\d)/", re.ASCII)
_ID_TIME: Final = re.compile(r"call_([0-9a-f]{11})[0-9a-f]{13}(?:\.[0-9]{1,4}){0,4}", re.ASCII)
_FIRST_HOURS: Final = 2
_LONGEST_US: Final = 24 * HOUR_US
"""No call lasts longer."""
_ALL: Final = ", ".join(f'"{name}"' for name in COLUMNS)
_encoder: Final = msgspec.json.Encoder()


def page(database: Database, asked: Page) -> Rows:
    """The calls that match, behind the cursor, in order."""
    where, values = asked.filters.where()
    if asked.after is not None:
        sign = "<" if asked.order == "newest" else ">"
        where += f" AND ended_us {sign}= ? AND (ended_us {sign} ? OR id {sign} ?)"
        values += [asked.after.ended_us, asked.after.ended_us, asked.after.id]
    from_us, to_us = _reach(asked)
    found = list[tuple[Any, ...]]()
    wanted = asked.limit + 1
    live = database.live(asked.source)
    late = database.rows(
        _query(f"SELECT {_ALL} FROM {live}", where, asked.order, wanted), values
    )  # names are ours
    for paths, begin, end in _batches(asked.source.paths, asked.order, from_us, to_us):
        files = union(paths, f"(FROM {live} WHERE false)")
        rows = database.rows(_query(files, where, asked.order, wanted - len(found)), values)
        found += rows
        # What is in no segment may be of any hour: it counts once all of its hour have been looked at.
        passed = sum(row[0] >= begin if asked.order == "newest" else row[0] < end for row in late)
        if len(found) + passed >= wanted:
            break
    found = sorted(found + late, key=_place, reverse=asked.order == "newest")[:wanted]
    more = len(found) > asked.limit
    kept = found[: asked.limit]
    return Rows(
        rows=[encoded(row) for row in kept],
        next=Cursor(ended_us=kept[-1][0], id=kept[-1][1]) if more and kept else None,
    )


def find(database: Database, asked: Find) -> Rows:
    """The row of a call's id, looked for where its time says that it is."""
    columns = ", ".join(f'"{name}"' for name in DATASETS[asked.source.dataset].columns)
    begun = _begun(asked.id)
    ended = None if begun is None else begun + _LONGEST_US
    told = encoded if asked.source.dataset == CALLS.name else _plain(asked.source.dataset)
    where, values = "id = ?", [asked.id]
    if asked.tenant is not None:
        where, values = "id = ? AND tenant = ?", [asked.id, asked.tenant]
    live = database.live(asked.source)
    rows = database.rows(f"SELECT {columns} FROM {live} WHERE {where} LIMIT 1", values)  # names are ours
    if rows:
        return Rows(rows=[told(rows[0])])
    for paths, _, _ in _batches(asked.source.paths, "oldest", begun, ended):
        files = union(paths, f"(FROM {live} WHERE false)")
        rows = database.rows(
            f"SELECT {columns} FROM ({files}) WHERE {where} LIMIT 1", values
        )  # names are ours
        if rows:
            return Rows(rows=[told(rows[0])])
    return Rows(rows=[])


def encoded(row: Sequence[Any]) -> bytes:
    """A call as JSON, with its end as a time and its cost in dollars."""
    call = dict(zip(COLUMNS, row, strict=True))
    return _encoder.encode({"ended_at": moment(call["ended_us"]), **call, "cost_usd": usd(call["cost_nano"])})


def moment(ended_us: int) -> str:
    """A time as RFC 3339 has it, to the microsecond."""
    try:
        at = datetime.fromtimestamp(ended_us // 1_000_000, UTC).replace(microsecond=ended_us % 1_000_000)
    except (OverflowError, ValueError, OSError):
        return ""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def usd(nano: int | None) -> str | None:
    """Dollars in plain figures."""
    return None if nano is None else signed_usd(nano)


def within(paths: Sequence[str], from_us: int | None, to_us: int | None) -> tuple[str, ...]:
    """Those segments whose hour has a part in `[from_us, to_us)`."""
    return tuple(path for path in paths if _meets(hour_of(path), from_us, to_us))


def hour_of(path: str) -> int:
    """When the hour of a segment begins, in unix microseconds; 0 where its path does not say."""
    found = _PARTITION.search(path)
    if found is None:
        return 0
    year, month, day, hour = map(int, found.groups())
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1_000_000


def _meets(hour_us: int, from_us: int | None, to_us: int | None) -> bool:
    return (to_us is None or hour_us < to_us) and (from_us is None or hour_us + HOUR_US > from_us)


def _batches(
    paths: Sequence[str], order: Order, from_us: int | None, to_us: int | None
) -> Iterator[tuple[list[str], int, int]]:
    """Segments of whole hours, in order, each time of twice as many hours; and the time that they span."""
    hours: dict[int, list[str]] = {}
    for path in within(paths, from_us, to_us):
        hours.setdefault(hour_of(path), []).append(path)
    left = sorted(hours, reverse=order == "newest")
    size = _FIRST_HOURS
    while left:
        now, left = left[:size], left[size:]
        size *= 2
        yield [path for hour in now for path in hours[hour]], min(now), max(now) + HOUR_US


def _reach(asked: Page) -> tuple[int, int]:
    """The time in which the page's rows can be."""
    from_us, to_us = asked.filters.from_us, asked.filters.to_us
    if asked.after is not None:
        if asked.order == "newest":
            to_us = min(to_us, asked.after.ended_us + 1)
        else:
            from_us = max(from_us, asked.after.ended_us)
    return from_us, to_us


def _query(rows: str, where: str, order: Order, limit: int) -> str:
    way = "DESC" if order == "newest" else "ASC"
    return (
        f"SELECT {_ALL} FROM ({rows}) WHERE {where} "  # names are ours, values apart
        f"ORDER BY ended_us {way}, id {way} LIMIT {limit}"
    )


def _plain(dataset: str) -> Callable[[Sequence[Any]], bytes]:
    names = tuple(DATASETS[dataset].columns)
    return lambda row: _encoder.encode(dict(zip(names, row, strict=True)))


def _place(row: tuple[Any, ...]) -> tuple[int, str]:
    return row[0], row[1]


def _begun(call_id: str) -> int | None:
    """When a call began, as its id says, in unix microseconds; it ended later."""
    found = _ID_TIME.fullmatch(call_id)
    return None if found is None else int(found[1], 16) * 1000
