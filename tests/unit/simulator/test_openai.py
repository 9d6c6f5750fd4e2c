"""OpenAI's dialect: what is refused and how, what is counted, how an answer is written."""

import base64
import json
from array import array
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from llmgw.simulator.app import Simulator
from llmgw.simulator.reply import Reply, Request, Whole
from tests.manual_clock import ManualClock

USER = {"role": "user", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASSISTANT = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "21"}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def reply(body: Any, path: str = "/v1/chat/completions", simulator: Simulator | None = None) -> Reply:
    """What a simulator answers to one body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (simulator or Simulator(unix_ns=ManualClock().unix_ns)).answer(Request("POST", path, (), raw))


def document(body: Any, path: str = "/v1/chat/completions") -> tuple[int, Any]:
    """The status and the document of a whole answer."""
    whole = reply(body, path)
    assert isinstance(whole, Whole)
    return whole.status, json.loads(whole.body)  # an independent reader


def chat(text: str = "hello", **members: Any) -> Any:
    """The answer to one question."""
    status, answer = document({"model": "sim", "messages": [{"role": "user", "content": text}], **members})
    assert status == 200
    return answer


def said(*parts: Any) -> Any:
    """A body in which a user says some parts."""
    return {"messages": [{"role": "user", "content": list(parts)}]}


REFUSED: list[tuple[Any, str | None, str | None]] = [
    (b"{nonsense", None, None),
    (b"[]", None, None),
    ({"messages": [USER]}, None, None),
    ({"model": 5, "messages": [USER]}, "model", "invalid_type"),
    ({"model": "sim"}, "messages", "missing_required_parameter"),
    ({"messages": []}, "messages", "empty_array"),
    ({"messages": "hi"}, "messages", "invalid_type"),
    ({"messages": ["hi"]}, "messages[0]", "invalid_type"),
    ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "invalid_type"),
    (said({"type": "film"}), "messages[0].content[0].type", "invalid_value"),
    (said({"type": "text"}), "messages[0].content[0].text", "missing_required_parameter"),
    (said({"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}), None, "invalid_base64"),
    ({"messages": [USER, RESULT]}, "messages.[1].role", None),
    ({"messages": [USER, ASSISTANT, {**RESULT, "tool_call_id": "c2"}]}, "messages.[2].tool_call_id", None),
    ({"messages": [USER, ASSISTANT, USER]}, "messages.[2].role", None),
    ({"messages": [USER, ASSISTANT]}, "messages.[1].role", None),
    ({"messages": [USER, ASSISTANT, RESULT, USER, RESULT]}, "messages.[4].role", None),
    ({"temperature": 3}, "temperature", "decimal_above_max_value"),
    ({"temperature": "hot"}, "temperature", "invalid_type"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"n": 1.5}, "n", "invalid_type"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"top_logprobs": 2}, "top_logprobs", None),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
    ({"stop": 5}, "stop", "invalid_type"),
    ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ({"reasoning_effort": "heroic"}, "reasoning_effort", "invalid_value"),
    ({"tools": [{"type": "web"}]}, "tools[0].type", "invalid_value"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tool_choice": "auto"}, "tool_choice", None),
    (
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
        None,
    ),
    ({"tools": [FUNCTION], "tool_choice": "sometimes"}, "tool_choice", "invalid_value"),
    ({"functions": []}, "functions", "unsupported_parameter"),
    ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
    (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema",
        "missing_required_parameter",
    ),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "odd"}}}},
        "response_format",
        None,
    ),
    (
        {
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "odd"}}}],
            "tool_choice": "required",
        },
        "tools",
        "invalid_function_parameters",
    ),
    ({"model": "sim-strict", "messages": [USER], "top_k": 3}, None, None),
    (
        {"model": "sim-strict", "messages": [USER], "response_format": {"type": "json_object"}},
        "messages",
        None,
    ),
]


@pytest.mark.parametrize(("body", "param", "code"), REFUSED, ids=lambda value: str(value)[:60])
def test_bad_requests(body: Any, param: str | None, code: str | None) -> None:
    """What OpenAI refuses is refused with 400, naming the member, in OpenAI's shape."""
    if isinstance(body, dict) and not body.keys() & {"model", "messages"}:
        body = {"model": "sim", "messages": [USER], **body}
    elif isinstance(body, dict) and body.keys() == {"messages"} and body["messages"] != [USER]:
        body = {"model": "sim", **body}
    status, answer = document(body)
    assert status == 400
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    assert (answer["error"]["type"], answer["error"]["param"], answer["error"]["code"]) == (
        "invalid_request_error",
        param,
        code,
    )


