"""One request on our own APIs, read: who asks, for what, in which words."""

import re
from typing import Any, Final, TypeAlias, TypeVar, get_args

import msgspec
from litestar import Request, Response

from llmgw.context.library import Actor
from llmgw.types import json
from llmgw.types.call import Caller
from llmgw.types.errors import InvalidRequest, UnsupportedMediaType
from llmgw.types.violation import Violation, pointer_to

HttpRequest: TypeAlias = Request[Any, Any, Any]

T = TypeVar("T")

MAX_BODY: Final = 1024 * 1024
"""Bytes of a body that is neither turns nor a bundle."""
MAX_PAGE: Final = 1000

_PURPOSE: Final = "x-llmgw-purpose"
_LONGEST_PURPOSE: Final = 256
_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$(?P<path>.*)`\Z", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<name>[A-Za-z0-9_]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")


def caller_of(request: HttpRequest) -> Caller:
    """The caller whom the guard let in."""
    caller: Caller = request.state.caller
    return caller


def trace_of(request: HttpRequest) -> dict[str, str]:
    """The headers of the trace that the caller is in; the values of one that came several times are joined."""
    return {name: ",".join(request.headers.getall(name, [])) for name in ("traceparent", "tracestate")}


def actor_of(request: HttpRequest) -> Actor:
    """Who asks, and what for, where it says so in `x-llmgw-purpose`.

    Raises:
        InvalidRequest: the purpose is not fit for a log.
    """
    caller = caller_of(request)
    purpose = request.headers.get(_PURPOSE, "")
    if len(purpose) > _LONGEST_PURPOSE or not purpose.isprintable():
        raise InvalidRequest(
            f"{_PURPOSE} has at most {_LONGEST_PURPOSE} printable characters", param=_PURPOSE
        )
    return Actor(tenant=caller.tenant, who=caller.key_id, purpose=purpose)


async def body_of(request: HttpRequest, kind: type[T], *, default: T | None = None) -> T:
    """Read a JSON body; with a `default` there may be none.

    Raises:
        UnsupportedMediaType: it does not say it is JSON.
        InvalidRequest: it is no JSON, or not of this kind; the violation points to the place.
    """
    written = await request.body()
    if not written and default is not None:
        return default
    require_json(request)
    return read(written, kind)


def require_json(request: HttpRequest, *others: str) -> None:
    """Refuse a body that does not say it is JSON: a page in a browser may send others to any address, unasked.

    Raises:
        UnsupportedMediaType: it says it is something else, or compressed, or not in UTF-8.
    """
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    allowed = others or ("application/json",)
    if media_type.strip() not in allowed:
        raise UnsupportedMediaType(f"content-type must be {' or '.join(allowed)}")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaType("bodies must be UTF-8")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("compressed request bodies are not accepted")


def read(written: bytes, kind: type[T]) -> T:
    """Read JSON as a struct.

    Raises:
        InvalidRequest: it is no JSON, or not of this kind; the violation points to the place.
    """
    document = json.decode(written)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _PLACE.search(message)
        words = message if found is None else message[: found.start()]
        pointer = _pointer(found["path"] if found else "")
        refusal = InvalidRequest(f"{pointer}: {words}" if pointer else words)
        refusal.violations = (Violation(rule="body", pointer=pointer, message=words),)
        raise refusal from None


def number_of(request: HttpRequest, name: str, default: int, *, most: int, least: int = 0) -> int:
    """Read a whole number of the query.

    Raises:
        InvalidRequest: it is none, or out of bounds.
    """
    written = request.query_params.get(name)
    if written is None:
        return default
    if not (written.isascii() and written.isdigit() and least <= int(written[:20]) <= most):
        raise InvalidRequest(f"{name} must be a whole number from {least} to {most}", param=name)
    return int(written)


def word_of(request: HttpRequest, name: str, words: Any, default: str) -> Any:
    """Read one of the words of a `Literal` from the query.

    Raises:
        InvalidRequest: it is another word.
    """
    written = request.query_params.get(name, default)
    if written not in get_args(words):
        raise InvalidRequest(f"{name} must be one of {', '.join(get_args(words))}", param=name)
    return written


def if_match_of(request: HttpRequest) -> str | None:
    """The entity tag that the caller expects, without its quotes; None for none, or any."""
    written = request.headers.get("if-match")
    if written is None or written.strip() == "*":
        return None
    return written.strip().removeprefix('"').removesuffix('"')


def knows(request: HttpRequest, etag: str) -> bool:
    """Whether `If-None-Match` names what is there; weakly, as a proxy that compresses has it (RFC 9110, 13.1.2)."""
    named = (each.strip() for each in request.headers.get("if-none-match", "").split(","))
    return any(each == "*" or each.removeprefix("W/") == f'"{etag}"' for each in named)


def answer(value: Any, status: int = 200, *, etag: str | None = None, **headers: str) -> Response[bytes]:
    """Answer with JSON; `headers` by their names with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if etag is not None:
        named["etag"] = f'"{etag}"'
    return Response(json.encode(value), status_code=status, media_type="application/json", headers=named)


def _pointer(path: str) -> str:
    """Turn msgspec's path into a pointer, as far as it is one."""
    steps: list[str | int] = []
    for step in _STEP.finditer(path):
        if step["name"] is not None:
            steps.append(step["name"])
        elif step["index"] is not None:
            steps.append(int(step["index"]))
        else:
            break
    return pointer_to(*steps)
