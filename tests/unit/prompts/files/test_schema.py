"""`schemas/prompt.json`: what editors check a front matter against is what the reader takes."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator
from llmgw.prompts.files import parse
from llmgw.prompts.files.front_matter import split_front_matter
from llmgw.prompts.files.reading import Head
from llmgw.prompts.files.schema import json_schema, json_schema_text
from llmgw.prompts.samples import sample, sample_names
from llmgw.types.prompt_errors import InvalidPrompt

ROOT = Path(__file__).parents[4]
VALIDATOR = Draft202012Validator(json_schema())


def test_the_schema_is_the_committed_one() -> None:
    """Whoever changes the format writes the schema anew: `llmgw prompts schema > schemas/prompt.json`."""
    assert json_schema_text() == (ROOT / "schemas" / "prompt.json").read_text()


def test_every_member_is_described() -> None:
    """An editor can explain each member."""
    definitions = json_schema()["$defs"]
    assert [
        (name, member)
        for name, definition in definitions.items()
        for member, child in definition["properties"].items()
        if not child.get("description")
    ] == []


@pytest.mark.parametrize("name", sample_names())
def test_the_samples_fit(name: str) -> None:
    """What the reader takes, the schema takes: also where patterns are those of JavaScript, as in editors."""
    members = split_front_matter(sample(name)[0]).members
    VALIDATOR.validate(members)
    jsonschema_rs.Draft202012Validator(json_schema()).validate(members)


@pytest.mark.parametrize(
    "members",
    [
        {"modle": "x"},
        {"name": "A b"},
        {"name": ""},
        {"config": {"temperature": 3}},
        {"config": {"heat": 1}},
        {"config": {"max_tokens": 0}},
        {"config": []},
        {"input": {"type": "object"}},
        {"input": {"schema": []}},
        {"tools": [{"description": "no name"}]},
        {"tool_choice": 1},
        {"api": {}},
        {"api": {"slug": "A"}},
        {"api": {"slug": "a", "major": 0}},
        {"api": {"slug": "a", "examples": [{"output": 1}]}},
        {"tests": {"cases": [1]}},
        {"tests": {"gate": {"min_pass": 2}}},
        {"tests": {"prices": {"input": 1}}},
        {"metadata": []},
        {"messages": [{"role": "tool", "text": "x"}]},
        {"history": -1},
        {"partial": 1},
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(members: dict[str, Any]) -> None:
    """An editor marks what the gateway would not take."""
    front = {"name": "a", **members}
    assert not VALIDATOR.is_valid(front)
    with pytest.raises(InvalidPrompt):
        parse(f"---\n{yaml.safe_dump(front)}---\nuser:\nx\n")


def test_the_schema_knows_all_members() -> None:
    """None is missing, and none is made up."""
    assert set(json_schema()["$defs"]["Head"]["properties"]) == {
        each.name for each in msgspec.structs.fields(Head)
    }
