"""The official OpenAI SDK against the simulator."""

import asyncio
from typing import Any

import openai
import pytest
from llmgw.simulator.thread import SimulatorThread
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def test_chat_recalls_the_conversation(client: OpenAI) -> None:
    """A conversation is answered from its own history."""
    answer = client.chat.completions.create(
        model="sim",
        messages=[
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "What is my name?"},
        ],
    )
    assert answer.choices[0].message.content == "Your name is Ada."
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_and_whole_agree(client: OpenAI) -> None:
    """A stream has the text, the reasoning, the finish and the usage of the whole answer."""
    ask: dict[str, Any] = {"model": "sim-think", "messages": [{"role": "user", "content": "count to 12"}]}
    whole = client.chat.completions.create(**ask)
    text, reasoning, finish, usage = "", "", None, None
    with client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}) as stream:
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reasoning += getattr(choice.delta, "reasoning_content", None) or ""
                finish = choice.finish_reason or finish
    message = whole.choices[0].message
    assert text == message.content == "1 2 3 4 5 6 7 8 9 10 11 12"
    assert reasoning == getattr(message, "reasoning_content", None)
    assert finish == whole.choices[0].finish_reason
    assert usage == whole.usage


def test_streaming_helper_with_several_choices(client: OpenAI) -> None:
    """The SDK's own accumulator puts interleaved choices with log probabilities together."""
    with client.chat.completions.stream(
        model="sim", messages=[{"role": "user", "content": "say one two"}], n=2, logprobs=True
    ) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_completion()
    assert [choice.message.content for choice in answer.choices] == ["one two", "one two (choice 2)"]
    logprobs = answer.choices[1].logprobs
    assert logprobs is not None
    assert "".join(token.token for token in logprobs.content or []) == "one two (choice 2)"


@pytest.mark.parametrize("stream", [True, False])
def test_tools_there_and_back(client: OpenAI, *, stream: bool) -> None:
    """Two parallel calls, streamed or not, are answered and used."""
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris and Rome?"}]
    if stream:
        with client.chat.completions.stream(model="sim", messages=messages, tools=[TOOL]) as running:
            message: Any = running.get_final_completion().choices[0].message
    else:
        message = (
            client.chat.completions.create(model="sim", messages=messages, tools=[TOOL]).choices[0].message
        )
    calls = message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city":"Paris"}', '{"city":"Rome"}']
    asked = [{"id": call.id, "type": "function", "function": call.function.model_dump()} for call in calls]
    messages.append({"role": "assistant", "content": None, "tool_calls": asked})
    for call, result in zip(calls, ("sun", "rain"), strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    answer = client.chat.completions.create(model="sim", messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == "The tools answered: sun; rain"


class Pet(BaseModel):
    """One animal."""

    name: str
    age: int


class Owner(BaseModel):
    """Nested, optional and listed members."""

    name: str
    city: str | None
    pets: list[Pet]


def test_parse_structured_output(client: OpenAI) -> None:
    """`.parse()` gets a model whose members come from the text."""
    answer = client.chat.completions.parse(
        model="sim",
        messages=[{"role": "user", "content": "My name is Ada and I live in London."}],
        response_format=Owner,
    )
    parsed = answer.choices[0].message.parsed
    assert parsed is not None
    assert (parsed.name, parsed.city) == ("Ada", "London")
    assert len(parsed.pets) == 1


def test_embeddings(client: OpenAI) -> None:
    """The SDK's default base64 vectors are those asked for as floats."""
    packed = client.embeddings.create(model="sim", input=["red cat", "blue dog"], dimensions=32)
    floats = client.embeddings.create(
        model="sim", input=["red cat", "blue dog"], dimensions=32, encoding_format="float"
    )
    for one, other in zip(packed.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)


def test_models(client: OpenAI) -> None:
    """Models are listed, and one can be looked up by any name that its knobs understand."""
    assert "sim" in [model.id for model in client.models.list()]
    assert client.models.retrieve("sim-ttft-5ms").id == "sim-ttft-5ms"


ERRORS: list[tuple[str, type[openai.APIError]]] = [
    ("sim-fail-400", openai.BadRequestError),
    ("sim-auth-401", openai.AuthenticationError),
    ("sim-nonsense", openai.NotFoundError),
    ("sim-fail-429", openai.RateLimitError),
    ("sim-fail-503", openai.InternalServerError),
    ("sim-reset", openai.APIConnectionError),
]


@pytest.mark.parametrize(("model", "error"), ERRORS)
def test_errors_are_the_sdks_own(client: OpenAI, model: str, error: type[openai.APIError]) -> None:
    """Each failure is the SDK's error for it."""
    with pytest.raises(error):
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


def test_error_in_stream_is_raised(client: OpenAI) -> None:
    """An error event in a stream is an error of the SDK."""
    messages: Any = [{"role": "user", "content": "count to 9"}]
    with (
        client.chat.completions.create(model="sim-error-in-stream", messages=messages, stream=True) as stream,
        pytest.raises(openai.APIError, match="as asked for"),
    ):
        list(stream)


def test_the_sdk_retries_what_fails_once(simulator: SimulatorThread) -> None:
    """A model that fails once is answered at the SDK's second attempt."""
    with OpenAI(base_url=simulator.base_url, api_key="x", max_retries=1) as client:
        answer = client.chat.completions.create(
            model="sim-fail-500-once", messages=[{"role": "user", "content": "say done"}]
        )
    assert answer.choices[0].message.content == "done"
    assert len(simulator.simulator.log.entries()) == 2


def test_many_at_once(simulator: SimulatorThread) -> None:
    """Concurrent streams each get their own answer."""

    async def one(client: AsyncOpenAI, number: int) -> str:
        messages: Any = [{"role": "user", "content": f"say number {number}"}]
        text = ""
        async with await client.chat.completions.create(
            model="sim", messages=messages, stream=True
        ) as stream:
            async for chunk in stream:
                text += chunk.choices[0].delta.content or ""
        return text

    async def all_of_them() -> list[str]:
        async with AsyncOpenAI(base_url=simulator.base_url, api_key="x", max_retries=0) as client:
            return await asyncio.gather(*(one(client, number) for number in range(20)))

    assert asyncio.run(all_of_them()) == [f"number {number}" for number in range(20)]
