"""Questions to the call log: prepared ones by their names, and one's own in SQL."""

from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta, Struct

from llmgw.calllog.questions import BY, QUESTIONS, Choice, Chosen, Question, answered
from llmgw.calllog.reading import FOREVER_US
from llmgw.http.asked import HttpRequest, answer, body_of, caller_of
from llmgw.http.call_filters import between, only, reading_of, text_of
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of, tenant_of
from llmgw.http.runtime import Runtime
from llmgw.types.errors import InvalidRequest, NotFound
from llmgw.types.moments import moment, stamp

WEEK_MS: Final = 7 * 86_400_000
LONGEST_SQL: Final = 16 * 1024
"""Characters of one statement."""
_ONLY: Final = tuple(name for name in BY if name not in {"tag", "tenant"})
_MAX_BODY: Final = 64 * 1024
_LATEST_MS: Final = 253_402_300_799_000


class SqlRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Body of `POST /admin/v1/calls/query`: a statement, what stands for its parameters, and the time it sees."""

    sql: Annotated[str, Meta(min_length=1, max_length=LONGEST_SQL)]
    params: Annotated[list[Any], Meta(max_length=100)] | dict[str, Any] = []
    from_: str | None = None
    to: str | None = None


def question_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's calls are in no answer."""

    @get("/admin/v1/calls/questions", opt={"permission": Permission.VIEW})
    async def questions(request: HttpRequest) -> Response[bytes]:
        reading_of(runtime)
        only(request, frozenset())
        return answer({"questions": [_described(each) for each in QUESTIONS.values()]})

    @get("/admin/v1/calls/questions/{name:str}", opt={"permission": Permission.VIEW})
    async def question(request: HttpRequest, name: FromPath[str]) -> Response[bytes]:
        reading = reading_of(runtime)
        asked = QUESTIONS.get(name)
        if asked is None:
            raise NotFound(f"there is no such question; there are {', '.join(QUESTIONS)}")
        chosen = _chosen(request, asked, runtime.clock.unix_ns() // 1_000_000)
        table, live = await reading.ask(
            asked.statement(chosen), dict(asked.values(chosen)), tenant_of(request), asked.spans(chosen)
        )
        rows, sentence = answered(asked, chosen, table)
        return answer(
            {
                "question": asked.name,
                "from": stamp(chosen.from_us // 1000),
                "to": stamp(chosen.to_us // 1000),
                **chosen.words,
                "sentence": sentence,
                "columns": asked.columns,
                "rows": rows,
                "truncated": table.truncated,
                "live": live,
            }
        )

    @post(
        "/admin/v1/calls/query",
        status_code=200,
        request_max_body_size=_MAX_BODY,
        opt={"permission": Permission.ADMINISTER},
    )
    async def query(request: HttpRequest) -> Response[bytes]:
        reading = reading_of(runtime)
        only(request, frozenset())
        asked = await body_of(request, SqlRequest)
        span = _span(asked, runtime.clock.unix_ns() // 1_000_000)
        table, live = await reading.sql(asked.sql, _values(asked), reach_of(caller_of(request)), span)
        columns = [
            {"name": name, "type": kind} for name, kind in zip(table.columns, table.types, strict=True)
        ]
        return answer({"columns": columns, "rows": table.rows, "truncated": table.truncated, "live": live})

    return [questions, question, query]


def _described(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "doc": question.doc,
        "parameters": [
            {"name": "from", "doc": "from when, 7 days ago by default", "default": "7d"},
            {"name": "to", "doc": "up to when, now by default"},
            {"name": "tenant", "doc": "only this tenant's calls"},
            *map(_parameter, question.choices),
            *({"name": each, "doc": f"only calls of this {each}"} for each in _ONLY),
        ],
        "columns": question.columns,
    }


def _parameter(choice: Choice) -> dict[str, Any]:
    told: dict[str, Any] = {"name": choice.name, "doc": choice.doc, "default": choice.default}
    if choice.words:
        return {**told, "one_of": choice.words}
    return {**told, "least": choice.least, "most": choice.most}


def _chosen(request: HttpRequest, question: Question, now_ms: int) -> Chosen:
    only(request, frozenset({"from", "to", "tenant", *_ONLY, *(each.name for each in question.choices)}))
    from_us, to_us = between(request, now_ms, now_ms - WEEK_MS)
    words, numbers = dict[str, str](), dict[str, int]()
    for choice in question.choices:
        written = request.query_params.get(choice.name, choice.default)
        if choice.words:
            if written not in choice.words:
                raise InvalidRequest(
                    f"{choice.name} must be one of {', '.join(choice.words)}", param=choice.name
                )
            words[choice.name] = written
        elif written.isascii() and written.isdigit() and choice.least <= int(written[:9]) <= choice.most:
            numbers[choice.name] = int(written)
        else:
            raise InvalidRequest(
                f"{choice.name} must be a whole number from {choice.least} to {choice.most}",
                param=choice.name,
            )
    equal = {name: text for name in _ONLY if (text := text_of(request, name)) is not None}
    return Chosen(
        from_us=from_us, to_us=min(to_us, (now_ms + 1) * 1000), words=words, numbers=numbers, only=equal
    )


def _span(asked: SqlRequest, now_ms: int) -> tuple[int, int]:
    times = [0, FOREVER_US // 1000]
    for place, (name, written) in enumerate((("from", asked.from_), ("to", asked.to))):
        if written is not None:
            try:
                times[place] = moment(written, now_ms)
            except ValueError:
                raise InvalidRequest(
                    f"{name} is a time like 2026-11-27T00:00:00Z, or as long ago as 24h or 7d", param=name
                ) from None
    if times[1] <= times[0]:
        raise InvalidRequest("to must be after from", param="to")
    return times[0] * 1000, times[1] * 1000


def _values(asked: SqlRequest) -> list[Any] | dict[str, Any]:
    values = list(asked.params.values()) if isinstance(asked.params, dict) else asked.params
    for each in values:
        wide = isinstance(each, int) and not -(1 << 63) <= each < 1 << 63
        if wide or not isinstance(each, str | int | float | bool | None):
            raise InvalidRequest("params are texts, numbers, truths and nulls", param="params")
    return asked.params
