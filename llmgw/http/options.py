"""What callers ask of the gateway itself by headers; the body's own `llmgw` member wins."""

import hashlib
import re
from typing import Final, get_args

from msgspec.structs import replace

from llmgw.http.exchange import Exchange
from llmgw.types import json
from llmgw.types.context import ContextOptions, Idempotency, OnConflict
from llmgw.types.errors import InvalidJson, InvalidRequest
from llmgw.types.invocation import CallOptions, ChatInvocation, Invocation
from llmgw.wire.prompt_member import named

SESSION_HEADERS: Final = ("x-llmgw-context-verify", "x-claude-code-session-id", "session-id", "session_id")
"""Where clients that keep their own history name it: ours, Claude Code's, Codex' newer and older one."""

PROMPT_HEADER: Final = b"x-llmgw-prompt"
"""`name`, `name@7` or `name@label`: the prompt of a call whose body names none; without variables."""

_CONTEXT: Final = b"x-llmgw-context"
_CREATE: Final = b"x-llmgw-context-create"
_ON_CONFLICT: Final = b"x-llmgw-on-conflict"
_IF_MATCH: Final = b"if-match"
_IDEMPOTENCY: Final = b"idempotency-key"
_TIMEOUT: Final = b"x-llmgw-timeout-ms"
_LONGEST_KEY: Final = 256
_ASKING: Final = frozenset({
    PROMPT_HEADER, _CONTEXT, _CREATE, _ON_CONFLICT, _IF_MATCH, _IDEMPOTENCY, _TIMEOUT,
    *(name.encode() for name in SESSION_HEADERS),
})  # fmt: skip
"""Headers of which one at least is there where any ask for something."""

_NAMES_USERS: Final = "anthropic"
"""The dialect whose `metadata.user_id` may name a session."""
_LONGEST_USER: Final = 4096
_USER_SESSION: Final = re.compile(r"_session_(?P<session>[0-9A-Za-z-]{8,64})\Z")


def with_header_options(invocation: Invocation, exchange: Exchange, body: bytes) -> Invocation:
    """Add what headers ask for.

    Raises:
        InvalidRequest: a header's value is not what its name promises.
    """
    given = invocation.options
    if _ASKING.isdisjoint(exchange.headers) and (
        given.context is not None or invocation.wire != _NAMES_USERS
    ):
        return invocation
    options = _prompted(_timed(given, exchange), exchange)
    context = _context(options.context, exchange)
    if context is not None:
        idempotency = idempotency_of(exchange.header(_IDEMPOTENCY), str(exchange.scope["path"]), body)
        options = replace(options, context=context, idempotency=idempotency)
    elif (
        options.verify is None and (session := _session(exchange) or session_of_user(invocation)) is not None
    ):
        options = replace(options, verify=session)
    return invocation if options is given else replace(invocation, options=options)


def _timed(options: CallOptions, exchange: Exchange) -> CallOptions:
    timeout = exchange.header(_TIMEOUT)
    if timeout is None or options.timeout_ms is not None:
        return options
    if not (timeout.isascii() and timeout.isdigit() and 0 < int(timeout[:12]) <= 86_400_000):
        raise _refusal(_TIMEOUT, "must be a whole number of milliseconds from 1 to 86400000")
    return replace(options, timeout_ms=int(timeout))


def _prompted(options: CallOptions, exchange: Exchange) -> CallOptions:
    written = exchange.header(PROMPT_HEADER)
    if written is None or options.prompt is not None:
        return options
    return replace(options, prompt=named(written, PROMPT_HEADER.decode()))


def _context(context: ContextOptions | None, exchange: Exchange) -> ContextOptions | None:
    name = exchange.header(_CONTEXT)
    create = exchange.header(_CREATE)
    if create not in {None, "true", "false"}:
        raise _refusal(_CREATE, "must be true or false")
    if context is None:
        if name is None and create != "true":
            return None
        context = ContextOptions(id=name, create=create == "true")
    if_match = exchange.header(_IF_MATCH)
    if if_match is not None and context.if_match is None:
        context = replace(context, if_match=if_match)
    on_conflict = exchange.header(_ON_CONFLICT)
    if on_conflict is not None and context.on_conflict is None:
        mode = next((mode for mode in get_args(OnConflict) if mode == on_conflict), None)
        if mode is None:
            raise _refusal(_ON_CONFLICT, f"must be one of {', '.join(get_args(OnConflict))}")
        context = replace(context, on_conflict=mode)
    return context


def idempotency_of(key: str | None, path: str, body: bytes) -> Idempotency | None:
    """The call's own name, as a digest: what callers write in it is nobody else's to read.

    Raises:
        InvalidRequest: it is empty or too long.
    """
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY:
        raise _refusal(_IDEMPOTENCY, f"must have 1 to {_LONGEST_KEY} characters")
    asked = hashlib.sha256(path.encode() + b"\0" + body).hexdigest()
    return Idempotency(key=hashlib.sha256(key.encode("latin-1")).hexdigest(), fingerprint=asked)


def _session(exchange: Exchange) -> str | None:
    for name in SESSION_HEADERS:
        value = exchange.header(name.encode())
        if value:
            return _named(value)
    return None


def _named(session: object) -> str | None:
    """A session's name; one that is too long is none, as what is cut off two of them may be all that differs."""
    return session if isinstance(session, str) and 0 < len(session) <= _LONGEST_KEY else None


def session_of_user(invocation: Invocation) -> str | None:
    """The session that Claude Code names in `metadata.user_id`: behind its mark, or as a member of JSON text."""
    if not isinstance(invocation, ChatInvocation) or invocation.wire != _NAMES_USERS or not invocation.user:
        return None
    user = invocation.user[:_LONGEST_USER]
    if user.startswith("{"):
        try:
            members = json.decode(user.encode("utf-8", "surrogatepass"))
        except InvalidJson:
            return None
        return _named(members.get("session_id"))
    found = _USER_SESSION.search(user)
    return found["session"] if found else None


def _refusal(header: bytes, words: str) -> InvalidRequest:
    name = header.decode()
    return InvalidRequest(f"{name} {words}", param=name)
