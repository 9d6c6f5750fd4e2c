"""The JSON Schema of the settings file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from llmgw.providers.registry import ROWS
from llmgw.settings import json_schema, json_schema_text

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """A validator of the generated schema, itself checked."""
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def test_the_committed_schema_is_fresh() -> None:
    """`llmgw config schema > schemas/config.json` brings it up to date."""
    assert json_schema_text() == (ROOT / "schemas" / "config.json").read_text()


def test_the_example_fits_the_schema(validator: Draft202012Validator) -> None:
    """The example is valid as it is written, before any expansion."""
    example = (ROOT / "llmgw.example.yaml").read_text()
    validator.validate(yaml.safe_load(example))


def test_the_example_names_the_schema_for_editors() -> None:
    """Editors find the schema by the first line, relative to the file."""
    first = (ROOT / "llmgw.example.yaml").read_text().splitlines()[0]
    comment, _, path = first.partition("$schema=")
    assert comment == "# yaml-language-server: "
    assert (ROOT / path).is_file()


def _members(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, definition in schema["$defs"].items():
        for variant in (definition, *definition.get("anyOf", ())):
            for member, child in variant.get("properties", {}).items():
                yield name, member, child


def test_every_member_is_described() -> None:
    """An editor can explain each setting."""
    assert [
        (name, member) for name, member, child in _members(json_schema()) if not child.get("description")
    ] == []


def test_the_kinds_are_the_registry_rows() -> None:
    """An editor can complete `kind`."""
    kind = json_schema()["$defs"]["Provider"]["properties"]["kind"]
    assert kind["anyOf"][0]["enum"] == sorted(ROWS)


@pytest.mark.parametrize(
    "good",
    [
        {"server": {"port": "${PORT:-8080}"}},
        {"telemetry": {"propagate_to_providers": "${PROPAGATE}", "log_level": "${LEVEL}"}},
        {"aliases": {"a": {"targets": ["p/m", {"target": "p/n", "weight": 2}, "${TARGET}"]}}},
        {"providers": {"p": {"kind": "${KIND}", "api_key": None}}},
        {},
    ],
)
def test_what_loads_fits(validator: Draft202012Validator, good: Any) -> None:
    """References stand for any value, text for a target."""
    validator.validate(good)


@pytest.mark.parametrize(
    "bad",
    [
        {"sever": {}},
        {"server": {"port": 0}},
        {"server": {"port": "8080"}},
        {"auth": {"mode": "nobody"}},
        {"providers": {"p": {}}},
        {"providers": {"p": {"kind": "opnai"}}},
        {"aliases": {"a": {"targets": []}}},
        {"aliases": {"a": {"targets": ["m"]}}},
        {"aliases": {"a": {"targets": [{"target": "p/m", "weight": 0}]}}},
        [],
    ],
)
def test_what_does_not_load_does_not_fit(validator: Draft202012Validator, bad: Any) -> None:
    """An editor underlines the usual mistakes."""
    assert not validator.is_valid(bad)
