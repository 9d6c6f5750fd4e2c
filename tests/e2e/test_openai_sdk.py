"""The official OpenAI SDK against the running gateway: change `base_url`, nothing else."""

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel
from tests.running import RunningGateway

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "say hello there"}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Person(BaseModel):
    """What structured output is parsed into."""

    name: str
    age: int


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """The stock client."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as made:
        yield made


def test_a_call_is_answered(client: openai.OpenAI) -> None:
    """A plain call returns a typed completion with text, finish reason and usage."""
    completion = client.chat.completions.create(model="demo", messages=HELLO)
    assert "hello there" in (completion.choices[0].message.content or "").lower()
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert (
        completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )


def test_history_reaches_the_model(client: openai.OpenAI) -> None:
    """What was said earlier in the conversation is there for the model to answer from."""
    messages: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "What is my name?"},
    ]
    told = client.chat.completions.create(model="demo", messages=messages)
    untold = client.chat.completions.create(model="demo", messages=messages[2:])
    assert "Ada" in (told.choices[0].message.content or "")
    assert "Ada" not in (untold.choices[0].message.content or "")


def test_provider_slash_model_is_a_name(client: openai.OpenAI) -> None:
    """A caller may name a provider's model directly."""
    raw = client.chat.completions.with_raw_response.create(model="backup/sim", messages=HELLO)
    assert raw.headers["x-llmgw-target"] == "backup/sim"


def test_a_stream_arrives_in_pieces_with_usage(client: openai.OpenAI) -> None:
    """Chunks share one id, and usage comes last because it was asked for."""
    stream = client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "count to 5"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert len([text for text in texts if text]) > 1
    assert "5" in "".join(texts)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


def test_usage_is_kept_from_a_stream_that_did_not_ask(client: openai.OpenAI) -> None:
    """The gateway asks the provider for usage, and keeps it from callers who did not."""
    stream = client.chat.completions.create(model="demo", messages=HELLO, stream=True)
    assert all(chunk.usage is None and chunk.choices for chunk in stream)


def test_the_streaming_helper_accumulates(client: openai.OpenAI) -> None:
    """The SDK's stream helper rebuilds the same completion that a whole call returns."""
    with client.chat.completions.stream(model="demo", messages=HELLO) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion()
    whole = client.chat.completions.create(model="demo", messages=HELLO)
    assert whole.choices[0].message.content == streamed.choices[0].message.content
    assert streamed.choices[0].finish_reason == "stop"


