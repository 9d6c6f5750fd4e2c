"""The schema files by themselves: sound, complete, whole, and shown by examples that do what they say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import jsonschema_rs
import msgspec
import pytest
from jsonschema import Draft202012Validator
from llmgw.context.protocol import FILES, KINDS, Kind, documents, fits, schemas, violations
from llmgw.types import json
from llmgw.types.context import ContextInfo, Parent, Policy, StateDoc
from llmgw.types.message import Part, Seal
from llmgw.types.preservation import Counts, PartLoss, Report, ReportRecord, TokenFacts
from llmgw.types.turn import Binding, Compaction, Origin, RawAnswer, Turn
from llmgw.types.verification import Finding, SessionBranch, SessionCheck, SessionReport
from llmgw.types.violation import Problem, Violation
from msgspec import Struct
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from tests.unit.context.documents import is_read

ROOT: Final = Path(__file__).parents[3] / "schemas" / "context" / "1"
EXAMPLES: Final = ROOT / "examples"

SHAPES: Final[dict[str, type[Struct]]] = {
    "context": ContextInfo,
    "context/parent": Parent,
    "turn": Turn,
    "turn/binding": Binding,
    "turn/compaction": Compaction,
    "turn/raw_answer": RawAnswer,
    "turn/origin": Origin,
    "part/seal": Seal,
    **{f"part/{part.__struct_config__.tag}": part for part in get_args(Part)},
    "state": StateDoc,
    "policy": Policy,
    "report": Report,
    "report/record": ReportRecord,
    "report/counts": Counts,
    "report/loss": PartLoss,
    "report/token_facts": TokenFacts,
    "session": SessionReport,
    "session/branch": SessionBranch,
    "session/check": SessionCheck,
    "session/finding": Finding,
    "problem": Problem,
    "common/violation": Violation,
}
"""Which schema is which struct."""

each_file = pytest.mark.parametrize("name", FILES)


def _examples(verdict: str) -> pytest.MarkDecorator:
    paths = sorted((EXAMPLES / verdict).glob("*/*.json"))
    return pytest.mark.parametrize("path", paths, ids=lambda path: f"{path.parent.name}/{path.stem}")


def _kind(path: Path) -> Kind:
    (kind,) = (kind for kind in KINDS if kind == path.parent.name)
    return kind


def _nodes(schema: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a schema that is a schema itself, and where it is."""
    if isinstance(schema, dict):
        yield pointer, schema
        for keyword, value in schema.items():
            if keyword in {"properties", "$defs", "dependentSchemas"}:
                for name, child in value.items():
                    yield from _nodes(child, f"{pointer}/{keyword}/{name}")
            elif keyword in {"allOf", "anyOf", "oneOf", "prefixItems"}:
                for place, child in enumerate(value):
                    yield from _nodes(child, f"{pointer}/{keyword}/{place}")
            elif keyword in {"items", "if", "then", "else", "not", "propertyNames", "additionalProperties"}:
                yield from _nodes(value, f"{pointer}/{keyword}")


def test_the_files_are_those_that_are_loaded() -> None:
    """No schema file is forgotten."""
    assert {path.stem for path in ROOT.glob("*.json")} == set(FILES) == set(schemas())


