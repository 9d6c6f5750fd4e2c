"""What a call can cost at most, told before it is made: from its size, never by counting tokens.

A token is a byte of UTF-8 at least, in every vocabulary there is: those that know no longer piece write single
bytes. So tokens are no more than bytes, and what providers add to frame messages and tools has a bound of its own.
docs/tokens.md states each bound and where it comes from.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, assert_never

from msgspec import Struct
from msgspec.structs import replace

from llmgw.accounting.media import media_bound
from llmgw.types import json
from llmgw.types.invocation import (
    ChatInvocation,
    CountInvocation,
    EmbeddingInvocation,
    FunctionTool,
    Invocation,
    JsonSchemaFormat,
    OpaqueFormat,
    Reasoning,
)
from llmgw.types.json import Json
from llmgw.types.message import (
    Details,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.money import Reach
from llmgw.types.target import Target

_REQUEST: Final = 1_024
"""Tokens that hosts put before a conversation by themselves: xAI says most, some 680."""
_PLAIN_REQUEST: Final = 128
_PLAIN: Final = frozenset(
    {"openai", "azure", "anthropic", "gemini", "vertex", "mistral", "deepseek", "cohere"}
)
"""Kinds that put nothing there but frames."""
_MESSAGE: Final = 16
_PART: Final = 16
"""And around a message, and a part of one: names of roles and marks of their ends."""
_TOOLS: Final = 1_024
"""What a model is told about tools at all; Anthropic says up to 804 tokens."""
_TOOL: Final = 64
_PROVIDERS_TOOL: Final = 1_024
"""A tool that the provider describes: Anthropic says up to 735 tokens."""
_REWRITTEN: Final = 2
"""Tokens for each byte of a schema, as hosts write schemas anew, with indents and comments."""
_FORMAT: Final = 512
_ENCODED: Final = 65_536
"""Characters above which text that is not ASCII counts as four bytes each, without a look at it."""

SEARCHES: Final = 10
"""Searches of the web that are held back for a call that allows them and does not say how many."""
_MOST_SEARCHES: Final = 30
_FOUND: Final = 10_000
"""Tokens that each of them finds. All that was said and found is input again for the next."""
_SERVED: Final = re.compile(r"search|fetch|browse|code_execution|url_context|mcp|advisor")
"""In the kinds of tools that providers run themselves, and whose results are input."""
SEARCHING: Final = frozenset({"web_search_options", "mcp_servers", "plugins", "search_parameters"})
"""Members of a request that do the same."""
_SEARCHERS: Final = re.compile(r"compound|search|research|sonar|:online")
"""In the names of models that search unasked."""

_MARK: Final = "cache_control"
"""Asks Anthropic to keep what is said in its cache, in a part or for all of it."""
_THOUGHTS: Final = 32_768
_THINKING_APART: Final = frozenset({"xai", "perplexity"})
"""Kinds whose bound of the answer does not hold for reasoning, which nothing bounds."""
_LEAST_BUDGET: Final = 1_024
"""Tokens of thinking below which Anthropic refuses a budget."""
_OTHER_NAMES: Final = ("max_output_tokens", "max_new_tokens", "max_length")
_LEAST: Final = "min_tokens"


class Estimate(Struct, kw_only=True, gc=False):
    """A bound before a call: its tokens, and what they cost at most at any target that may answer.

    `nano` is None where a target has no price. `output_tokens` are those of all answers together, `max_output` what
    each of them may have, which the provider must be told; None where there is no such number. `searches` are those
    of the web that are held back for.
    """

    input_tokens: int
    output_tokens: int
    nano: int | None
    max_output: int | None = None
    searches: int = 0
    words_only: bool = False
    """Whether there are no media in it, and no cache is asked for."""


class Before(NamedTuple):
    """What goes before a call's messages: a bound of the tokens of its text, and its media that are no text.

    Of media that are kept apart, a bound of their text may be among the tokens, too.
    """

    tokens: int = 0
    media: Sequence[MediaPart] = ()


def estimate(
    invocation: Invocation,
    targets: Sequence[Target],
    default_output: int,
    at_s: int,
    before: Before = Before(),  # noqa: B008  it cannot be altered
) -> Estimate:
    """Bound what a call can cost, asked at a unix second; prompt versions are joined into it already.

    Where it does not say how long the answer may be, it is `default_output` tokens: then the provider must be told
    that, see `with_max_output`. `before` is the stored conversation that it continues.
    """
    match invocation:
        case ChatInvocation():
            bound = _chat(invocation, targets, default_output, before)
        case CountInvocation():
            return Estimate(input_tokens=0, output_tokens=0, nano=0)
        case EmbeddingInvocation(inputs=inputs):
            bound = Estimate(input_tokens=_PLAIN_REQUEST + _embedded(inputs), output_tokens=0, nano=None)
        case _:
            assert_never(invocation)
    bound.nano = _dearest(targets, bound, at_s)
    return bound


def _dearest(targets: Sequence[Target], bound: Estimate, at_s: int) -> int | None:
    """What the dearest target costs at most; None where one has no price."""
    most = None
    for each in targets:
        cost = _cost(each, bound, bound.output_tokens, at_s)
        if cost is None:
            return None
        most = cost if most is None or cost > most else most
    return most


def affordable(
    invocation: Invocation, targets: Sequence[Target], nano_left: int, bound: Estimate, at_s: int
) -> int | None:
    """The most output tokens for which the call costs no more than `nano_left`; `bound` is its estimate.

    None where not even its input and one token fit. Targets without a price are passed over.
    """
    if bound.max_output is None or not isinstance(invocation, ChatInvocation):
        return 0 if (bound.nano or 0) <= nano_left else None
    choices = _choices(invocation)
    beside = bound.output_tokens - bound.max_output * choices

    def fits(tokens: int) -> bool:
        costs = (_cost(each, bound, tokens * choices + beside, at_s) for each in targets)
        return all(cost is None or cost <= nano_left for cost in costs)

    if not fits(1):
        return None
    low, high = 1, max(1, bound.max_output)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def with_max_output(invocation: Invocation, tokens: int) -> Invocation:
    """The call with answers of at most so many tokens each, as if its caller had said so.

    Thinking that would leave no room for an answer that is now shorter is bounded to half of them, or left out
    where that is less than may be asked for. Members of the request that would say otherwise are taken out.
    """
    if not isinstance(invocation, ChatInvocation):
        return invocation
    limit, passthrough = invocation.sampling.max_output_tokens, invocation.passthrough
    if limit == tokens and passthrough.keys().isdisjoint((*_OTHER_NAMES, _LEAST)):
        return invocation
    if passthrough:
        passthrough = {name: value for name, value in passthrough.items() if name not in _OTHER_NAMES}
        least = passthrough.get(_LEAST)
        if isinstance(least, int) and least > tokens:
            passthrough[_LEAST] = tokens
    return replace(
        invocation,
        sampling=replace(invocation.sampling, max_output_tokens=tokens),
        reasoning=invocation.reasoning if limit == tokens else _within(invocation.reasoning, tokens),
        passthrough=passthrough,
    )


def text_bound(messages: Iterable[Message], media: list[MediaPart | OpaquePart]) -> int:
    """Bound the tokens of what messages say; media that are no text, and what nobody knows, join the list."""
    tokens = 0
    for message in messages:
        tokens += _MESSAGE
        if message.name is not None:
            tokens += _bytes(message.name)
        if message.provider_details:
            tokens += _encoded(message.provider_details)
        for part in message.parts:
            # Nearly all parts are such, and asking first whether this is one costs least.
            if part.__class__ is TextPart and not part.provider_details and part.seal is None:
                tokens += _PART + (len(part.text) if part.text.isascii() else _bytes(part.text))
            else:
                tokens += _PART + _part(part, media)
    return tokens


class _Traits(NamedTuple):
    """What a target does that bounds depend on: frames of its own, thoughts beside the answer, searches unasked."""

    framed: bool
    thinks_apart: bool
    searches: bool


@lru_cache(maxsize=1024)
def _traits(kind: str, model: str) -> _Traits:
    return _Traits(kind not in _PLAIN, kind in _THINKING_APART, _SEARCHERS.search(model) is not None)


def _traits_of(targets: Sequence[Target]) -> _Traits:
    """What any of them does."""
    if len(targets) == 1:
        return _traits(targets[0].kind, targets[0].model)
    found = [_traits(each.kind, each.model) for each in targets]
    return _Traits(
        any(each.framed for each in found),
        any(each.thinks_apart for each in found),
        any(each.searches for each in found),
    )


def _chat(
    invocation: ChatInvocation, targets: Sequence[Target], default_output: int, before: Before
) -> Estimate:
    media: list[MediaPart | OpaquePart] = list(before.media)
    traits = _traits_of(targets)
    tokens = _REQUEST if traits.framed else _PLAIN_REQUEST
    tokens += before.tokens + text_bound(invocation.messages, media) + _declared(invocation)
    if invocation.preamble:
        tokens += text_bound(invocation.preamble, media)
    passthrough = invocation.passthrough
    limit, choices = invocation.sampling.max_output_tokens, _choices(invocation)
    most = default_output if limit is None else limit
    output = most * choices
    if traits.thinks_apart:
        output += _THOUGHTS * choices
    if "prediction" in passthrough:
        # What was predicted in vain is charged as if it were answered.
        output += _encoded(passthrough["prediction"]) * choices
    if media:
        seen = [each for each in media if isinstance(each, MediaPart)]
        tokens += max((media_bound(seen, each) for each in targets), default=0)
    searches = SEARCHES if traits.searches else 0
    if invocation.tools or passthrough:
        searches = _searches(invocation, unasked=traits.searches)
    words_only = not (media or searches or before.tokens or invocation.stored or _caches(invocation))
    if searches:
        tokens = tokens * (searches + 1) + _FOUND * searches * (searches + 1) // 2
    if invocation.compact:
        # Summing up is a call of its own: of all there is, and with an answer of its own.
        tokens, output = 2 * tokens, 2 * output
    return Estimate(
        input_tokens=tokens,
        output_tokens=output,
        nano=None,
        max_output=most,
        searches=searches,
        words_only=words_only,
    )


def _declared(invocation: ChatInvocation) -> int:
    """Bound the tokens of tools, of the form of the answer, and of members only one protocol knows."""
    tokens = _encoded(invocation.passthrough) if invocation.passthrough else 0
    if invocation.tools:
        tokens += _TOOLS
        for tool in invocation.tools:
            tokens += _TOOL if isinstance(tool, FunctionTool) else _PROVIDERS_TOOL
        tokens += _schema(json.encode(invocation.tools))
    if invocation.tool_choice is not None:
        tokens += _encoded(invocation.tool_choice)
    form = invocation.output_format
    if form is not None:
        tokens += _FORMAT
        if isinstance(form, JsonSchemaFormat | OpaqueFormat):
            tokens += _schema(json.encode(form))
    return tokens


def _schema(written: bytes) -> int:
    """What a reference refers to may be written out wherever it stands."""
    return _REWRITTEN * len(written) * (1 + written.count(b'"$ref"'))


def _part(part: Part, media: list[MediaPart | OpaquePart]) -> int:
    tokens = 0
    match part:
        case TextPart(text=text) | RefusalPart(text=text) | ReasoningPart(text=text):
            tokens = _bytes(text)
        case ToolCallPart(id=call, name=name, arguments=arguments):
            tokens = _bytes(call) + _bytes(name) + _bytes(arguments)
        case ToolResultPart(call_id=call, content=content):
            tokens = _MESSAGE + _bytes(call) + sum(_PART + _part(inner, media) for inner in content)
        case MediaPart(text=str(text)):
            tokens = _bytes(text)
        case MediaPart():
            media.append(part)
        case OpaquePart(value=value):
            media.append(part)
            return _encoded(value)
        case _:
            assert_never(part)
    if isinstance(part, TextPart | ReasoningPart | ToolCallPart) and part.seal is not None:
        # It stands for thoughts that are input, and is longer than they are.
        tokens += len(part.seal.value)
    return tokens + (_encoded(part.provider_details) if part.provider_details else 0)


def _searches(invocation: ChatInvocation, *, unasked: bool) -> int:
    """How often the provider may look things up by itself."""
    found = invocation.tools and [
        _uses(tool.value)
        for tool in invocation.tools
        if not isinstance(tool, FunctionTool) and _SERVED.search(tool.kind)
    ]
    if found:
        return min(sum(found), _MOST_SEARCHES)
    members = bool(invocation.passthrough) and not SEARCHING.isdisjoint(invocation.passthrough)
    return SEARCHES if members or unasked else 0


def _caches(invocation: ChatInvocation) -> bool:
    """Whether the call asks for something to be kept in the provider's cache."""
    if invocation.cache.marks or _MARK in invocation.passthrough:
        return True
    if not invocation.tools:
        return False
    tools = (
        tool.provider_details if isinstance(tool, FunctionTool) else tool.value for tool in invocation.tools
    )
    return any(isinstance(each, dict) and _MARK in each for each in tools)


