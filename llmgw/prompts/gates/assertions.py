"""What an answer is held against: the assertions of a case, but for those that a model judges (`judging.py`)."""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Final, TypeAlias, assert_never

import msgspec
from msgspec import Meta, Struct

from llmgw.types import json
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.violation import Violation
from llmgw.user_schemas import CompiledSchema, compile_schema

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=65_536)]
Most: TypeAlias = Annotated[float, Meta(ge=0)]

_LISTED: Final = 3
_TOLD: Final = 80
"""Characters of a text that are repeated in a failure."""


class _Assertion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """One line of `assert`; its `type` says which."""


class Equals(_Assertion, frozen=True, tag="equals"):
    """The whole answer is this text, white space around it aside; or, where `value` is no text, this JSON."""

    value: Json
    ignore_case: bool = False


class Contains(_Assertion, frozen=True, tag="contains"):
    """The text is somewhere in the answer."""

    value: Text
    ignore_case: bool = False


class NotContains(_Assertion, frozen=True, tag="not-contains"):
    """The text is nowhere in the answer."""

    value: Text
    ignore_case: bool = False


class Matches(_Assertion, frozen=True, tag="regex"):
    """The pattern matches somewhere in the answer; it is one that takes linear time."""

    value: Annotated[str, Meta(min_length=1)]


class IsJson(_Assertion, frozen=True, tag="is-json"):
    """The answer is JSON."""


class FitsSchema(_Assertion, frozen=True, tag="json-schema"):
    """The answer is JSON that fits this schema; without one, the version's output schema."""

    value: dict[str, Json] | None = None


class MaxLatency(_Assertion, frozen=True, tag="max-latency"):
    """The answer was whole within so many milliseconds."""

    value: Most


class MaxCost(_Assertion, frozen=True, tag="max-cost"):
    """The call cost so many US dollars at most."""

    value: Most


class MaxTokens(_Assertion, frozen=True, tag="max-tokens"):
    """The answer has so many tokens at most."""

    value: Annotated[int, Meta(ge=1)]


class Rubric(_Assertion, frozen=True, tag="llm-rubric"):
    """A model finds that the answer does what the rubric asks; without a `model`, the version's own judges."""

    value: Annotated[str, Meta(min_length=1, max_length=16_384)]
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None


Plain: TypeAlias = (
    Equals | Contains | NotContains | Matches | IsJson | FitsSchema | MaxLatency | MaxCost | MaxTokens
)
Assertion: TypeAlias = Plain | Rubric

TYPES: Final = (
    "equals", "contains", "not-contains", "regex", "is-json", "json-schema", "max-latency", "max-cost",
    "max-tokens", "llm-rubric",
)  # fmt: skip


class Observed(Struct, frozen=True, kw_only=True):
    """What came of one case; `cost` is in US dollars, None without prices.

    `check_output` holds a text against the version's output schema; None where the version has none.
    """

    text: str
    latency_ms: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    check_output: Callable[[str], tuple[Json, tuple[Violation, ...]]] | None = None


def read_assertion(written: Json) -> Assertion:
    """Read one assertion; its pattern or schema is compiled once here, so that a run refuses none.

    Raises:
        ValueError: it is none, or has a pattern or schema that may not be used.
    """
    kind = written.get("type") if isinstance(written, dict) else None
    if kind not in TYPES:
        raise ValueError(f"{_told(kind)} is no type of assertion: there are {', '.join(TYPES)}")
    try:
        assertion: Assertion = msgspec.convert(written, Assertion)
        match assertion:
            case Matches(value=pattern):
                _pattern(pattern)
            case FitsSchema(value=dict(schema)):
                _schema(json.encode(schema))
            case _:
                pass
    except SchemaRejected as error:
        first = f": {error.violations[0].message}" if error.violations else ""
        raise ValueError(f"{error.message}{first}") from None
    return assertion