@each_file
def test_a_schema_is_a_schema(name: str) -> None:
    """Each file is JSON Schema 2020-12, says so, and is named by its URN."""
    schema = schemas()[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:llmgw:context:1:{name}"
    Draft202012Validator.check_schema(schema)
    assert jsonschema_rs.meta.is_valid(schema)


@each_file
def test_no_reference_leads_elsewhere(name: str) -> None:
    """Every `$ref` leads to something in these files."""
    registry: Registry[Any] = Registry[Any]().with_resources(
        (schema["$id"], DRAFT202012.create_resource(schema)) for schema in schemas().values()
    )
    resolver = registry.resolver(schemas()[name]["$id"])
    references = [node["$ref"] for _, node in _nodes(schemas()[name]) if "$ref" in node]
    for reference in references:
        urn, _, _ = reference.partition("#")
        assert urn in {"", *documents()}
        assert isinstance(resolver.lookup(reference).contents, dict)


@each_file
def test_everything_is_explained(name: str) -> None:
    """Each document and definition has a title and a description, each member a description."""
    silent = [
        pointer
        for pointer, node in _nodes(schemas()[name])
        if re.fullmatch(r"(/\$defs/\w+)?(/properties/\w+)?", pointer)
        and not ("description" in node and ("/properties/" in pointer or "title" in node))
    ]
    assert silent == []


@each_file
def test_what_is_an_object_is_closed_and_what_is_a_list_holds_what_has_a_name(name: str) -> None:
    """No object with members takes others, but for problems; items are references, which are judged one by one."""
    for pointer, node in _nodes(schemas()[name]):
        tagged = "dependentSchemas" in node
        if (
            node.get("type") == "object"
            and "properties" in node
            and not tagged
            and node["title"] != "Problem"
        ):
            assert node.get("additionalProperties") is False, pointer
        if "items" in node:
            assert set(node["items"]) == {"$ref"}, pointer


@each_file
def test_examples_in_a_schema_fit_it(name: str) -> None:
    """Each of `examples`, and each `default`, fits where it stands."""
    registry = jsonschema_rs.Registry(list(documents().items()))
    document = documents()[f"urn:llmgw:context:1:{name}"]
    seen = 0
    for _, node in _nodes(document):
        values = [*node.get("examples", ()), *([node["default"]] if "default" in node else ())]
        validator = jsonschema_rs.Draft202012Validator(
            {key: value for key, value in node.items() if key != "$id"}, registry=registry
        )
        assert [value for value in values if not validator.is_valid(value)] == []
        seen += len(values)
    assert seen > 1


@pytest.mark.parametrize("place", SHAPES)
def test_members_and_defaults_are_those_of_the_struct(place: str) -> None:
    """Both have the same members, need the same, and mean the same by one that is left out."""
    name, _, definition = place.partition("/")
    schema = schemas()[name]["$defs"][definition] if definition else schemas()[name]
    struct = SHAPES[place]
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    tagged = ["type"] if struct.__struct_config__.tag else []
    assert list(schema["properties"]) == [*tagged, *fields]
    assert set(schema.get("required", ())) == {
        *tagged,
        *(name for name, field in fields.items() if field.required),
    }
    defaults = {name: _default(field) for name, field in fields.items() if not field.required}
    assert json.decode(json.encode(defaults)) == {
        name: member["default"] for name, member in schema["properties"].items() if "default" in member
    }


def test_every_object_is_compared_with_its_struct() -> None:
    """No schema with members is forgotten above, but for the two that only tell kinds of parts apart."""
    described = {
        name if not pointer else f"{name}/{pointer.removeprefix('/$defs/')}"
        for name, schema in schemas().items()
        for pointer, node in _nodes(schema)
        if "properties" in node and re.fullmatch(r"(/\$defs/\w+)?", pointer)
    }
    assert described == {*SHAPES, "part", "part/content"}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


@_examples("valid")
def test_valid_examples_are_valid(path: Path) -> None:
    """The schema and the struct take it."""
    written = path.read_bytes()
    assert violations(_kind(path), json.decode(written)) == ()
    assert fits(_kind(path), json.decode(written))
    assert is_read(_kind(path), written)


@_examples("invalid")
def test_invalid_examples_break_the_rule_in_their_name(path: Path) -> None:
    """The schema and the struct refuse it, and the one thing that is wrong is the one that the name says."""
    written = path.read_bytes()
    assert not fits(_kind(path), json.decode(written))
    (violation,) = violations(_kind(path), json.decode(written))
    assert violation.rule == f"schema.{path.stem.partition('.')[0]}"
    assert not is_read(_kind(path), written)


@_examples("refused")
def test_refused_examples_show_what_no_schema_can_say(path: Path) -> None:
    """The schema takes it, and the gateway does not."""
    written = path.read_bytes()
    assert fits(_kind(path), json.decode(written))
    assert not is_read(_kind(path), written)


def test_every_kind_is_shown() -> None:
    """There are several valid and many invalid examples of each kind, and of each part."""
    for kind in KINDS:
        assert len(list((EXAMPLES / "valid" / kind).iterdir())) >= 3
        assert len(list((EXAMPLES / "invalid" / kind).iterdir())) >= 10
    shown = {json.decode(path.read_bytes())["type"] for path in (EXAMPLES / "valid" / "part").iterdir()}
    assert shown == {struct.__struct_config__.tag for struct in get_args(Part)}
