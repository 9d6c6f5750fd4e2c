"""Strict mode as Anthropic: each rule takes one body and refuses another, in words that name the place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.simulator.anthropic.strict import violation
from llmgw.simulator.signatures import conceal, sign
from tests.unit.simulator.damage import JSON, damaged

ASKED = {"role": "user", "content": "hello"}
ONE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
OTHER = {**ONE, "id": "toolu_2"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": sign("hm", "sim")}
HIDDEN = {"type": "redacted_thinking", "data": conceal("hm", "sim")}
BUDGET = {"type": "enabled", "budget_tokens": 1024}
CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}


def body(*messages: Any, **members: Any) -> dict[str, Any]:
    """A request's body."""
    return {"model": "sim", "max_tokens": 2000, "messages": list(messages) or [ASKED], **members}


def user(*blocks: Any) -> dict[str, Any]:
    """A user's message of several blocks."""
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    """An assistant's message of several blocks."""
    return {"role": "assistant", "content": list(blocks)}


def system(text: str = "Be brief.") -> dict[str, Any]:
    """A system message within the conversation."""
    return {"role": "system", "content": text}


def text(said: Any = "hi", **members: Any) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": said, **members}


def result(call_id: str = "toolu_1", **members: Any) -> dict[str, Any]:
    """A tool's result."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": "42", **members}


def used(*messages: Any, **members: Any) -> dict[str, Any]:
    """A conversation that used a tool."""
    return body(ASKED, *messages, tools=[TOOL], **members)


def image(kind: str = "image/png", data: str = "YWJj") -> dict[str, Any]:
    """An image block."""
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def document(source: dict[str, Any]) -> dict[str, Any]:
    """A document block."""
    return {"type": "document", "source": source}


def form(schema: Any) -> dict[str, Any]:
    """A request for JSON."""
    return body(output_config={"format": {"type": "json_schema", "schema": schema}})


def within(**schema: Any) -> dict[str, Any]:
    """A request for an object with one member."""
    return form({**CLOSED, "properties": {"a": schema}})


def own(**members: Any) -> dict[str, Any]:
    """A request that offers one tool."""
    return body(tools=[{**TOOL, **members}])


MARK = {"cache_control": {"type": "ephemeral"}}
UNANSWERED = "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: "

RULES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("member", body(metadata={"user_id": "u"}), body(n=2), "n: Extra inputs are not permitted"),
    ("beta member", body(speed="fast"), body(context_management={}), "context_management: Extra inputs"),
    ("metadata", body(metadata={}), body(metadata={"team": "x"}), "metadata.team: Extra inputs are not"),
    ("model", body(), {"max_tokens": 1, "messages": [ASKED], "mode": ""}, "mode: Extra inputs"),
    ("max_tokens", body(max_tokens=0), {"model": "sim", "messages": [ASKED]}, "max_tokens: Field required"),
    ("max_tokens low", body(max_tokens=1), body(max_tokens=-1), "max_tokens: Input should be greater than"),
    ("max_tokens kind", body(), body(max_tokens="many"), "max_tokens: Input should be a valid integer"),
    ("stream", body(stream=True), body(stream="yes"), "stream: Input should be a valid boolean"),
    ("temperature", body(temperature=1.0), body(temperature=1.1), "temperature: range: 0..1"),
    ("top_p", body(top_p=0), body(top_p="high"), "top_p: Input should be a valid number"),
    ("top_k", body(top_k=5), body(top_k=-1), "top_k: Input should be greater than or equal to 0"),
    ("tier", body(service_tier="auto"), body(service_tier="flex"), "service_tier: Input should be"),
    (
        "stop sequences",
        body(stop_sequences=["\nEND"]),
        body(stop_sequences=["a", " \n"]),
        "stop_sequences: each stop sequence must contain non-whitespace",
    ),
    ("no messages", body(), {"model": "sim", "max_tokens": 1, "messages": []}, "messages: at least one"),
    ("roles", body(ASKED, assistant(text())), body({"role": "tool", "content": "x"}), "messages.0.role:"),
    ("message member", body(ASKED), body({**ASKED, "name": "ada"}), "messages.0.name: Extra inputs"),
    (
        "system first",
        body(ASKED, system(), assistant(text())),
        body(system(), ASKED),
        "messages.0: role 'system' must follow",
    ),
    (
        "system before user",
        body(ASKED, system()),
        body(ASKED, system(), ASKED),
        "messages.1: role 'system' must precede an 'assistant' message or end the array",
    ),
    ("system blocks", body(system=[text()]), body(system=[image()]), "system.0.text: Field required"),
    ("system words", body(system="Be brief."), body(system=[text(" ")]), "system: text content blocks must"),
    (
        "empty words",
        body(ASKED, {"role": "assistant", "content": ""}),
        body({"role": "user", "content": ""}),
        "messages.0: all messages must have non-empty content except for the optional final assistant",
    ),
    ("empty content", body(ASKED, assistant()), body(assistant(), ASKED), "messages.0: all messages must"),
    (
        "empty text",
        body(user(text())),
        body(user(text(""))),
        "messages: text content blocks must be non-empty",
    ),
    (
        "blank text",
        body(user(text(" a"))),
        body(user(text("\n"))),
        "messages: text content blocks must contain",
    ),
    (
        "trailing whitespace",
        body(ASKED, assistant(text("It is"))),
        body(ASKED, assistant(text("It is "))),
        "messages: final assistant content cannot end with trailing whitespace",
    ),
    ("block member", body(user(text(**MARK))), body(user(text(index=0))), "messages.0.content.0.text.index:"),
    ("block type", body(user(text())), body(user({"type": "film"})), "messages.0.content.0.type: Input tag"),
    (
        "result's role",
        used(assistant(ONE), user(result())),
        used(assistant(result())),
        "messages.1.content.0:",
    ),
    ("call's role", used(assistant(ONE), user(result())), used(user(ONE)), "messages.1: `tool_use` ids"),
    ("image type", body(user(image())), body(user(image("image/bmp"))), "messages.0.content.0.image.source."),
    (
        "image data",
        body(user(image())),
        body(user(image(data="?"))),
        "messages.0.content.0.source.base64.data:",
    ),
    (
        "pdf type",
        body(user(document({"type": "base64", "media_type": "application/pdf", "data": "YWJj"}))),
        body(user(document({"type": "base64", "media_type": "text/csv", "data": "YWJj"}))),
        "messages.0.content.0.document.source.base64.media_type: Input should be 'application/pdf'",
    ),
    (
        "image source",
        body(user({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})),
        body(user({"type": "image", "source": {"type": "text", "media_type": "text/plain", "data": "x"}})),
        "messages.0.content.0.image.source.type: Input should be",
    ),
    (
        "unanswered",
        used(assistant(ONE), user(result())),
        used(assistant(ONE), ASKED),
        f"{UNANSWERED}toolu_1.",
    ),
    ("at the end", used(assistant(ONE), user(result())), used(assistant(ONE)), f"{UNANSWERED}toolu_1."),
    (
        "one of two",
        used(assistant(ONE, OTHER), user(result("toolu_2"), result())),
        used(assistant(ONE, OTHER), user(result())),
        f"{UNANSWERED}toolu_2.",
    ),
    (
        "in two messages",
        used(assistant(ONE, OTHER), user(result(), result("toolu_2"))),
        used(assistant(ONE, OTHER), user(result()), user(result("toolu_2"))),
        f"{UNANSWERED}toolu_2.",
    ),
    (
        "results first",
        used(assistant(ONE), user(result(), text())),
        used(assistant(ONE), user(text(), result())),
        f"{UNANSWERED}toolu_1.",
    ),
    (
        "answered twice",
        used(assistant(ONE), user(result())),
        used(assistant(ONE), user(result(), result())),
        "messages.2.content.1: each tool_use must have a single result. Found multiple",
    ),
    (
        "unknown id",
        used(assistant(ONE), user(result())),
        used(assistant(text()), user(result())),
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1.",
    ),
    (
        "unique ids",
        used(assistant(ONE), user(result()), assistant(OTHER), user(result("toolu_2"))),
        used(assistant(ONE), user(result()), assistant(ONE), user(result())),
        "messages.3.content.0: `tool_use` ids must be unique",
    ),
    (
        "id pattern",
        used(assistant(ONE), user(result())),
        used(assistant({**ONE, "id": "a:b"}), user(result("a:b"))),
        "messages.1.content.0.tool_use.id: String should match pattern",
    ),
    (
        "called",
        used(assistant({**ONE, "name": "a" * 200}), user(result())),
        used(assistant({**ONE, "name": "a" * 201}), user(result())),
        "messages.1.content.0.tool_use.name: String should have at most 200 characters",
    ),
    (
        "called nothing",
        used(assistant({**ONE, "name": "a.b"}), user(result())),
        used(assistant({**ONE, "name": ""}), user(result())),
        "messages.1.content.0.tool_use.name: String should have at least 1 character",
    ),
    (
        "server id",
        body(ASKED, assistant({"type": "server_tool_use", "id": "srvtoolu_1", "name": "x", "input": {}})),
        body(ASKED, assistant({"type": "server_tool_use", "id": "toolu_1", "name": "x", "input": {}})),
        "messages.1.content.0.server_tool_use.id: String should match pattern",
    ),
    (
        "input",
        used(assistant(ONE), user(result())),
        used(assistant({**ONE, "input": "{}"}), user(result())),
        "messages.1.content.0.input: Input should be a valid dictionary",
    ),
    (
        "result's blocks",
        used(assistant(ONE), user(result(content=[text(), image()]))),
        used(assistant(ONE), user(result(content=[THOUGHT]))),
        "messages.2.content.0.content.0.type: Input should be",
    ),
    (
        "tools defined",
        used(assistant(ONE), user(result())),
        body(ASKED, assistant(ONE), user(result())),
        "Requests which include `tool_use` or `tool_result` blocks must define tools.",
    ),
    ("tool name", own(name="a-b_1"), own(name="a.b"), "tools.0.custom.name: String should match pattern"),
    ("tool member", own(description="x"), own(parameters={}), "tools.0.custom.parameters: Extra inputs"),
    ("tool schema", own(), body(tools=[{"name": "f"}]), "tools.0.custom.input_schema: Field required"),
    (
        "tool schema type",
        own(),
        own(input_schema={"type": "array"}),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    (
        "tool schema union",
        own(input_schema={"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}}),
        own(input_schema={"type": "object", "anyOf": [{"required": ["a"]}]}),
        "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level",
    ),
    (
        "strict tool",
        own(strict=True, input_schema=CLOSED),
        own(strict=True),
        "tools.0.custom: For 'object' type, 'additionalProperties' must be explicitly set to false",
    ),
    (
        "tool names",
        body(tools=[TOOL, {**TOOL, "name": "g"}]),
        body(tools=[TOOL, TOOL]),
        "tools: Tool names must be unique.",
    ),
    (
        "choice",
        own() | {"tool_choice": {"type": "any"}},
        body(tool_choice={"type": "any"}),
        "tool_choice: tool_",
    ),
    (
        "chosen",
        own() | {"tool_choice": {"type": "tool", "name": "f"}},
        own() | {"tool_choice": {"type": "tool", "name": "g"}},
        "tool_choice: Tool 'g' not found in provided tools",
    ),
    (
        "choice member",
        own() | {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        own() | {"tool_choice": {"type": "none", "disable_parallel_tool_use": True}},
        "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted",
    ),
    (
        "thinking type",
        body(thinking={"type": "disabled"}),
        body(thinking={"type": "auto"}),
        "thinking.type: Input should be 'enabled', 'adaptive', 'between_tools' or 'disabled'",
    ),
    (
        "thinking budget",
        body(thinking=BUDGET),
        body(thinking={"type": "enabled", "budget_tokens": 1023}),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    (
        "thinking within max_tokens",
        body(thinking=BUDGET, max_tokens=1025),
        body(thinking=BUDGET, max_tokens=1024),
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
    ),
    (
        "thinking member",
        body(thinking={"type": "adaptive", "display": "omitted"}),
        body(thinking={"type": "adaptive", "budget_tokens": 2000}),
        "thinking.adaptive.budget_tokens: Extra inputs are not permitted",
    ),
    (
        "thinking display",
        body(thinking={**BUDGET, "display": "summarized"}),
        body(thinking={**BUDGET, "display": "full"}),
        "thinking.enabled.display: Input should be 'summarized' or 'omitted'",
    ),
    (
        "thinking and forced tools",
        own() | {"thinking": BUDGET, "tool_choice": {"type": "auto"}},
        own() | {"thinking": BUDGET, "tool_choice": {"type": "any"}},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    (
        "thinking temperature",
        body(thinking=BUDGET, temperature=1),
        body(thinking=BUDGET, temperature=0),
        "`temp",
    ),
    ("thinking top_k", body(top_k=4), body(thinking=BUDGET, top_k=4), "`top_k` must be unset"),
    (
        "thinking top_p",
        body(thinking=BUDGET, top_p=0.95),
        body(thinking=BUDGET, top_p=0.9),
        "`top_p` must be",
    ),
    (
        "signature",
        body(ASKED, assistant(THOUGHT, text()), ASKED),
        body(ASKED, assistant({**THOUGHT, "thinking": "hm "}, text()), ASKED),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        "foreign signature",
        body(ASKED, assistant(THOUGHT, text()), ASKED),
        body(
            ASKED, assistant({**THOUGHT, "signature": "llmgw:gemini:" + THOUGHT["signature"]}, text()), ASKED
        ),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        "redacted data",
        body(ASKED, assistant(HIDDEN, text()), ASKED),
        body(ASKED, assistant({**HIDDEN, "data": "llmgw:openai:x"}, text()), ASKED),
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    (
        "thinking first",
        used(assistant(THOUGHT, ONE), user(result()), thinking=BUDGET),
        used(assistant(ONE), user(result()), thinking=BUDGET),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    (
        "thinking first in its turn",
        used(
            assistant(THOUGHT, ONE),
            user(result()),
            system(),
            assistant(OTHER),
            user(result("toolu_2")),
            thinking=BUDGET,
        ),
        used(assistant(ONE), user(result()), assistant(OTHER), user(result("toolu_2")), thinking=BUDGET),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    (
        "thinking first in this turn",
        used(
            assistant(ONE),
            user(result()),
            assistant(THOUGHT, OTHER),
            user(result("toolu_2")),
            thinking=BUDGET,
        ),
        used(assistant(THOUGHT, text()), ASKED, assistant(ONE), user(result()), thinking=BUDGET),
        "messages.3.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    (
        "no thinking needed in turns that are over",
        body(ASKED, assistant(text()), ASKED, thinking=BUDGET),
        body(ASKED, assistant(text()), thinking=BUDGET),
        "messages.1.content.0.type: Expected `thinking`",
    ),
    (
        "cache marks",
        body(user(*[text(**MARK)] * 4)),
        body(user(*[text(**MARK)] * 3), system=[text(**MARK)], tools=[{**TOOL, **MARK}]),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        "effort",
        body(output_config={"effort": "max"}),
        body(output_config={"effort": "none"}),
        "output_config.",
    ),
    ("output member", body(output_config={}), body(output_config={"verbosity": "low"}), "output_config.verb"),
    ("schema", form(CLOSED), form({"type": "object"}), "output_config.format.schema: For 'object' type"),
    (
        "schema within",
        within(**CLOSED),
        within(type="array", items={"type": "object"}),
        "output_config.format.schema.properties.a.items: For 'object' type, 'additionalProperties'",
    ),
    (
        "schema bounds",
        within(type="integer"),
        within(type="integer", minimum=1),
        "output_config.format.schema.pro",
    ),
    (
        "schema lengths",
        within(type="string"),
        within(type="string", maxLength=1),
        "output_config.format.schema.p",
    ),
    (
        "schema items",
        within(type="array", minItems=1),
        within(type="array", minItems=2),
        "output_config.format.s",
    ),
    (
        "schema union",
        within(anyOf=[{"type": "null"}]),
        within(oneOf=[{"type": "null"}]),
        "output_config.format.",
    ),
    (
        "schema reference",
        within(enum=["a"]),
        within(**{"$ref": "https://x/y"}),
        "output_config.format.schema.prop",
    ),
]


@pytest.mark.parametrize(
    ("accepted", "refused", "words"), [rule[1:] for rule in RULES], ids=[r[0] for r in RULES]
)
def test_rule(accepted: dict[str, Any], refused: dict[str, Any], words: str) -> None:
    """One body is taken, and its counterpart is refused in these words."""
    assert violation(accepted) is None
    assert str(violation(refused)).startswith(words)


def test_whoever_speaks_first() -> None:
    """An assistant may begin, and turns of one role may follow each other: Anthropic joins them."""
    assert violation(body(assistant(text()), ASKED, ASKED)) is None


def test_beta_allows_more() -> None:
    """With a beta header, its members, its blocks and those of its tools are taken."""
    asked = body(ASKED, assistant({"type": "compaction", "content": "x"}), ASKED, context_management={})
    assert violation(asked, beta=True) is None
    assert violation(own(later=1), beta=True) is None


def test_counting_takes_less() -> None:
    """A request to count has no `max_tokens`, and may have none of what only an answer needs."""
    asked = {"model": "sim", "messages": [ASKED], "system": "Be brief."}
    assert violation(asked, counting=True) is None
    assert (
        violation({**asked, "max_tokens": 5}, counting=True) == "max_tokens: Extra inputs are not permitted"
    )


@given(st.sampled_from(RULES), st.integers(0, 10_000), JSON)
def test_any_body_is_judged(rule: tuple[str, Any, Any, str], place: int, value: Any) -> None:
    """Whatever the body, the judgement is words or nothing, never a crash."""
    for body_ in rule[1:3]:
        judged = damaged(body_, place, value)
        assert violation(judged) is None or violation(judged) != ""
