"""`.prompt` files read and written: what a file says is what a version says, and errors name their line."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from llmgw.prompts.files import parse, write
from llmgw.types.prompt import (
    ApiExample,
    PromptApi,
    PromptConfig,
    PromptContent,
    PromptGate,
    PromptTests,
    PromptTool,
    TemplateMessage,
)
from llmgw.types.prompt_errors import InvalidPrompt

WHOLE = r"""---
# yaml-language-server: $schema=prompt.json
name: support/triage
model: fast
description: Sorts tickets.
config:
  temperature: 0.2
  max_tokens: 400
  stop: [END, 'yes']
input:
  schema:
    type: object
    required: [ticket]
    properties:
      ticket: {type: string, maxLength: 8000}
output:
  schema: {$ref: ./triage.out.json}
tools:
  - name: look_up
    parameters: {$ref: ./tools/look_up.json}
api: {slug: triage, repair: true}
tests:
  dataset: triage.jsonl
  gate: {min_pass: 0.9}
metadata: {since: 2026-11-27, country: no, code: 007}
---

system:

You triage tickets.
\user:
is no role here, and neither is
  user:

history:

user:
{{ ticket }}
assistant:

"""


def files(path: str) -> str:
    """The files beside the prompt."""
    return {"./triage.out.json": '{"enum": ["a", "b"]}', "./tools/look_up.json": '{"type": "object"}'}[path]


def test_a_file_is_read() -> None:
    """Every member and message finds its place; words are words, whatever older YAML made of them."""
    name, content = parse(WHOLE, files=files)
    assert name == "support/triage"
    assert content == PromptContent(
        messages=(
            TemplateMessage(
                role="system",
                text="You triage tickets.\nuser:\nis no role here, and neither is\n  user:",
            ),
            TemplateMessage(role="user", text="{{ ticket }}"),
            TemplateMessage(role="assistant", text=""),
        ),
        history=1,
        model="fast",
        description="Sorts tickets.",
        config=PromptConfig(temperature=0.2, max_tokens=400, stop=("END", "yes")),
        input_schema={
            "type": "object",
            "required": ["ticket"],
            "properties": {"ticket": {"type": "string", "maxLength": 8000}},
        },
        output_schema={"enum": ["a", "b"]},
        tools=(PromptTool(name="look_up", parameters={"type": "object"}),),
        api=PromptApi(slug="triage", repair=True),
        tests=PromptTests(dataset="triage.jsonl", gate=PromptGate(min_pass=0.9)),
        metadata={"since": "2026-11-27", "country": "no", "code": "007"},
    )


def test_windows_lines_are_lines() -> None:
    """A file from another editor says the same."""
    assert parse("\ufeff" + WHOLE.replace("\n", "\r\n"), files=files) == parse(WHOLE, files=files)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TEXTS = WORDS | st.sampled_from(
    [
        "user:",
        "\\user:",
        "\\\\history:  ",
        "system:\nassistant:",
        "\n\n a \n",
        "---",
        "a\r\nb",
        "\x85",
        "# x",
        "\t",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS | st.sampled_from(["yes", "on", "1:30", "0x1f", "010", "1e5", "null", "~", "2026-11-27", "=", "<<"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
MESSAGES = st.lists(
    st.builds(
        TemplateMessage, role=st.sampled_from(["system", "developer", "user", "assistant"]), text=TEXTS
    ),
    min_size=1,
    max_size=4,
).map(tuple)

CONFIGS = st.builds(
    PromptConfig, temperature=st.none() | st.floats(0, 2), stop=st.lists(TEXTS, max_size=2).map(tuple)
)


@st.composite
def contents(draw: st.DrawFn) -> PromptContent:
    """Any content, messages or a partial."""
    members: dict[str, Any] = {"partial": draw(TEXTS)}
    if draw(st.booleans()):
        messages = draw(MESSAGES)
        members = {
            "messages": messages,
            "history": draw(st.none() | st.integers(0, len(messages))),
            "model": draw(st.none() | st.just("fast") | WORDS.filter(bool)),
            "config": draw(CONFIGS),
            "tools": tuple(draw(st.lists(st.builds(PromptTool, name=TEXTS, parameters=JSON), max_size=2))),
            "api": draw(
                st.none()
                | st.builds(
                    PromptApi,
                    slug=st.just("a-1"),
                    examples=st.lists(st.builds(ApiExample, input=OBJECTS, output=JSON), max_size=1).map(tuple),
                )
            ),
            "tests": draw(st.none() | st.builds(PromptTests, cases=st.lists(OBJECTS, max_size=2).map(tuple))),
        }  # fmt: skip
    return PromptContent(
        **members,
        input_schema=draw(st.none() | OBJECTS),
        description=draw(TEXTS),
        metadata=draw(OBJECTS),
    )


@given(contents())
@example(PromptContent(partial="", metadata={"": "0\n"}))
def test_a_content_comes_back(content: PromptContent) -> None:
    """Whatever a version says, the file written of it says the same; and written again, it is the same file."""
    text = write("a/b", content)
    name, read = parse(text)
    assert (name, read) == ("a/b", content)
    assert write(name, read) == text


@given(
    st.text(max_size=200)
    | st.text(max_size=100).map(lambda text: f"---\nname: a\n{text}\n---\nuser:\n{text}")
)
def test_any_text_is_a_prompt_or_refused(text: str) -> None:
    """A file is read, or refused with words that name the line."""
    try:
        parse(text)
    except InvalidPrompt as error:
        assert error.message  # noqa: PT017  # most texts are refused, and some are read


def file(front: str = "", body: str = "user:\nx\n") -> str:
    """A file with a name."""
    return f"---\nname: a\n{front}---\n{body}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: a prompt file begins with"),
        ("user:\nhi", "line 1: a prompt file begins with"),
        ("---\nname: a\nuser:\nhi", "line 1: the front matter does not end"),
        ("---\n- a\n---\n", "line 2: the front matter is an object"),
        ("---\n---\nuser:\nhi", "missing required field `name`"),
        ("---\nname: A b\n---\nuser:\nhi", "line 2: name: a name is one to four words"),
        ("---\nname: a/labels\n---\nuser:\nhi", "line 2: name: `labels` cannot be part"),
        (file("modle: x\n"), "line 3: modle: there is no member `modle`: did you mean `model`?"),
        (file("zzz: x\n"), "line 3: zzz: there is no member `zzz`; there are name,"),
        (file("model: a\nmodel: b\n"), "line 4: `model` stands here twice"),
        (file("config:\n  temperature: 3\n"), "line 3: config.temperature: Expected `float` <= 2.0"),
        (file("config: {heat: 3}\n"), "line 3: config: Object contains unknown field `heat`"),
        (file("api: {slug: A}\n"), "line 3: api.slug: Expected `str` matching regex"),
        (file("tests: {cases: [1]}\n"), "line 3: tests.cases.0: Expected `object`, got `int`"),
        (file("metadata: &x {a: *x}\n"), "line 3: aliases"),
        (file("metadata: {a: &x [1], b: *x}\n"), "line 3: aliases"),
        (file("metadata: {<<: {a: 1}, 1: 2}\n"), ""),
        (file("metadata: !!python/object/apply:os.system [id]\n"), "line 3: "),
        (file("metadata: !!binary aGk=\n"), "line 3: "),
        (file("metadata: {? [a] : b}\n"), "line 3: the name of a member is a word"),
        (file("metadata: " + "[" * 100 + "]" * 100 + "\n"), "line 3: this is nested too deep"),
        (file("metadata: {a: .inf}\n"), ""),
        (file("metadata: [a\n"), "line "),
        (file(body="hi\nuser:\nx\n"), "line 4: a text belongs to a role"),
        (file(body="\n\nhi\n"), "line 6: a text belongs to a role"),
        (file(body="history:\nhi\n"), "line 5: `history:` is a place"),
        (file(body="history:\nuser:\nx\nhistory:\n"), "line 7: there is one place"),
        (file(body="\n"), "line 4: a prompt has at least one message"),
        (file("messages: [{role: user, text: x}]\n"), "line 3: messages: messages stand in the front matter or"),
        (file("messages: [{role: user, text: x}]\nhistory: 2\n", ""), "line 4: history: there are no 2"),
        (file("partial: true\nhistory: 0\n", ""), "line 3: partial: a partial is a text"),
        (file("messages: [{role: tool, text: x}]\n", ""), "line 3: messages.0.role: Invalid enum value 'tool'"),
        (file("input: {schema: {$ref: ./x.json}}\n"), "line 3: input: the file ./x.json stands beside"),
        (file("metadata: {a: 1e999}\n"), "line 3: the number is too large"),
        (file('metadata: {a: "\\ud800"}\n'), "line 3: "),
        (file("metadata: {a: \ud800}\n"), "characters that no text has"),
        (file("metadata:\n" + "".join(f"  k{n}: v\n" for n in range(20_000))), "there are more than 30000 values"),
        ("x" * 1_100_000, "at most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    """Whoever wrote a file learns the line, the member, and what was expected there."""
    if not words:
        parse(text)
        return
    with pytest.raises(InvalidPrompt) as refused:
        parse(text)
    assert words in refused.value.message


@pytest.mark.parametrize(
    "path", ["./../secret.json", "./a/../../b.json", "./.ssh/id.json", "./x.yaml", "./a\\b.json"]
)
def test_files_stand_beside_the_prompt(path: str) -> None:
    """A reference leads nowhere but to JSON in the prompt's own directory and below."""
    with pytest.raises(InvalidPrompt, match="a file beside the prompt is named"):
        parse(file(f"input: {{schema: {{$ref: '{path}'}}}}\n"), files=pytest.fail)


def test_a_file_that_is_not_there() -> None:
    """What a prompt refers to is there, and is JSON."""

    def missing(_path: str) -> str:
        raise FileNotFoundError

    with pytest.raises(InvalidPrompt, match="there is no file"):
        parse(file("output: {schema: {$ref: ./x.json}}\n"), files=missing)
    with pytest.raises(InvalidPrompt, match="is no JSON"):
        parse(file("output: {schema: {$ref: ./x.json}}\n"), files=lambda _: "{")


def test_a_partial_is_read() -> None:
    """A text for others to include has no roles, and lines that look like some stay in it."""
    assert parse(file("partial: true\n", "\nBe kind.\nuser:\n")) == (
        "a",
        PromptContent(partial="Be kind.\nuser:"),
    )
