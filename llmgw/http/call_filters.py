"""Which calls a request asks for, read from its query."""

import re
from decimal import Decimal, InvalidOperation
from typing import Final, get_args

from llmgw.calllog.cursors import Cursor
from llmgw.calllog.event import Outcome
from llmgw.calllog.filters import Filters, Order
from llmgw.calllog.reading import Reading
from llmgw.http.asked import HttpRequest, number_of, word_of
from llmgw.http.reach import tenant_of
from llmgw.http.runtime import Runtime
from llmgw.http.times import moment_of
from llmgw.types.errors import InvalidRequest, NotFound

LONGEST: Final = 256
"""Characters of one value of a query."""
VERDICTS: Final = ("preserved", "degraded", "lost", "unverified")
_TEXTS: Final = {
    "key": "key_id", "team": "team", "alias": "alias", "target": "target", "provider": "provider", "model": "model",
    "context": "context", "verdict": "verdict", "outcome": "outcome", "error": "error", "trace_id": "trace_id",
    "endpoint": "endpoint",
}  # fmt: skip
KNOWN: Final = frozenset({
    *_TEXTS, "from", "to", "tenant", "prompt", "status", "tag", "min_ms", "min_cost", "order", "limit", "cursor",
    "format",
})  # fmt: skip
"""Parameters of a page."""
_TRACE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_CALL: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_NEVER_MS: Final = 253_402_300_799_000
"""The end of the year 9999."""
_MAX_MS: Final = 10**12
_MAX_USD: Final = Decimal(1_000_000)


def reading_of(runtime: Runtime) -> Reading:
    """What reads the call log.

    Raises:
        NotFound: no call log is kept here.
    """
    if runtime.calls is None:
        raise NotFound("no call log is kept here: set call_log.enabled to true in the configuration")
    return runtime.calls


def filters_of(request: HttpRequest, now_ms: int, *, since_ms: int = 0) -> Filters:
    """Read what is asked for: by default all calls in the caller's reach, from `since_ms` on.

    Raises:
        InvalidRequest: a parameter is not as it may be, or is not known.
        NotFound: the tenant is out of reach.
    """
    only(request, KNOWN)
    from_us, to_us = between(request, now_ms, since_ms)
    return Filters(
        from_us=from_us,
        to_us=to_us,
        tenant=tenant_of(request),
        texts=_texts(request),
        prompt=text_of(request, "prompt"),
        tag=text_of(request, "tag"),
        status=number_of(request, "status", 0, most=599, least=100) or None,
        min_us=number_of(request, "min_ms", 0, most=_MAX_MS) * 1000 or None,
        min_cost_nano=_cost(request),
    )


def only(request: HttpRequest, known: frozenset[str]) -> None:
    """Refuse a parameter that is not known: a filter written wrong would else find everything.

    Raises:
        InvalidRequest: there is one, or one is there twice.
    """
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise InvalidRequest(
                f"there is no such parameter; known are {', '.join(sorted(known))}", param=name[:64]
            )
        if name in seen:
            raise InvalidRequest(f"give {name} once", param=name)
        seen.add(name)


def between(request: HttpRequest, now_ms: int, since_ms: int) -> tuple[int, int]:
    """The time that is asked for, from and to in unix microseconds; up to now and all that comes by default.

    Raises:
        InvalidRequest: one is no time, or the second is not after the first.
    """
    from_ms = moment_of(request, "from", now_ms, since_ms)
    to_ms = moment_of(request, "to", now_ms, _NEVER_MS)
    if to_ms <= from_ms:
        raise InvalidRequest("to must be after from", param="to")
    return from_ms * 1000, to_ms * 1000


def order_of(request: HttpRequest) -> Order:
    """Newest or oldest first.

    Raises:
        InvalidRequest: it is neither.
    """
    order: Order = word_of(request, "order", Order, "newest")
    return order


def cursor_of(request: HttpRequest, order: Order) -> Cursor | None:
    """Behind which call the page begins.

    Raises:
        InvalidRequest: it is no cursor of this order.
    """
    written = request.query_params.get("cursor")
    if written is None:
        return None
    try:
        return Cursor.read(written, order)
    except ValueError as error:
        raise InvalidRequest(
            f"cursor is not what a page of this order had as next: {error}", param="cursor"
        ) from None


def text_of(request: HttpRequest, name: str) -> str | None:
    """A short text of the query.

    Raises:
        InvalidRequest: it is empty, too long, or has characters that none has.
    """
    written: str | None = request.query_params.get(name)
    if written is None:
        return None
    if not 0 < len(written) <= LONGEST or not written.isprintable():
        raise InvalidRequest(f"{name} has 1 to {LONGEST} printable characters", param=name)
    return written


def call_id_of(written: str) -> str:
    """The id of a call in a path.

    Raises:
        NotFound: no call has such an id.
    """
    if not _CALL.fullmatch(written):
        raise NotFound("there is no such call")
    return written


def _texts(request: HttpRequest) -> dict[str, str]:
    found = {column: text for name, column in _TEXTS.items() if (text := text_of(request, name)) is not None}
    if "trace_id" in found and not _TRACE.fullmatch(found["trace_id"]):
        raise InvalidRequest("trace_id has 32 hexadecimal digits, in lower case", param="trace_id")
    for name, words in (("outcome", get_args(Outcome)), ("verdict", VERDICTS)):
        if name in found and found[name] not in words:
            raise InvalidRequest(f"{name} must be one of {', '.join(words)}", param=name)
    return found


def _cost(request: HttpRequest) -> int | None:
    written = request.query_params.get("min_cost")
    if written is None:
        return None
    try:
        dollars = Decimal(written) if len(written) <= 32 and written.isascii() else Decimal(-1)
    except InvalidOperation:
        dollars = Decimal(-1)
    if not (dollars.is_finite() and 0 <= dollars <= _MAX_USD):
        raise InvalidRequest(f"min_cost is an amount in USD from 0 to {_MAX_USD}, as 0.05", param="min_cost")
    return int(dollars * 1_000_000_000) or None
