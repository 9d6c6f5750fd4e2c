"""The samples: each is a prompt that can be served, with examples and cases that fit what it says."""

import json

import pytest
from llmgw.prompts.files import parse, write
from llmgw.prompts.gates.assertions import FitsSchema
from llmgw.prompts.gates.dataset import read_lines
from llmgw.prompts.rendering import scan
from llmgw.prompts.rendering.compiled import CompiledPrompt, compile_prompt
from llmgw.prompts.samples import sample, sample_names
from llmgw.types.message import Message, TextPart
from llmgw.types.prompt import PromptContent

pytestmark = pytest.mark.parametrize("name", sample_names())


def content_of(name: str) -> PromptContent:
    """What a sample says."""
    return parse(sample(name)[0]).content


def compiled(name: str) -> CompiledPrompt:
    """A sample, ready to be rendered."""
    return compile_prompt(content_of(name))


def text_of(message: Message) -> str:
    """The one text of a message."""
    (part,) = message.parts
    assert isinstance(part, TextPart)
    return part.text


def test_it_is_a_whole_prompt(name: str) -> None:
    """It is called as its file is, is an API, bounds what goes in, and comes back from its own file."""
    parsed = parse(sample(name)[0])
    assert parsed.name == name
    assert parse(write(name, parsed.content)) == parsed
    api, schema, output = parsed.content.api, parsed.content.input_schema, parsed.content.output_schema
    assert api is not None
    assert schema is not None
    assert output is not None
    assert api.slug == name
    assert schema["additionalProperties"] is output["additionalProperties"] is False
    assert scan.variables(parsed.content) == schema["properties"].keys()


def test_its_examples_fit(name: str) -> None:
    """What the API's description shows can be asked, and is an answer; so is what the model is shown."""
    prompt = compiled(name)
    api = prompt.content.api
    assert api is not None
    assert len(api.examples) >= 2
    for example in api.examples:
        prompt.render(example.input)
        assert prompt.check_output(json.dumps(example.output))[1] == ()
    for message in prompt.content.messages:
        if message.role == "assistant":
            assert prompt.check_output(message.text)[1] == ()


def test_its_cases_can_be_run(name: str) -> None:
    """There are enough of them to prove something; each fits the input schema, and the answer must fit its own."""
    prompt = compiled(name)
    tests = prompt.content.tests
    assert tests is not None
    assert tests.dataset == f"{name}.jsonl"
    dataset = read_lines(sample(name)[1])
    assert len(dataset.cases) >= 24
    assert len({case.name for case in dataset.cases}) == len(dataset.cases)
    for case in dataset.cases:
        rendered = prompt.render(case.vars)
        assert text_of(rendered.before[-1]) == case.vars.get("text", case.vars.get("feedback"))
        assert isinstance(case.assertions[0], FitsSchema)
        assert len(case.assertions) >= 2


def test_its_instructions_read_well(name: str) -> None:
    """No tag, no blank run and no trailing space is left in what the model is told."""
    prompt = compiled(name)
    for line in sample(name)[1].splitlines():
        told = text_of(prompt.render(json.loads(line)["vars"]).before[0])
        assert "{%" not in told
        assert "\n\n\n" not in told
        assert not any(each != each.rstrip() for each in told.splitlines())
