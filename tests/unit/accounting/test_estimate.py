"""What is held back for a call is never below what it is counted as, and limits are told as callers tell them."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.accounting.estimate import Before, Estimate, affordable, estimate, with_max_output
from llmgw.accounting.prices.book import ProviderPrices
from llmgw.accounting.tokens import TokenCounter
from llmgw.types import json
from llmgw.types.invocation import (
    ChatInvocation,
    CountInvocation,
    EmbeddingInvocation,
    FunctionTool,
    JsonSchemaFormat,
    OpaqueTool,
    Reasoning,
    Sampling,
)
from llmgw.types.json import Json
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.money import ModelPrices
from llmgw.types.target import Endpoint, Target
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from llmgw.wire.openai.chat import WIRE as CHAT

AT_S: Final = 1_795_780_800
COUNTER: Final = TokenCounter()
PRICES: Final = ModelPrices(input=1, output=10)


def target(kind: str = "openai", model: str = "gpt-4o", **members: Any) -> Target:
    """Where a call may go."""
    given: dict[str, Any] = {"prices": ProviderPrices(kind, {"m": PRICES}), "protocol": "openai", **members}
    return Target(
        name=f"{kind}/{model}",
        provider=kind,
        kind=kind,
        model=model,
        endpoint=Endpoint(base_url=""),
        features=frozenset(),
        **given,
    )


def chat(*parts: Part | str, **members: Any) -> ChatInvocation:
    """A conversation of one message."""
    said = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    given: dict[str, Any] = {"wire": "openai", **members}
    return ChatInvocation(model="a", messages=(Message(role="user", parts=said),), **given)


def bound(invocation: Any, *targets: Target, default: int = 100) -> Estimate:
    """The estimate of a call."""
    return estimate(invocation, targets or (target(),), default, AT_S)


_TEXTS: Final = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="aé中👍\u0301 \n\t\u200d😀", max_size=60),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=4), st.integers(1, 400)),
)
_NAMES: Final = st.from_regex(r"[a-zA-Z_]{1,20}", fullmatch=True)
_VALUES: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=3)),
    max_leaves=6,
)


def _schemas(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    described = st.fixed_dictionaries(
        {}, optional={"description": _TEXTS, "title": _TEXTS, "default": _VALUES}
    )
    objects = st.builds(
        lambda members, more: {"type": "object", "properties": members, "required": [*members][:2], **more},
        st.dictionaries(_TEXTS, inner, max_size=4),
        described,
    )
    return st.one_of(
        objects,
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda either: {"anyOf": either}, st.lists(inner, max_size=3)),
        st.builds(
            lambda kind, more: {"type": kind, **more},
            st.sampled_from(("string", "number", "null")),
            described,
        ),
        st.builds(lambda values: {"enum": values}, st.lists(_VALUES, max_size=4)),
        st.just({"$ref": "#/$defs/D"}),
    )


_LEAVES: Final = st.sampled_from([{"type": "string"}, {"type": "integer"}, {}])
_SCHEMAS: Final = st.builds(
    lambda members, shared: {"type": "object", "properties": members, "$defs": {"D": shared}},
    st.dictionaries(_NAMES, st.recursive(_LEAVES, _schemas, max_leaves=8), max_size=4),
    st.recursive(_LEAVES, lambda inner: st.builds(lambda items: {"type": "array", "items": items}, inner)),
)
_SEALS: Final = st.one_of(st.none(), st.builds(lambda value: Seal(protocol="anthropic", value=value), _NAMES))
_CONTENT: Final = st.one_of(
    st.builds(lambda text: TextPart(text=text), _TEXTS),
    st.builds(
        lambda detail: MediaPart(kind="image", url="https://a/b", detail=detail),
        st.sampled_from(("low", None)),
    ),
    st.builds(lambda size: MediaPart(kind="audio", base64="A" * size), st.integers(0, 4000)),
    st.builds(lambda size: MediaPart(kind="file", base64="A" * size), st.integers(0, 4000)),
    st.builds(lambda text: MediaPart(kind="file", text=text), _TEXTS),
    st.just(MediaPart(kind="file", file_id="f")),
)
_PARTS: Final = st.one_of(
    _CONTENT,
    st.builds(lambda text: RefusalPart(text=text), _TEXTS),
    st.builds(lambda text, seal: ReasoningPart(text=text, seal=seal), _TEXTS, _SEALS),
    st.builds(lambda name, given: ToolCallPart(id="c", name=name, arguments=given), _NAMES, _TEXTS),
    st.builds(
        lambda content: ToolResultPart(call_id="c", content=tuple(content)), st.lists(_CONTENT, max_size=3)
    ),
    st.builds(lambda value: OpaquePart(protocol="openai", kind="k", value=value), _VALUES),
)
_MESSAGES: Final = st.builds(
    lambda role, parts, name: Message(role=role, parts=tuple(parts), name=name),
    st.sampled_from(("system", "user", "assistant", "tool")),
    st.lists(_PARTS, max_size=4),
    st.one_of(st.none(), _NAMES),
)
_TOOLS: Final = st.one_of(
    st.builds(lambda name, told, given: FunctionTool(name=name, description=told, parameters=given),
        _NAMES, st.one_of(st.none(), _TEXTS), _SCHEMAS),
    st.builds(lambda value: OpaqueTool(protocol="openai", kind="custom", value=value), _VALUES),
)  # fmt: skip
_FORMATS: Final = st.one_of(
    st.none(), st.builds(lambda name, schema: JsonSchemaFormat(name=name, schema=schema), _NAMES, _SCHEMAS)
)


@settings(max_examples=150, deadline=None)
@given(
    messages=st.lists(_MESSAGES, max_size=5),
    tools=st.one_of(st.none(), st.lists(_TOOLS, max_size=3)),
    form=_FORMATS,
    model=st.sampled_from(("gpt-4", "gpt-4o", "gpt-4o-mini", "gpt-5", "o3", "gpt-5-nano")),
)
def test_no_conversation_counts_as_more_than_its_bound(
    messages: list[Message], tools: list[Any] | None, form: JsonSchemaFormat | None, model: str
) -> None:
    """Texts of any script, tools with schemas, media, calls and their results."""
    invocation = ChatInvocation(
        model="a",
        wire="openai",
        messages=tuple(messages),
        tools=None if tools is None else tuple(tools),
        output_format=form,
    )
    assert COUNTER.chat(invocation, model) <= bound(invocation, target(model=model)).input_tokens


@given(text=_TEXTS)
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    """In either vocabulary."""
    assert COUNTER.text(text, "gpt-4") <= len(text.encode())
    assert COUNTER.text(text, "gpt-4o") <= len(text.encode())


def test_a_long_text_is_bounded_without_reading_it() -> None:
    """By four bytes a character, where it is not ASCII."""
    long = "é" * 1_000_000
    assert 4_000_000 <= bound(chat(long)).input_tokens <= 4_010_000
    assert 1_000_000 <= bound(chat("e" * 1_000_000)).input_tokens <= 1_010_000


@pytest.mark.parametrize(
    ("members", "output", "most"),
    [
        ({}, 100, 100),
        ({"max_tokens": 7}, 7, 7),
        ({"max_completion_tokens": 8, "n": 3}, 24, 8),
        ({"n": 2}, 200, 100),
        ({"max_tokens": 8, "prediction": {"type": "content", "content": "ab"}}, 8 + 33, 8),
    ],
)
def test_the_answer_is_as_long_as_the_call_allows(members: Json, output: int, most: int) -> None:
    """All answers together, what was predicted in vain included; without a word, as the gateway will tell it."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    found = bound(CHAT.decode_request(json.encode(body)))
    assert (found.output_tokens, found.max_output) == (output, most)