def failure(assertion: Plain, seen: Observed) -> str | None:
    """Say why an answer fails an assertion; None where it does not."""
    match assertion:
        case Equals():
            return _unequal(assertion, seen.text)
        case Contains(value=wanted):
            found = _folded(wanted, assertion.ignore_case) in _folded(seen.text, assertion.ignore_case)
            return None if found else f"does not contain {_told(wanted)}"
        case NotContains(value=unwanted):
            found = _folded(unwanted, assertion.ignore_case) in _folded(seen.text, assertion.ignore_case)
            return f"contains {_told(unwanted)}" if found else None
        case Matches(value=pattern):
            return _unmatched(pattern, seen.text)
        case IsJson():
            return _broken(seen.text)
        case FitsSchema(value=schema):
            return _unfit(schema, seen)
        case MaxLatency() | MaxCost() | MaxTokens():
            return _excess(assertion, seen)
        case _:
            assert_never(assertion)


def _excess(assertion: MaxLatency | MaxCost | MaxTokens, seen: Observed) -> str | None:
    match assertion:
        case MaxLatency(value=most):
            return None if seen.latency_ms <= most else f"took {seen.latency_ms:.0f} ms, more than {most:g}"
        case MaxCost(value=most):
            if seen.cost is None:
                return "the cost is not known: give prices in tests.prices, or have the operator do so"
            return None if seen.cost <= most else f"cost {seen.cost:.6f} US dollars, more than {most:g}"
        case MaxTokens(value=most):
            if seen.output_tokens is None:
                return "the provider does not say how many tokens the answer has"
            return (
                None if seen.output_tokens <= most else f"has {seen.output_tokens} tokens, more than {most}"
            )
        case _:
            assert_never(assertion)


def _unequal(assertion: Equals, text: str) -> str | None:
    wanted = assertion.value
    if isinstance(wanted, str):
        same = _folded(wanted.strip(), assertion.ignore_case) == _folded(text.strip(), assertion.ignore_case)
        return None if same else f"is not {_told(wanted)}"
    try:
        value = json.decode(text.encode("utf-8", "surrogatepass"))
    except InvalidJson as error:
        return error.message
    return None if _canonical(value) == _canonical(wanted) else f"is not {_told(wanted)}"


def _unmatched(pattern: str, text: str) -> str | None:
    found = _pattern(pattern).violations(text)
    if not found:
        return None
    if found[0].rule in {"schema.size", "schema.work"}:
        return f"cannot be held against {_told(pattern)}: {found[0].message}"
    return f"does not match {_told(pattern)}"


def _unfit(schema: dict[str, Json] | None, seen: Observed) -> str | None:
    if schema is None:
        if seen.check_output is None:
            return "neither the assertion nor the version has a schema"
        return _listed(seen.check_output(seen.text)[1])
    broken = _broken(seen.text)
    if broken is not None:
        return broken
    return _listed(_schema(json.encode(schema)).violations(json.decode(seen.text.encode())))


def _broken(text: str) -> str | None:
    try:
        json.decode(text.encode("utf-8", "surrogatepass"))
    except InvalidJson as error:
        return f"is not JSON: {error.message}"
    return None


def _listed(violations: tuple[Violation, ...]) -> str | None:
    if not violations:
        return None
    told = "; ".join(f"{each.pointer or 'the whole'}: {each.message}" for each in violations[:_LISTED])
    more = f"; and {len(violations) - _LISTED} more" if len(violations) > _LISTED else ""
    return f"does not fit the schema: {told}{more}"


def _told(value: Json) -> str:
    written = json.encode(value).decode()
    return written if len(written) <= _TOLD else f"{written[:_TOLD]}…"


def _folded(text: str, ignore_case: bool) -> str:  # noqa: FBT001
    return text.casefold() if ignore_case else text


def _canonical(value: Json) -> bytes:
    return _encode(value)


_encode = msgspec.json.Encoder(order="sorted").encode


def _pattern(pattern: str) -> CompiledSchema:
    return _schema(json.encode({"type": "string", "pattern": pattern}))


@lru_cache(maxsize=256)
def _schema(document: bytes) -> CompiledSchema:
    return compile_schema(document)
