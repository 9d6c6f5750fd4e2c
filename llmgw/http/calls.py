"""The call log for those who ask: pages of calls, single ones, what was said in them, and all of them as a file."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from llmgw.calllog.columns import CALL_COLUMNS
from llmgw.calllog.reading import Found
from llmgw.http.asked import MAX_PAGE, HttpRequest, caller_of, number_of, word_of
from llmgw.http.call_contents import content_routes, missing
from llmgw.http.call_filters import KNOWN, call_id_of, cursor_of, filters_of, only, order_of, reading_of
from llmgw.http.call_questions import question_routes
from llmgw.http.context_transfer import NDJSON
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of
from llmgw.http.runtime import Runtime
from llmgw.types.json import decode

Format: TypeAlias = Literal["json", "csv", "ndjson"]
ExportFormat: TypeAlias = Literal["ndjson", "csv", "parquet"]

EXPORT_PAGE: Final = 5000
"""Rows that are fetched at once for an export."""
LIVE: Final = "x-llmgw-live"
"""Says `false` where the store was away, and calls of the last minute are missing."""
COLUMNS: Final = ("ended_at", *CALL_COLUMNS, "cost_usd")
_CSV: Final = "text/csv; charset=utf-8; header=present"
_PARQUET: Final = "application/vnd.apache.parquet"
_PIECE: Final = 256 * 1024


def call_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's calls are not there."""

    @get("/admin/v1/calls", opt={"permission": Permission.VIEW})
    async def calls(request: HttpRequest) -> Response[bytes]:
        reading = reading_of(runtime)
        filters = filters_of(request, runtime.clock.unix_ns() // 1_000_000)
        order = order_of(request)
        limit = number_of(request, "limit", 100, most=MAX_PAGE, least=1)
        form: Format = word_of(request, "format", Format, "json")
        found = await reading.page(filters, order, limit, cursor_of(request, order))
        following = found.next.text(order) if found.next is not None else None
        headers = {LIVE: str(found.live).lower(), **({"x-llmgw-next": following} if following else {})}
        if form == "csv":
            return Response(_sheet(found.rows, head=True), media_type=_CSV, headers=headers)
        if form == "ndjson":
            return Response(_lines(found.rows), media_type=NDJSON, headers=headers)
        return _page(found, following)

    @get("/admin/v1/calls/{call_id:str}", opt={"permission": Permission.VIEW})
    async def one(request: HttpRequest, call_id: FromPath[str]) -> Response[bytes]:
        reading = reading_of(runtime)
        only(request, frozenset())
        found = await reading.find(call_id_of(call_id), reach_of(caller_of(request)))
        if not found.rows:
            raise missing(found)
        return Response(found.rows[0], media_type="application/json", headers={LIVE: str(found.live).lower()})

    @get("/admin/v1/calls/export", opt={"permission": Permission.VIEW})
    async def export(request: HttpRequest) -> Response[bytes] | Stream:
        reading = reading_of(runtime)
        only(request, KNOWN - {"order", "limit", "cursor"})
        filters = filters_of(request, runtime.clock.unix_ns() // 1_000_000)
        form: ExportFormat = word_of(request, "format", ExportFormat, "ndjson")
        named = {"content-disposition": f'attachment; filename="calls.{form}"'}
        if form == "parquet":
            file, live = await reading.parquet(filters)
            return Stream(
                _whole(Path(file.path)), media_type=_PARQUET, headers={**named, LIVE: str(live).lower()}
            )
        pages = reading.pages(filters, "oldest", EXPORT_PAGE)
        # That the log cannot be read is told before the status is.
        first = await anext(pages)
        written = _exported(first, pages, as_csv=form == "csv")
        headers = {**named, LIVE: str(first.live).lower()}
        return Stream(written, media_type=_CSV if form == "csv" else NDJSON, headers=headers)

    return [calls, one, export, *content_routes(runtime), *question_routes(runtime)]


def _page(found: Found, following: str | None) -> Response[bytes]:
    tail = b'],"next":"%s"' % following.encode() if following else b'],"next":null'
    body = (
        b'{"calls":[' + b",".join(found.rows) + tail + b',"live":' + str(found.live).lower().encode() + b"}"
    )
    return Response(body, media_type="application/json")


def _lines(rows: Iterable[bytes]) -> bytes:
    return b"".join(row + b"\n" for row in rows)


def _sheet(rows: Iterable[bytes], *, head: bool) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    if head:
        writer.writerow(COLUMNS)
    for row in rows:
        call = decode(row)
        writer.writerow([_cell(call[name]) for name in COLUMNS])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """A value as a cell; what a spreadsheet would take for a formula is text."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return _cell(" ".join(map(str, value)))
        case str() if value[:1] in {"=", "+", "-", "@", "\t", "\r"} and value:
            return f"'{value}"
    return str(value)


async def _exported(first: Found, rest: AsyncIterator[Found], *, as_csv: bool) -> AsyncIterator[bytes]:
    yield _sheet(first.rows, head=True) if as_csv else _lines(first.rows)
    async for page in rest:
        yield await asyncio.to_thread(_sheet, page.rows, head=False) if as_csv else _lines(page.rows)


async def _whole(path: Path) -> AsyncIterator[bytes]:
    """A file, piece by piece, which is gone afterwards."""
    try:
        with path.open("rb") as file:  # opening a file of this machine's does not wait
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece
    finally:
        path.unlink(missing_ok=True)  # noqa: ASYNC240  # as above
