"""What each format's members become, what is told to be left out, and what is refused."""

import json
from typing import Any

import pytest
from llmgw.prompts.files.importing import Imported, import_prompt
from llmgw.types.prompt import PROMPT_NAME, RESERVED
from llmgw.types.prompt_errors import InvalidPrompt


def one(kind: str, text: str) -> Imported:
    """Import a file with one prompt."""
    (found,) = import_prompt(kind, text)
    return found


def langfuse(**members: Any) -> Imported:
    """Import one object of Langfuse."""
    return one("langfuse", json.dumps({"name": "p", "type": "text", "prompt": "x", **members}))


def texts(found: Imported) -> list[tuple[str, str]]:
    """Roles and templates of what was imported."""
    return [(each.role, each.text) for each in found.content.messages]


def test_dotprompt_members() -> None:
    """Settings, tools, metadata and extensions have their places; what has none is told."""
    found = one(
        "dotprompt",
        "# A licence.\n---\nname: support/Triage v2\nvariant: b\nversion: 3\nmodel: g/m\ndescription: d\n"
        "config: {temperature: 0.5, topP: 0.9, topK: 5, maxOutputTokens: 10, stopSequences: [a, b], safety: x}\n"
        "tools: [search, {name: f, description: F, inputSchema: {q: string}}]\n"
        "output: {format: json}\nmetadata: {team: a}\nmy.ext: {k: 1}\nother: 1\n---\nHi",
    )
    content = found.content
    assert (found.name, content.model, content.description) == ("support/triage-v2", "g/m", "d")
    said = content.config
    assert (said.temperature, said.top_p, said.top_k, said.max_tokens, said.stop) == (
        0.5,
        0.9,
        5,
        10,
        ("a", "b"),
    )
    assert [(tool.name, tool.parameters["required"]) for tool in content.tools] == [("f", ["q"])]
    assert content.metadata == {"team": "a", "my.ext": {"k": 1}}
    assert found.notes == (
        "the variant b has no place here: give it a name of its own",
        "version is left out: versions are counted here",
        "config.safety has no place here",
        "output.format is json without a schema: it asks for nothing here",
        "the tool search is named but not described: tools are described in the prompt here",
        "other has no place here, and is left out",
        "it is called support/triage-v2 here, as a name has no more than small letters, digits, '-', '_' and '/'",
    )


def test_a_value_out_of_bounds_is_told() -> None:
    """A temperature that is not sent anywhere is left out with a note, not clipped."""
    found = one("dotprompt", "---\nconfig: {temperature: 9, topK: x, topP: null}\n---\nHi")
    assert found.content.config.temperature is None
    assert found.notes == (
        "config.temperature is not a value that is sent here, and is left out",
        "config.topK is not a value that is sent here, and is left out",
    )


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("a/b/c/d", "a/b/c/d"),
        ("A B", "a-b"),
        ("x/versions/render", "x/versions-prompt/render-prompt"),
        ("a/b/c/d/e/f", "a/b/c/d-e-f"),
        ("/a//b/", "a/b"),
        ("_x_", "x"),
        ("é", ""),
        ("", ""),
        ("n" * 500, "n" * 63),
        ("a.v2", "a-v2"),
    ],
)
def test_names_are_made_fit(name: str, fit: str) -> None:
    """A name keeps what may stand in one here; where it changes, or nothing is left, a note says so."""
    found = langfuse(name=name)
    assert found.name == fit
    assert fit == "" or (PROMPT_NAME.fullmatch(fit) and not RESERVED.intersection(fit.split("/")))
    assert any("called" in note or "nothing is left" in note for note in found.notes) == (fit != name)


def test_prompty_settings() -> None:
    """Parameters, tools in OpenAI's words, response formats, thread inputs and types of both generations."""
    found = one(
        "prompty",
        "---\nname: n\nmodel:\n  api: completion\n  parameters:\n    max_tokens: 7\n    stop: END\n    n: 2\n"
        "    tool_choice: auto\n    tools:\n    - {type: function, function: {name: f, strict: true}}\n"
        "    - {name: 3}\n"
        "    response_format: {type: json_schema, json_schema: {name: x, schema: {type: object}}}\n"
        "inputs:\n  - {name: a, kind: list, required: false, items: {kind: int}}\n  - {name: b, kind: image}\n"
        "  - {kind: string}\n---\nuser[name=x]:\n{{a}} ![i](u)\nAssistant:\nyes",
    )
    content = found.content
    assert texts(found) == [("user", "{% set a = a|default([]) %}{{a}} ![i](u)"), ("assistant", "yes")]
    assert (content.config.max_tokens, content.config.stop, content.tool_choice) == (7, ("END",), "auto")
    assert [(tool.name, tool.strict) for tool in content.tools] == [("f", True)]
    assert content.output_schema == {"type": "object"}
    assert content.input_schema == {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {}},
        "required": ["b"],
    }
    assert found.notes == (
        "model.api is not chat: here it becomes one",
        "model.parameters.tools: the tool number 2 is not told as a function, and is left out",
        "model.parameters.n has no place here",
        "inputs number 3 has no name, and is left out",
        "inputs.b has a type that is none here, and may be anything",
        "line 20: an image is sent as the text it is written as",
        "line 19: what stands in brackets after the role is left out",
    )