def _uses(tool: Json) -> int:
    said = tool.get("max_uses") if isinstance(tool, dict) else None
    return said if isinstance(said, int) and said > 0 else SEARCHES


def _embedded(inputs: Json) -> int:
    if isinstance(inputs, str):
        return _PART + _bytes(inputs)
    if isinstance(inputs, list):
        # Numbers are tokens.
        return sum(1 if isinstance(each, int) else _embedded(each) for each in inputs)
    return 0


def _within(reasoning: Reasoning, tokens: int) -> Reasoning:
    budget = reasoning.budget_tokens
    if budget is None or budget < tokens:
        return reasoning
    half = tokens // 2
    if half < _LEAST_BUDGET:
        return Reasoning()
    details: Details = reasoning.provider_details
    if "budget_tokens" in details:
        details = {**details, "budget_tokens": half}
    return replace(reasoning, budget_tokens=half, provider_details=details)


def _choices(invocation: ChatInvocation) -> int:
    return max(1, invocation.sampling.n or 1)


def _cost(target: Target, bound: Estimate, output_tokens: int, at_s: int) -> int | None:
    if target.prices is None:
        return None
    reach = Reach(searches=bound.searches, words_only=bound.words_only)
    return target.prices.most(target.model, bound.input_tokens, output_tokens, at_s, reach)


def _encoded(value: object) -> int:
    return len(json.encode(value))


def _bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass")) if len(text) < _ENCODED else 4 * len(text)