def test_thinking_counts_as_its_provider_counts_it() -> None:
    """Within the bound at Anthropic; beside it where nothing bounds it."""
    thinking = {"type": "enabled", "budget_tokens": 2000}
    body = {
        "model": "m",
        "max_tokens": 5000,
        "thinking": thinking,
        "messages": [{"role": "user", "content": "hi"}],
    }
    invocation = MESSAGES.decode_request(json.encode(body))
    assert bound(invocation).output_tokens == 5000
    assert bound(invocation, target(), target("xai", "grok-4")).output_tokens > 30_000


def test_all_that_is_said_counts() -> None:
    """A prompt version's words, a conversation that is stored, searches, and a summary on the way."""
    plain = bound(chat("hello"))
    preamble = (Message(role="system", parts=(TextPart(text="x" * 1000),)),)
    assert bound(chat("hello", preamble=preamble)).input_tokens >= plain.input_tokens + 1000
    stored = estimate(chat("hello"), [target()], 100, AT_S, Before(5000))
    assert stored.input_tokens == plain.input_tokens + 5000
    shown = MediaPart(kind="image", url="https://example.com/a.png")
    apart = MediaPart(kind="file", blob=f"sha256:{'0' * 64}", size=8000)
    looked_at = estimate(chat("hello"), [target()], 100, AT_S, Before(5000, [shown, apart]))
    assert looked_at.input_tokens >= stored.input_tokens + 1000 + 8000
    summed = bound(chat("hello", compact=True))
    assert (summed.input_tokens, summed.output_tokens) == (2 * plain.input_tokens, 2 * plain.output_tokens)


