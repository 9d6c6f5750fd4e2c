"""Reading members of a caller's JSON object, with errors that name the member by its path.

A member that is null is absent, as typed clients send it.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from llmgw.types.context import ContextOptions
from llmgw.types.errors import ForbiddenField, InvalidRequest
from llmgw.types.invocation import CallOptions
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.types.prompt import PromptRef
from llmgw.wire.prompt_member import PROMPT, prompt_ref

FORBIDDEN: Final = ("api_base", "api_key", "base_url", "extra_headers")
"""Members that would redirect a call or carry a credential."""

OPTIONS: Final = "llmgw"
"""Member that holds the gateway's own extras; it is never sent on."""

_OWN: Final = frozenset({"timeout_ms", "tags", "context", "verify", PROMPT})

MAX_TAGS: Final = 16
MAX_TAG: Final = 64
"""Tags go into log lines and traces, so their number and length are bounded."""

_KINDS: Final = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def wrong_type(path: str, expected: str, value: Json) -> InvalidRequest:
    """The refusal of a value that is not of its type."""
    got = "null" if value is None else _KINDS.get(type(value), "something else")
    raise InvalidRequest(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.", param=path
    )


def missing(path: str) -> InvalidRequest:
    """The refusal of an object without a member it needs."""
    return InvalidRequest(f"Missing required parameter: '{path}'.", param=path)


def text(members: Details, name: str, path: str) -> str | None:
    """Read a string."""
    value = members.get(name)
    if value is None or isinstance(value, str):
        return value
    raise wrong_type(f"{path}{name}", "a string", value)


def needed_text(members: Details, name: str, path: str) -> str:
    """Read a string that must be there and say something."""
    value = text(members, name, path)
    if value is None:
        raise missing(f"{path}{name}")
    if not value:
        raise InvalidRequest(
            f"Invalid '{path}{name}': expected a string that is not empty.", param=f"{path}{name}"
        )
    return value


def flag(members: Details, name: str, path: str = "") -> bool | None:
    """Read a boolean."""
    value = members.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise wrong_type(f"{path}{name}", "a boolean", value)


def integer(members: Details, name: str, *, least: int | None = None, most: int | None = None) -> int | None:
    """Read an integer within bounds."""
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, "an integer", value)
    _bounds(name, value, least, most, "integer")
    return value


def number(members: Details, name: str, *, least: float, most: float) -> float | None:
    """Read a number within bounds."""
    value = members.get(name)
    if value is None:
        return None
    # By class, as a boolean is an int too.
    if value.__class__ is not float and value.__class__ is not int:
        raise wrong_type(name, "a number", value)
    if not least <= value <= most:
        _bounds(name, value, least, most, "decimal")
    return value


def array(members: Details, name: str, path: str = "") -> list[Json] | None:
    """Read an array."""
    value = members.get(name)
    if value is None or isinstance(value, list):
        return value
    raise wrong_type(f"{path}{name}", "an array", value)


def members_of(members: Details, name: str, path: str = "") -> Details | None:
    """Read an object."""
    value = members.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise wrong_type(f"{path}{name}", "an object", value)


def member_object(value: Json, path: str) -> Details:
    """Take a value that must be an object."""
    if isinstance(value, dict):
        return value
    raise wrong_type(path, "an object", value)


def request_object(value: Json) -> Details:
    """Take a decoded request body.

    Raises:
        InvalidRequest: it is not an object.
        ForbiddenField: it holds a member only the operator may set.
    """
    if not isinstance(value, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    if not value.keys().isdisjoint(FORBIDDEN):
        name = next(name for name in FORBIDDEN if name in value)
        raise ForbiddenField(
            f"'{name}' is not allowed: where calls go is the operator's to configure.", param=name
        )
    return value


def options(members: Details) -> CallOptions:
    """Read the gateway's own extras."""
    own = members_of(members, OPTIONS)
    prompt = prompt_ref(members.get(PROMPT), PROMPT)
    if own is None:
        return CallOptions(prompt=prompt)
    path = f"{OPTIONS}."
    for name in own:
        if name not in _OWN:
            raise InvalidRequest(f"Unknown parameter: '{path}{name}'.", param=f"{path}{name}")
    timeout_ms = own.get("timeout_ms")
    if timeout_ms is not None:
        if not isinstance(timeout_ms, int) or isinstance(timeout_ms, bool):
            raise wrong_type(f"{path}timeout_ms", "an integer", timeout_ms)
        _bounds(f"{path}timeout_ms", timeout_ms, 1, None, "integer")
    tags = array(own, "tags", path) or []
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(f"'{path}tags' may hold at most {MAX_TAGS} tags.", param=f"{path}tags")
    for position, tag in enumerate(tags):
        if not isinstance(tag, str):
            raise wrong_type(f"{path}tags[{position}]", "a string", tag)
        if not 1 <= len(tag) <= MAX_TAG or not tag.isprintable():
            raise InvalidRequest(
                f"'{path}tags[{position}]' must be 1 to {MAX_TAG} printable characters.",
                param=f"{path}tags[{position}]",
            )
    return CallOptions(
        timeout_ms=timeout_ms,
        tags=tuple(tags),
        context=context_options(own.get("context")),
        verify=text(own, "verify", path),
        prompt=_one_prompt(prompt, prompt_ref(own.get(PROMPT), f"{path}{PROMPT}")),
    )


def _one_prompt(beside: PromptRef | None, within: PromptRef | None) -> PromptRef | None:
    """The prompt of a call, which may stand beside the dialect's own members or in ours, but not in both."""
    if beside is not None and within is not None:
        raise InvalidRequest(f"'{PROMPT}' was given twice.", param=f"{OPTIONS}.{PROMPT}")
    return within if beside is None else beside


def context_options(value: Json) -> ContextOptions | None:
    """Read which context a call continues: its id, or an object that says more.

    Raises:
        InvalidRequest: it is neither; `param` names the member.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return ContextOptions(id=value)
    path = f"{OPTIONS}.context"
    if not isinstance(value, dict):
        raise wrong_type(path, "a string or an object", value)
    try:
        return msgspec.convert(value, ContextOptions)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$")
        where = f"{path}{place.rstrip('`')}" if place else path
        raise InvalidRequest(f"Invalid '{where}': {said}.", param=where) from None


def unknown(members: Details, known: Collection[str]) -> Details:
    """The members that have no field of ours."""
    return {name: value for name, value in members.items() if name not in known}


def _bounds(path: str, value: float, least: float | None, most: float | None, kind: str) -> None:
    if least is not None and value < least:
        raise InvalidRequest(
            f"Invalid '{path}': {kind} below minimum value. Expected a value >= {least}, but got {value} instead.",
            param=path,
        )
    if most is not None and value > most:
        raise InvalidRequest(
            f"Invalid '{path}': {kind} above maximum value. Expected a value <= {most}, but got {value} instead.",
            param=path,
        )
