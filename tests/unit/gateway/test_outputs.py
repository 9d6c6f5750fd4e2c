"""Answers held against an output schema: noted of ordinary calls, enforced of APIs, mended once where asked for."""

import asyncio
import json
from typing import Any

import pytest
from llmgw.gateway.outputs import InTime, ends_at, judged
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types.call import Call
from llmgw.types.completion import Choice, Completion
from llmgw.types.errors import DeadlineExceeded, ProviderFailed
from llmgw.types.invocation import CallOptions, ChatInvocation
from llmgw.types.message import Message, ReasoningPart, TextPart
from llmgw.types.prompt import PromptContent, PromptRef
from llmgw.types.prompt_errors import OutputViolation
from llmgw.types.target import Timeouts
from msgspec.structs import replace
from tests.published_prompts import content
from tests.traced_calls import prompted
from tests.unit.routing.targets import target as a_target

SCHEMA = {"type": "object", "required": ["mood"], "properties": {"mood": {"enum": ["good", "bad"]}}}


def answer(text: str) -> Completion:
    """A model's answer, which thought before."""
    parts = (ReasoningPart(text="hm"), TextPart(text=text))
    return Completion(
        id="a",
        model="m",
        created=1,
        choices=(Choice(index=0, message=Message(role="assistant", parts=parts)),),
    )


def version(*, repair: bool = False, schema: Any = SCHEMA) -> PromptContent:
    """A version that is an API."""
    return content(("user", "x"), model="m", api={"slug": "mood", "repair": repair}, output_schema=schema)


class Model:
    """Gives the next answer, and keeps what it was asked; an error is raised."""

    def __init__(self, *answers: Completion | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[ChatInvocation] = []

    async def ask(self, invocation: ChatInvocation) -> Completion:
        """See `Ask`."""
        self.asked.append(invocation)
        given = self.answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given


def held(
    text: str, of: PromptContent, model: Model | None = None, *, slug: str = "mood"
) -> tuple[Completion, Call]:
    """Hold an answer against a version."""
    ref = PromptRef(slug=slug, name="" if slug else "mood")
    asked = ChatInvocation(
        model="m",
        wire="openai",
        messages=(Message(role="user", parts=(TextPart(text="x"),)),),
        options=CallOptions(prompt=ref, tags=("t",)),
    )
    call = Call(
        id="call_1",
        request_id="r",
        endpoint="/v1/apis/{slug}",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        started_ns=0,
        started_unix_ns=0,
        prompt=prompted(output=""),
    )
    judgement = judged(answer(text), asked, compile_prompt(of), call, (model or Model()).ask)
    return asyncio.run(judgement), call


def output(call: Call) -> str:
    """What was noted."""
    assert call.prompt is not None
    return call.prompt.output


def test_what_fits_is_told_as_json_alone() -> None:
    """Without what the model thought, and without blanks around it."""
    completion, call = held('  {"mood": "good"}\n', version())
    assert completion.text == '{"mood":"good"}'
    assert [type(part) for part in completion.choices[0].message.parts] == [TextPart]
    assert output(call) == "valid"


@pytest.mark.parametrize("text", ['{"mood": "so-so"}', "good", '{"mood": "good"', ""])
def test_what_does_not_fit_is_no_answer_of_an_api(text: str) -> None:
    """The error names the call, whose answer the log and the trace know."""
    with pytest.raises(OutputViolation, match="call_1") as refused:
        held(text, version())
    assert refused.value.violations
    assert refused.value.status == 502


def test_the_model_is_shown_once_what_is_wrong() -> None:
    """Its answer and the violations as they are: they are not rendered, nor is a prompt asked for again."""
    model = Model(answer('{"mood": "bad"}'))
    completion, call = held('{"mood": "{{ 7 * 7 }}"}', version(repair=True), model)
    assert completion.text == '{"mood":"bad"}'
    assert output(call) == "repaired"
    (asked,) = model.asked
    assert asked.options == CallOptions(tags=("t",))
    roles = [
        (each.role, part.text) for each in asked.messages for part in each.parts if isinstance(part, TextPart)
    ]
    assert roles[:2] == [("user", "x"), ("assistant", '{"mood": "{{ 7 * 7 }}"}')]
    _, _, data = roles[2][1].partition("as data: ")
    assert [each["pointer"] for each in json.loads(data)] == ["/mood"]


def test_it_is_shown_no_second_time() -> None:
    """What does not fit then is no answer."""
    model = Model(answer("still no JSON"), answer('{"mood": "bad"}'))
    with pytest.raises(OutputViolation):
        held("no JSON", version(repair=True), model)
    assert len(model.asked) == 1


def test_a_model_that_fails_while_it_mends_fails_the_call() -> None:
    """With its own error; the answer before counts as one that did not fit."""
    with pytest.raises(ProviderFailed):
        held("no JSON", version(repair=True), Model(ProviderFailed("down")))


@pytest.mark.parametrize(("text", "noted"), [('{"mood": "good"}', "valid"), ("no JSON", "invalid")])
def test_an_ordinary_call_gets_what_the_model_said(text: str, noted: str) -> None:
    """Whether it fits is noted for the publisher."""
    model = Model()
    completion, call = held(text, version(repair=True), model, slug="")
    assert completion == answer(text)
    assert (output(call), model.asked) == (noted, [])


def test_an_api_without_an_output_schema_answers_with_text() -> None:
    """In one member, so that others may come."""
    completion, call = held("so-so", version(schema=None))
    assert json.loads(completion.text) == {"text": "so-so"}
    assert output(call) == ""


def test_what_mends_has_the_time_that_the_call_has_left() -> None:
    """One bound covers both attempts, the caller's or the target's; nobody is asked once it is over."""
    model = Model(answer("{}"))
    now_ns = [0]
    target = replace(a_target(), timeouts=Timeouts(total_s=2.0))
    invocation = ChatInvocation(model="m", wire="openai", messages=(), options=CallOptions(timeout_ms=1500))
    assert ends_at(1_000, replace(invocation, options=CallOptions()), target) == 2_000_001_000
    ask = InTime(model.ask, lambda: now_ns[0], ends_at(0, invocation, target))
    now_ns[0] = 1_100_000_000
    asyncio.run(ask(invocation))
    assert model.asked[0].options.timeout_ms == 400
    now_ns[0] = 1_500_000_000
    with pytest.raises(DeadlineExceeded, match="no time is left"):
        asyncio.run(ask(invocation))
    assert len(model.asked) == 1