def test_a_tool_call_goes_there_and_back(client: openai.OpenAI) -> None:
    """The model's call carries parseable arguments, and the tool's result reaches it in turn."""
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    asked = client.chat.completions.create(model="demo", messages=messages, tools=[WEATHER])
    assert asked.choices[0].finish_reason == "tool_calls"
    calls = asked.choices[0].message.tool_calls or []
    assert [(c.type, c.function.name) for c in calls if c.type == "function"] == [("function", "get_weather")]
    messages.append(asked.choices[0].message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": '{"celsius": 21}'})
    answered = client.chat.completions.create(model="demo", messages=messages, tools=[WEATHER])
    assert "21" in (answered.choices[0].message.content or "")


def test_parallel_tool_calls_stream(client: openai.OpenAI) -> None:
    """Two calls of one answer keep their indexes, ids and arguments through a stream."""
    with client.chat.completions.stream(
        model="demo",
        messages=[{"role": "user", "content": "What is the weather in Paris and Rome?"}],
        tools=[WEATHER],
    ) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    calls = message.tool_calls or []
    assert [call.function.arguments.replace(" ", "") for call in calls] == [
        '{"city":"Paris"}',
        '{"city":"Rome"}',
    ]
    assert len({call.id for call in calls}) == 2


def test_parse_gives_a_typed_answer(client: openai.OpenAI) -> None:
    """`.parse()` sends a strict JSON Schema and reads the answer into the caller's own type."""
    completion = client.chat.completions.parse(
        model="demo",
        messages=[{"role": "user", "content": "My name is Ada and my age is 36."}],
        response_format=Person,
    )
    assert Person(name="Ada", age=36) == completion.choices[0].message.parsed


def test_several_choices_and_logprobs(client: openai.OpenAI) -> None:
    """`n` answers come back in order, each with its logprobs."""
    completion = client.chat.completions.create(
        model="demo", messages=HELLO, n=2, logprobs=True, top_logprobs=1
    )
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert all(choice.logprobs and choice.logprobs.content for choice in completion.choices)


def test_embeddings_decode_from_base64(client: openai.OpenAI) -> None:
    """The SDK asks for base64 by itself and gets floats of the wished dimensions."""
    answer = client.embeddings.create(model="sim/sim", input=["one", "two"], dimensions=8)
    assert [(item.index, len(item.embedding)) for item in answer.data] == [(0, 8), (1, 8)]


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    """Aliases are models; a name with a slash is one name."""
    assert "demo" in [model.id for model in client.models.list()]
    assert client.models.retrieve("demo").id == "demo"
    assert client.models.retrieve("sim/anything/at-all").id == "sim/anything/at-all"


def test_raw_headers_tell_what_happened(client: openai.OpenAI) -> None:
    """Every answer names its request, its call, its target and its attempts."""
    raw = client.chat.completions.with_raw_response.create(
        model="told", messages=HELLO, extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.headers["x-llmgw-call-id"].startswith("call_")
    assert (raw.headers["x-llmgw-target"], raw.headers["x-llmgw-attempts"]) == ("backup/sim", "2")


def test_errors_have_their_sdk_classes(gateway: RunningGateway, client: openai.OpenAI) -> None:
    """Each refusal becomes the SDK's own exception, with our code."""
    with openai.OpenAI(base_url=gateway.url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as unauthorised:
            stranger.chat.completions.create(model="demo", messages=HELLO)
        assert unauthorised.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="no-such", messages=HELLO)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as empty:
        client.chat.completions.create(model="demo", messages=[])
    assert empty.value.param == "messages"
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="sim/sim-fail-429", messages=HELLO)
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="both-fail", messages=HELLO)
    assert (failed.value.status_code, failed.value.code) == (502, "provider_error")


def test_a_broken_stream_raises_and_never_looks_whole(client: openai.OpenAI) -> None:
    """A stream cut by the provider ends in an error after its pieces, not in silence."""
    pieces: list[str] = []
    stream = client.chat.completions.create(
        model="sim/sim-cut-after-3", messages=[{"role": "user", "content": "count to 20"}], stream=True
    )
    with pytest.raises(openai.APIError) as broken:
        pieces.extend(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    assert "".join(pieces)
    assert broken.value.code == "stream_interrupted"


def test_the_sdks_own_retries_work(gateway: RunningGateway) -> None:
    """A retryable refusal makes the SDK come back by itself and succeed."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=3) as client:
        model = "sim/sim-fail-503-times-3"
        completion = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "say retried by the client"}]
        )
    assert "retried" in (completion.choices[0].message.content or "")


def test_a_client_timeout_is_the_clients(gateway: RunningGateway) -> None:
    """A client that gives up gets its own timeout, and the gateway goes on serving."""
    with (
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=0.5) as hasty,
        pytest.raises(openai.APITimeoutError),
    ):
        hasty.chat.completions.create(model="sim/sim-hang", messages=HELLO)
    assert gateway.chat("demo").status == 200


def test_async_client_runs_calls_side_by_side(gateway: RunningGateway) -> None:
    """The async client gets every one of many concurrent answers, streamed and whole."""

    async def whole(client: openai.AsyncOpenAI, number: int) -> str:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"say number {number}"}]
        completion = await client.chat.completions.create(model="demo", messages=messages)
        return completion.choices[0].message.content or ""

    async def streamed(client: openai.AsyncOpenAI, number: int) -> str:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"say number {number}"}]
        pieces = []
        async for chunk in await client.chat.completions.create(model="demo", messages=messages, stream=True):
            pieces += [choice.delta.content or "" for choice in chunk.choices]
        return "".join(pieces)

    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
            return await asyncio.gather(
                *(ask(client, number) for number in range(20) for ask in (whole, streamed))
            )

    answers = asyncio.run(run())
    assert all(f"number {index // 2}" in answer for index, answer in enumerate(answers))
