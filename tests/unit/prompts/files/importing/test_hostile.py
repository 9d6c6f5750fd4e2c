"""No text takes long, reaches anything or breaks an importer: it is read, or refused as no prompt."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from llmgw.prompts.files.importing import FORMATS, TEXT_MAX, import_prompt
from llmgw.prompts.rendering import scan
from llmgw.types.prompt import content_bytes
from llmgw.types.prompt_errors import InvalidPrompt

WORDS = st.sampled_from([
    "---\n", "\n", "{{", "}}", "{{{", "{{#if x}}", "{{/if}}", "{{else}}", "{{#each l}}", "{{/each}}",
    "{{@key}}",
    "{{this}}", "{{../x}}", "{{~", "~}}", "{{!-- ", "--}}", "{{>p a=b}}", '{{role "user"}}', "{{history}}", "{%",
    "%}",
    "{% for a in l %}", "{% endfor %}", "{% set x %}", "{#", "user:\n", "System: ", "name: x\n",
    "model: {id: 1}\n",
    "input: {schema: {a?: string, (*): any}}\n", "inputs: {a: {kind: thread}}\n",
    "&a [*a]", "!!python/name:x", "\\",
    "<<<dotprompt:history>>>", "@@@langfusePrompt:name=a@@@", '"', "'", "\x00", "é", "{", "}", "|", "x", "1e999",
])  # fmt: skip
TEXTS = st.lists(WORDS | st.text(max_size=6), max_size=25).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "prompt", "config", "type", "role", "content", "litellm_params", "model", "tools"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def read_or_refused(kind: str, text: str) -> None:
    """Import a text; what comes out has templates that may be used and canonical bytes."""
    try:
        found = import_prompt(kind, text)
    except InvalidPrompt:
        return
    assert found
    for each in found:
        assert content_bytes(each.content)
        assert not [problem for message in each.content.messages for problem in scan.problems(message.text)]


@given(st.sampled_from(FORMATS), TEXTS)
@example("dotprompt", "---\n---\n{{{~x~}}}")
@example("dotprompt", "{{#if a.[]}}{{/if}}")
@example("prompty", '---\na: "\\uD800"\n---\nx')
@example("litellm", "\ud800")
def test_any_text_is_read_or_refused(kind: str, text: str) -> None:
    """No text makes an importer fail in any other way."""
    read_or_refused(kind, text)


@given(st.sampled_from(["langfuse", "litellm"]), JSON)
def test_any_json_is_read_or_refused(kind: str, value: object) -> None:
    """No JSON makes the readers of APIs fail in any other way."""
    read_or_refused(kind, json.dumps(value))


@given(st.sampled_from(["dotprompt", "prompty", "litellm"]), JSON)
def test_any_front_matter_is_read_or_refused(kind: str, value: object) -> None:
    """No front matter makes an importer fail in any other way: JSON is YAML."""
    members = {
        "input": value,
        "inputs": value,
        "config": value,
        "tools": value,
        "model": value,
        "output": value,
    }
    for name in members:
        read_or_refused(kind, f"---\n{json.dumps({name: value, 'sample': value})}\n---\nuser:\n{{{{x}}}}")


FULL = TEXT_MAX - 16


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        " " * FULL,
        "\n" * FULL,
        "user" + " " * FULL,
        "user:\n" * (FULL // 6),
        "User:\n" * (FULL // 6),
        "{{" * (FULL // 2),
        "{{a}}" * (FULL // 5),
        "{{!-- --~}}" * (FULL // 11),
        "{{~a~}} " * (FULL // 8),
        "{{" + "a." * (FULL // 3) + "a}}",
        '{{"' + "\\" * FULL,
        "\\{{" * (FULL // 3),
        "![](" * (FULL // 4),
        "{% for" + " " * FULL,
        "{% for a in b %}{{a.role}}:" * (FULL // 27),
        "---\na: " + "[" * 60_000 + "\n---\nhi",
        "---\n" + "? " * 30_000 + "\n---\nhi",
        "---\na: &a [x]\nb: *a\n---\nhi",
        "---\na: " + "x" * 70_000 + "\n---\nhi",
        "[" * FULL,
        '{"name": "a", "prompt": "' + "@@@langfusePrompt:name=" * 40_000 + '"}',
        "x" * (TEXT_MAX + 1),
    ],
    ids=lambda text: f"{text[:12]!r} {len(text)}",
)
def test_large_and_crooked_texts_come_to_an_end(kind: str, text: str) -> None:
    """A text of the largest size that is made to be slow is read or refused; the run's limits would show a hang."""
    read_or_refused(kind, text)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("a: &x [1]\nb: *x", "line 3: aliases"),
        ("a: !!python/name:os.system", "line 2: 'os.system' is no kind of value"),
        ("a: 1\na: 2", "line 3: `a` is here twice"),
        ("a: " + "[" * 40 + "]" * 40, "line 2: this is nested too deep"),
        ("<<: {a: 1}", None),
        ("a: 1e999", "line 2: this number is too large"),
        ("[1]: 2", "line 2: the name of a member is a word"),
        ("- a", "line 2: the front matter is an object"),
        ("a: [", "line "),
        ("x" * 70_000, "line 2: a front matter has at most"),
    ],
)
def test_yaml_is_plain_and_bounded(head: str, message: str | None) -> None:
    """No aliases, no tags, no merging, no name twice, no depth, no infinity; a line says where."""
    if message is None:
        (found,) = import_prompt("dotprompt", f"---\n{head}\n---\nHi")
        assert found.notes == ("<< has no place here, and is left out",)
        return
    with pytest.raises(InvalidPrompt) as refused:
        import_prompt("dotprompt", f"---\n{head}\n---\nHi")
    assert refused.value.message.startswith(message)


def test_words_stay_words_in_yaml() -> None:
    """Dates and `yes` are no values of their own kind."""
    (found,) = import_prompt(
        "dotprompt", "---\nmetadata: {d: 2024-01-02, y: yes, n: 007, f: .5, t: True}\n---\nHi"
    )
    assert found.content.metadata == {"d": "2024-01-02", "y": "yes", "n": 7, "f": 0.5, "t": True}


def test_an_unknown_format_is_refused() -> None:
    """The refusal names the formats there are."""
    with pytest.raises(InvalidPrompt, match="dotprompt, prompty, langfuse, litellm"):
        import_prompt("xml", "x")