@pytest.mark.parametrize(
    ("tool", "searches"),
    [
        ({"type": "web_search_20250305", "name": "web_search", "max_uses": 2}, 2),
        ({"type": "web_search_20250305", "name": "web_search"}, 10),
        ({"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 10**9}, 30),
        ({"type": "bash_20250124", "name": "bash"}, 0),
        ({"name": "web_search", "input_schema": {"type": "object"}}, 0),
    ],
)
def test_searches_of_the_provider_are_held_back_for(tool: Json, searches: int) -> None:
    """What they find is input again and again; a function of the caller's is none, whatever it is called."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    found = bound(MESSAGES.decode_request(json.encode(body)))
    assert found.searches == searches
    assert found.input_tokens > 10_000 * searches * (searches + 1) // 2


@pytest.mark.parametrize(
    ("part", "where", "least", "most"),
    [
        (MediaPart(kind="image", url="https://a/b"), target(), 1_445, 1_445),
        (MediaPart(kind="image", url="https://a/b", detail="low"), target(), 85, 85),
        (MediaPart(kind="image", base64="AAAA"), target(model="gpt-6-sol"), 42_000, 43_000),
        (MediaPart(kind="image", base64="AAAA"), target("azure", "my-own"), 16_384, 16_384),
        (MediaPart(kind="image", base64="AAAA"), target("openrouter", "x/y"), 42_000, 43_000),
        (
            MediaPart(kind="image", base64="AAAA"),
            target("anthropic", "c", protocol="anthropic"),
            4_784,
            4_800,
        ),
        (MediaPart(kind="image", base64="AAAA"), target("gemini", "g", protocol="gemini"), 4_128, 16_384),
        (MediaPart(kind="audio", base64="A" * 80_000, media_type="audio/wav"), target(), 5_300, 5_300),
        (MediaPart(kind="audio", base64="A" * 80_000, media_type="audio/mp3"), target(), 8_000, 8_000),
        (MediaPart(kind="file", base64="A" * 4_000), target(), 17_000, 17_000),
        (MediaPart(kind="file", url="https://a/b.pdf"), target(), 100_000, 100_000),
        (MediaPart(kind="file", url="https://a/b.pdf"), target(window=32_000), 32_000, 32_000),
        (MediaPart(kind="file", base64="A" * 9_000_000), target(), 1_000_000, 1_000_000),
    ],
)
def test_media_are_bounded_by_their_kind(part: MediaPart, where: Target, least: int, most: int) -> None:
    """And by the window of the target, which takes no more."""
    found = bound(chat(part), where).input_tokens - bound(chat(""), where).input_tokens
    assert least <= found <= most


def test_the_dearest_target_counts() -> None:
    """As any of them may answer; one without a price leaves it unknown."""
    cheap = target("openai", "m")
    dear = target("groq", "m", prices=ProviderPrices("groq", {"m": ModelPrices(input=100, output=100)}))
    assert (bound(chat("hi"), cheap).nano or 0) < (bound(chat("hi"), dear, cheap).nano or 0)
    assert bound(chat("hi"), dear, cheap).nano == bound(chat("hi"), dear).nano
    assert bound(chat("hi"), cheap, target(model="unheard-of")).nano is None
    assert bound(chat("hi"), cheap, target("vllm", prices=None)).nano is None
    assert bound(chat("hi"), target("vllm", prices=ProviderPrices("vllm", {}, free=True))).nano == 0


def _marked(place: str) -> ChatInvocation:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    text = {"type": "text", "text": "hi", **(mark if place == "part" else {})}
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [text]}]}
    tool = {"name": "look", "input_schema": {"type": "object"}, **(mark if place == "tool" else {})}
    more = {"tools": [tool], **(mark if place == "body" else {})}
    found = MESSAGES.decode_request(json.encode({**body, **more}))
    assert isinstance(found, ChatInvocation)
    return found


@pytest.mark.parametrize(
    ("invocation", "before", "words"),
    [
        (chat("hi"), 0, True),
        (chat(MediaPart(kind="file", text="plain")), 0, True),
        (chat("hi"), 5, False),
        (chat("hi", stored=True), 0, False),
        (chat(MediaPart(kind="image", url="https://a/b")), 0, False),
        (chat(ToolResultPart(call_id="c", content=(MediaPart(kind="audio", base64="AA"),))), 0, False),
        (chat(OpaquePart(protocol="openai", kind="video_url", value={})), 0, False),
        (_marked("none"), 0, True),
        (_marked("part"), 0, False),
        (_marked("body"), 0, False),
        (_marked("tool"), 0, False),
    ],
)
def test_words_alone_are_known_as_such(invocation: ChatInvocation, before: int, words: bool) -> None:
    """Media, a cache that is asked for, and what is stored may be dearer."""
    assert estimate(invocation, [target()], 100, AT_S, Before(before)).words_only is words


def test_counts_cost_nothing_and_embeddings_answer_nothing() -> None:
    """A question of how many tokens there are is free; an embedding is charged by what it takes."""
    counting = CountInvocation(model="a", wire="anthropic", chat=chat("hi"))
    assert bound(counting) == Estimate(input_tokens=0, output_tokens=0, nano=0)
    for inputs, least in (("héllo", 6), (["hello", "you"], 8), ([1, 2, 3], 3), ([[1, 2], [3]], 3)):
        found = bound(EmbeddingInvocation(model="a", wire="openai", inputs=inputs), target("openai", "m"))
        assert least < found.input_tokens < least + 1_100
        assert (found.output_tokens, found.max_output) == (0, None)
        assert found.nano == found.input_tokens * 1000


@given(left=st.integers(0, 10**9), n=st.one_of(st.none(), st.integers(1, 5)))
def test_what_is_affordable_fits_and_one_more_does_not(left: int, n: int | None) -> None:
    """None only where not a single token fits."""
    invocation, targets = chat("hi", sampling=Sampling(n=n)), [target("openai", "m")]
    asked = bound(invocation, *targets, default=50_000)
    tokens = affordable(invocation, targets, left, asked, AT_S)

    def cost(tokens: int) -> int:
        return bound(with_max_output(invocation, tokens), *targets).nano or 0

    if tokens is None:
        assert cost(1) > left
        return
    assert cost(tokens) <= left
    assert tokens == 50_000 or cost(tokens + 1) > left


def test_calls_without_an_answer_are_affordable_or_not() -> None:
    """Embeddings fit or they do not."""
    invocation, targets = EmbeddingInvocation(model="a", wire="openai", inputs="hi"), [target("openai", "m")]
    asked = bound(invocation, *targets)
    assert affordable(invocation, targets, asked.nano or 0, asked, AT_S) == 0
    assert affordable(invocation, targets, (asked.nano or 0) - 1, asked, AT_S) is None


@pytest.mark.parametrize("member", ["max_tokens", "max_completion_tokens"])
def test_a_limit_is_told_by_the_name_its_caller_chose(member: str) -> None:
    """As if the caller had sent it; other members that would say otherwise are gone."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], member: 9000}
    extra = {"min_tokens": 50, "max_new_tokens": 7000, "seed": 1, "top_a": 1}
    found = with_max_output(CHAT.decode_request(json.encode({**body, **extra})), 30)
    assert found == CHAT.decode_request(
        json.encode({**body, member: 30, "min_tokens": 30, "seed": 1, "top_a": 1})
    )


@pytest.mark.parametrize(
    ("tokens", "thinking"),
    [
        (4000, {"type": "enabled", "budget_tokens": 3000}),
        (3000, {"type": "enabled", "budget_tokens": 1500}),
        (2048, {"type": "enabled", "budget_tokens": 1024}),
        (2047, None),
    ],
)
def test_thinking_leaves_room_for_the_answer(tokens: int, thinking: Json) -> None:
    """Anthropic refuses budgets that are not below the limit, or too small."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    given = {**body, "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 3000}}
    wanted = {**body, "max_tokens": tokens} | ({} if thinking is None else {"thinking": thinking})
    found = with_max_output(MESSAGES.decode_request(json.encode(given)), tokens)
    assert isinstance(found, ChatInvocation)
    expected = MESSAGES.decode_request(json.encode(wanted))
    assert isinstance(expected, ChatInvocation)
    assert (found.sampling, found.reasoning) == (expected.sampling, expected.reasoning)


def test_what_a_caller_says_itself_stays_as_it_is() -> None:
    """Thinking between tools may have a larger budget than each answer; other names of the limit are gone."""
    thinking = {"type": "enabled", "budget_tokens": 20_000}
    body = {
        "model": "m",
        "max_tokens": 9000,
        "thinking": thinking,
        "messages": [{"role": "user", "content": "hi"}],
    }
    invocation = MESSAGES.decode_request(json.encode(body))
    assert with_max_output(invocation, 9000) is invocation
    found = with_max_output(MESSAGES.decode_request(json.encode({**body, "max_length": 10**6})), 9000)
    assert found == invocation


def test_calls_without_an_answer_have_no_limit() -> None:
    """Embeddings and counts stay as they are."""
    invocation = EmbeddingInvocation(model="a", wire="openai", inputs="hi")
    assert with_max_output(invocation, 5) is invocation
    assert with_max_output(chat("hi"), 5).sampling == Sampling(max_output_tokens=5)  # type: ignore[union-attr]
    assert Reasoning() == with_max_output(chat("hi"), 5).reasoning  # type: ignore[union-attr]
