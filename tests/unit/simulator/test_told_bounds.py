"""Bounds told in descriptions, as those write them who may not send them, are kept by Anthropic's dialect."""

import json
from typing import Any

import anthropic
import pytest
from jsonschema import Draft202012Validator
from llmgw.prompts.files import parse
from llmgw.prompts.samples import sample, sample_names
from llmgw.providers.anthropic.schema import narrowed
from llmgw.simulator.anthropic.told_bounds import with_told_bounds
from llmgw.simulator.instance import instance
from llmgw.simulator.material import Material
from llmgw.simulator.transcript import Prompt, Turn
from llmgw.types.loss import Losses
from tests.unit.simulator.test_anthropic import answered

LOUD = "Numbers 48151 and -7, and a name: Ada. Confidence and reason come later, and summary and source."


def said(schema: Any, asked: str = LOUD) -> Any:
    """The JSON that is answered."""
    form = {"format": {"type": "json_schema", "schema": schema}}
    return json.loads(answered(asked, output_config=form)["content"][0]["text"])


@pytest.mark.parametrize("name", sample_names())
def test_a_narrowed_schema_is_answered_within_the_whole_one(name: str) -> None:
    """What the gateway leaves out of a sample's schema is still kept, whatever numbers the text has."""
    schema = parse(sample(name).prompt).content.output_schema
    assert schema is not None
    losses = Losses()
    form = narrowed(schema, "", losses)
    assert losses.count
    Draft202012Validator(schema).validate(said(form))


def test_what_the_sdk_leaves_out_is_kept() -> None:
    """The vendor's own way of writing bounds is read: here a number of the text would be taken without them."""
    schema = {
        "type": "object",
        "required": ["share", "count", "word", "tags"],
        "additionalProperties": False,
        "properties": {
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "count": {"type": "integer", "description": "How many.", "maximum": -2.5},
            "word": {"type": "string", "minLength": 12},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 2}, "minItems": 3},
        },
    }
    form = anthropic.transform_schema(schema)
    unread = Material(Prompt(turns=(Turn("user", LOUD),), seed=""))
    assert not Draft202012Validator(schema).is_valid(instance(form, unread))
    Draft202012Validator(schema).validate(said(form))


def test_bounds_that_cannot_be_kept_are_passed_over() -> None:
    """They are advice: none makes a request fail that the vendor would answer."""
    for told in (
        '{"minimum": 3, "maximum": 1}',
        '{"minimum": "three"}',
        '{"pattern": "("}',
        '{"minLength": 1e9}',
    ):
        schema = {
            "type": "object",
            "required": ["word"],
            "additionalProperties": False,
            "properties": {"word": {"anyOf": [{"type": "integer", "description": f"A thing.\n\n{told}"}]}},
        }
        assert said(schema) == {"word": 48151}


@pytest.mark.parametrize(
    "description",
    [
        "",
        "{",
        "{}",
        "minimum: 3",
        '{"minimum": 3}\n\nno more',
        '{"type": "string"}',
        "{type: string}",
        "{[",
        7,
        None,
    ],
)
def test_other_descriptions_tell_nothing(description: Any) -> None:
    """Words in braces are no bounds, and no keyword but a bound is taken from them."""
    schema = {"type": "integer", "description": description}
    assert with_told_bounds(schema) == schema


def test_a_keyword_wins_over_what_is_told() -> None:
    """What the schema says itself stands."""
    schema = {"type": "array", "minItems": 1, "description": '{"minItems": 4, "maxItems": 5}'}
    assert with_told_bounds(schema) == {**schema, "maxItems": 5}