def test_the_words_of_the_pairing_errors() -> None:
    """Clients search for these sentences, so they are OpenAI's."""
    _, orphan = document({"model": "sim", "messages": [USER, RESULT]})
    _, unanswered = document({"model": "sim", "messages": [USER, ASSISTANT, USER]})
    assert orphan["error"]["message"] == (
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
    )
    assert unanswered["error"]["message"] == (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        "'tool_call_id'. The following tool_call_ids did not have response messages: c1"
    )


def test_an_unknown_member_is_left_alone() -> None:
    """Members OpenAI does not know pass, unless the model is strict."""
    assert chat(top_k=3)["object"] == "chat.completion"


def test_a_whole_answer() -> None:
    """An answer has OpenAI's members and usage that adds up."""
    answer = chat("say hi there")
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hi there", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["created"] == 1_767_225_600
    assert answer["id"].startswith("chatcmpl-")
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (10, 2, 12)


def test_long_prompts_count_as_cached() -> None:
    """What comes before the last message counts as cached from 1,024 tokens on, in steps of 128."""
    body = {"model": "sim", "messages": [{"role": "system", "content": "word " * 1300}, USER]}
    assert document(body)[1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 1280


def test_several_choices() -> None:
    """Further choices are told apart and all are counted."""
    answer = chat("say hi", n=3)
    assert [each["message"]["content"] for each in answer["choices"]] == [
        "hi",
        "hi (choice 2)",
        "hi (choice 3)",
    ]
    assert answer["usage"]["completion_tokens"] == 1 + 2 * 5


def test_max_tokens_and_stop() -> None:
    """`max_completion_tokens` and the older `max_tokens` cut; stop texts end."""
    for name in ("max_tokens", "max_completion_tokens"):
        choice = chat("count to 9", **{name: 3})["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("1 2 3", "length")
    choice = chat("count to 9", stop=" 5")["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("1 2 3 4", "stop")


def test_logprobs() -> None:
    """Each token has its log probability, its bytes and as many alternatives as asked for, likeliest first."""
    tokens = chat("say grün it", logprobs=True, top_logprobs=2)["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == "grün it"
    assert bytes(tokens[0]["bytes"]).decode() == "grün"
    for token in tokens:
        first, second = token["top_logprobs"]
        assert first["logprob"] == token["logprob"] > second["logprob"]
        assert token["logprob"] <= 0
    assert chat("say a", logprobs=True)["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


def test_reasoning() -> None:
    """Reasoning is shown and counted when asked for, by effort or by model."""
    answer = chat("hello", reasoning_effort="low")
    assert answer["choices"][0]["message"]["reasoning_content"] == "The user wrote 1 words."
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 6
    assert "reasoning_content" in chat("hello", model="sim-think")["choices"][0]["message"]
    assert "reasoning_content" not in chat("hello", reasoning_effort="none")["choices"][0]["message"]


def test_media_arrive_untouched() -> None:
    """Images, sound and files are named with size and digest."""
    data = base64.b64encode(b"abc").decode()
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    _, answer = document({"model": "sim", "messages": [{"role": "user", "content": content}]})
    seen = "3 bytes, sha256 ba7816bf"
    assert answer["choices"][0]["message"]["content"] == (
        "I received 2 images and 1 audio and 2 files: "
        f"image/png, {seen}; by URL; audio/wav, {seen}; a.pdf, application/pdf, {seen}; by id."
    )


def test_structured_output_is_valid() -> None:
    """A schema's answer is valid against it; without a schema any object will do."""
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "city": {"type": "string"}},
        "required": ["name", "city"],
        "additionalProperties": False,
    }
    text = "My name is Ada and I live in London. Who am I?"
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    person = json.loads(chat(text, response_format=form)["choices"][0]["message"]["content"])
    Draft202012Validator(schema).validate(person)
    assert person == {"name": "Ada", "city": "London"}
    loose = chat("say json", response_format={"type": "json_object"})["choices"][0]["message"]["content"]
    assert json.loads(loose) == {"answer": "json"}


def test_tool_choice() -> None:
    """None calls nothing, required and a name call, and an allowed list narrows what may be called."""
    g = {"type": "function", "function": {"name": "g"}}
    tools = [FUNCTION, g]

    def called(choice: Any, text: str = "hello") -> list[str]:
        message = chat(text, tools=tools, tool_choice=choice)["choices"][0]["message"]
        return [call["function"]["name"] for call in message.get("tool_calls", [])]

    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [g]}}
    assert called("none", "call f") == []
    assert called("auto", "call f") == ["f"]
    assert called("required") == ["f"]
    assert called({"type": "function", "function": {"name": "g"}}) == ["g"]
    assert called(allowed) == ["g"]


def test_a_tool_result_is_used() -> None:
    """After the tool has answered, so does the model."""
    _, answer = document({"model": "sim", "messages": [USER, ASSISTANT, RESULT], "tools": [FUNCTION]})
    choice = answer["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("The tool answered: 21", "stop")


def test_custom_tools() -> None:
    """A custom tool is called with free text."""
    tools = [{"type": "custom", "custom": {"name": "shell"}}]
    message = chat("shell: ls", tools=tools)["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["custom"] == {"name": "shell", "input": "shell: ls"}


def test_embedding_forms() -> None:
    """Texts and token ids are embedded, as floats or base64 of the same floats, in the wished dimension."""
    path = "/v1/embeddings"
    _, floats = document({"model": "sim", "input": ["a b", "c"], "dimensions": 8}, path)
    _, packed = document(
        {"model": "sim", "input": ["a b", "c"], "dimensions": 8, "encoding_format": "base64"}, path
    )
    assert [each["index"] for each in floats["data"]] == [0, 1]
    for one, other in zip(floats["data"], packed["data"], strict=True):
        assert one["embedding"] == array("f", base64.b64decode(other["embedding"])).tolist()
        assert len(one["embedding"]) == 8
    assert floats["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert len(document({"model": "sim", "input": "x"}, path)[1]["data"][0]["embedding"]) == 1536
    _, ids = document({"model": "sim", "input": [1, 2, 3]}, path)
    _, lists = document({"model": "sim", "input": [[1, 2, 3], [4]]}, path)
    assert ids["data"][0] == lists["data"][0]
    assert (ids["usage"]["total_tokens"], lists["usage"]["total_tokens"]) == (3, 4)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_embedding_requests(members: dict[str, Any], param: str) -> None:
    """What cannot be embedded is refused, naming the member."""
    status, answer = document({"model": "sim", **members}, "/v1/embeddings")
    assert (status, answer["error"]["param"]) == (400, param)


def test_a_rate_is_kept() -> None:
    """Over the rate there is a 429 that says when the window ends; after it, requests pass again."""
    clock = ManualClock()
    simulator = Simulator(clock.monotonic_ns, clock.unix_ns)
    body = {"model": "sim-rate-2-per-10s", "messages": [USER]}

    def ask() -> Whole:
        answer = reply(body, simulator=simulator)
        assert isinstance(answer, Whole)
        return answer

    assert [ask().status for _ in range(3)] == [200, 200, 429]
    clock.advance(7)
    refused = ask()
    assert (refused.status, ("retry-after", "3") in refused.headers) == (429, True)
    clock.advance(3)
    assert ask().status == 200