def test_prompty_repeats_no_secret() -> None:
    """Keys and hosts of a connection stand in no note and in no content."""
    found = one(
        "prompty", "---\nmodel: {id: m, connection: {api_key: sk-123, endpoint: https://h}}\n---\nuser:\nx"
    )
    assert "sk-123" not in repr(found)
    assert "https" not in repr(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nname: n\n---\nuser:\n{{ x|attr('y') }}", "line 5: there is no filter `attr`"),
        ("---\nname: n\n---\nuser:\n\n\n{% if x %}", "line 7: "),
        ("---\nname: n\n---\nuser:\nx\ntool:\ny", "line 6: messages of the role tool"),
        ("---\ntemplate: liquid\n---\nuser:\nx", "template: the format"),
        ("---\ntemplate: mustache\n---\nuser:\n{{#each}}{{/each}}", "line 5: the block `each`"),
        ("---\ninputs: {t: {kind: thread}}\n---\nuser:\nx\n{{t}}\n{{t}}", "line 7: there is one place"),
        ("---\nname: n\n---\n", "there is no message"),
        ("---\nname: n", "line 1: the front matter does not end"),
    ],
)
def test_prompty_refusals(text: str, message: str) -> None:
    """What the template language lacks, and what is no prompt, is refused with the line of the file."""
    with pytest.raises(InvalidPrompt) as refused:
        import_prompt("prompty", text)
    assert refused.value.message.startswith(message)


def test_langfuse_templates() -> None:
    """Only `{{name}}` is a variable; all other braces are text, and another prompt is an include."""
    found = langfuse(
        prompt='{{ a }}{{b}} {{"k": 1}} {% x %} {{user-id}} {{for}} {{{c}}} @@@langfusePrompt:name=T/One|label=x@@@'
    )
    assert texts(found) == [
        (
            "user",
            (
                '{{ a }}{{ b }} {{ "{{" }}"k": 1}} {{ "{%" }} x %} {{ "{{" }}user-id}} {{ "{{" }}for}} '
                '{{ "{{" }}{c}}} {% include "t/one" %}'
            ),
        )
    ]
    assert "the prompt T/One is included as the partial t/one: import it, too" in found.notes
    assert "{{for}} cannot be a variable here, and stays text" in found.notes
    assert "braces that are no variable stay text" in found.notes


def test_langfuse_pages_come_in_the_order_of_versions() -> None:
    """Versions of one prompt follow each other as they were made, prompts as they stand."""
    page = {
        "data": [
            {"name": "b", "version": 2, "prompt": "two"},
            {"name": "a", "version": 1, "prompt": "x"},
            {"name": "b", "version": 1, "prompt": "one"},
        ]
    }
    found = import_prompt("langfuse", json.dumps(page))
    assert [(each.name, each.content.messages[0].text) for each in found] == [
        ("b", "one"),
        ("b", "two"),
        ("a", "x"),
    ]


def test_langfuse_config() -> None:
    """Model, settings, tools and the response format come out of the config."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "extra": 1}}
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    found = langfuse(
        config={"model": "m", "top_p": 1, "tools": [tool], "response_format": form, "tool_choice": "f"}
    )
    content = found.content
    assert (content.model, content.config.top_p, content.tool_choice) == ("m", 1.0, "f")
    assert (content.tools[0].parameters, content.output_schema) == ({"type": "object"}, {"type": "object"})
    assert "config.tools: extra of a tool has no place here, and is left out" in found.notes


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"name": "p"}, "the prompt 'p' has no text"),
        ({"prompt": "x"}, "a prompt has no name"),
        ([], "there is no prompt in it"),
        ([1], "prompt 1 is no object"),
        ({"name": "p", "prompt": 7}, "the prompt 'p': `prompt` is a text"),
        ({"name": "p", "prompt": [{"role": "tool", "content": "x"}]}, "the prompt 'p', message 1: its role"),
        (
            {"name": "p", "prompt": [{"role": "user", "content": [{}]}]},
            "the prompt 'p', message 1: its content",
        ),
        (
            {"name": "p", "prompt": [{"type": "placeholder", "name": "a"}] * 2},
            "the prompt 'p', message 2: the placehold",
        ),
        ({"name": "p", "prompt": ""}, "the prompt 'p': there is no message"),
        ([{"name": "p", "prompt": "x"}] * 1001, "a file has at most 1000 prompts"),
    ],
)
def test_langfuse_refusals(said: Any, message: str) -> None:
    """What is no prompt of Langfuse is refused by its name and message."""
    with pytest.raises(InvalidPrompt) as refused:
        import_prompt("langfuse", json.dumps(said))
    assert refused.value.message.startswith(message)


def test_litellm_api() -> None:
    """A list of the API brings texts in either form; versions are told, paths are not followed."""
    params = {"prompt_id": "x", "prompt_integration": "dotprompt", "api_key": "sk-1"}
    text = "---\nmodel: m\ntop_k: 3\nresponse_format: {type: json_object}\n---\nSystem: a\nUser: {{b}}"
    listed = {"prompts": [{"prompt_id": "x.v2", "litellm_params": {**params, "dotprompt_content": text}}]}
    found = one("litellm", json.dumps(listed))
    assert (found.name, found.content.model, found.content.config.top_k) == ("x", "m", 3)
    assert texts(found) == [("system", "a"), ("user", "{{b}}")]
    assert found.notes == (
        "response_format has no schema, and is left out",
        "it is version 2 there: versions are counted anew here",
        "litellm_params.api_key has no place here, and is left out",
    )
    with pytest.raises(InvalidPrompt, match="the prompt 'x': prompt 1 brings no text"):
        import_prompt(
            "litellm", json.dumps({"prompt_id": "x", "litellm_params": {"prompt_directory": "/etc"}})
        )


def test_litellm_roles() -> None:
    """Roles are read at the beginning of lines and in LiteLLM's spelling; text before the first is the user's."""
    found = one("litellm", "before\nSystem: s\nuser: still s\n  Assistant: a\nUser:\nu")
    assert texts(found) == [
        ("user", "before"),
        ("system", "s\nuser: still s"),
        ("assistant", "a"),
        ("user", "u"),
    ]
