"""Instances of JSON Schemas, checked by an independent validator."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from llmgw.simulator.instance import NoInstance, instance
from llmgw.simulator.material import Material
from llmgw.simulator.transcript import Prompt, Turn
from llmgw.types.json import Json

NOTHING = Material(Prompt(turns=(), seed=""))


def material(text: str) -> Material:
    """What one user message offers."""
    return Material(Prompt(turns=(Turn("user", text),), seed=""))


_words = st.sampled_from(["name", "city", "age", "tags", "when", "x"])


def _bounds(low: str, high: str, most: int) -> st.SearchStrategy[dict[str, int]]:
    pair = st.tuples(st.integers(0, most), st.integers(0, most)).map(sorted)
    both = pair.map(lambda each: {low: each[0], high: each[1]})
    return st.one_of(
        st.just({}), both, both.map(lambda each: {low: each[low]}), both.map(lambda each: {high: each[high]})
    )


def _number(kind: str) -> st.SearchStrategy[Json]:
    low, high = st.integers(-50, 50), st.integers(52, 90)
    keys = st.sampled_from([("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")])
    bounds = st.tuples(keys, low, high).map(lambda each: {each[0][0]: each[1], each[0][1]: each[2]})
    step = st.sampled_from([{}, {"multipleOf": 1}])
    return st.tuples(st.one_of(st.just({}), bounds), step).map(
        lambda each: {"type": kind, **each[0], **each[1]}
    )


_leaves = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({}),
    _number("integer"),
    _number("number"),
    _bounds("minLength", "maxLength", 8).map(lambda each: {"type": "string", **each}),
    st.sampled_from(["date", "date-time", "email", "uuid", "ipv4", "uri"]).map(
        lambda each: {"type": "string", "format": each}
    ),
    st.sampled_from(
        ["^[A-Z]{3}$", r"^\d{4}-\d{2}$", "^(red|green)+$", "[^a-z]", r"^#?[0-9a-f]{6}$", "^a.*b$"]
    ).map(lambda each: {"type": "string", "pattern": each}),
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)), min_size=1).map(
        lambda each: {"enum": each}
    ),
    st.one_of(st.integers(), st.text(max_size=4)).map(lambda each: {"const": each}),
    st.just({"type": ["string", "null"], "minLength": 2}),
)


def _deeper(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    members = st.dictionaries(_words, inner, max_size=3)
    objects = st.tuples(members, st.booleans(), st.booleans()).map(
        lambda each: {
            "type": "object",
            "properties": each[0],
            **({"required": sorted(each[0])} if each[1] else {}),
            "additionalProperties": each[2],
        }
    )
    arrays = st.tuples(inner, _bounds("minItems", "maxItems", 4)).map(
        lambda each: {"type": "array", "items": each[0], **each[1]}
    )
    either = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects,
        arrays,
        either.map(lambda each: {"anyOf": each}),
        either.map(lambda each: {"allOf": each[:1]}),
    )


schemas = st.recursive(_leaves, _deeper, max_leaves=8)


@settings(max_examples=300)
@given(schemas, st.text(max_size=20))
def test_instances_are_valid(schema: Json, text: str) -> None:
    """Whatever a satisfiable schema asks for and whatever the user wrote, the instance is valid."""
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        instance(schema, material(text))
    )


PARTICULAR = {
    "local reference": ({"$ref": "#/$defs/p", "$defs": {"p": {"const": 3}}}, 3),
    "escaped reference": ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 3}}}, 3),
    "chain of references": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "boolean"}}},
        False,
    ),
    "tree": (
        {
            "type": "object",
            "properties": {
                "value": {"type": "integer", "minimum": 3},
                "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#"}},
            },
            "required": ["value", "next", "children"],
        },
        {"value": 3, "next": None, "children": []},
    ),
    "unique items": (
        {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
        [1, 2, 3],
    ),
    "unique members": (
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True},
        ["a", "b"],
    ),
    "tuple": ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
    "contains": ({"type": "array", "contains": {"const": 7}}, [7]),
    "least members": (
        {"type": "object", "minProperties": 2, "additionalProperties": {"const": 1}},
        {"member1": 1, "member2": 1},
    ),
    "dependent member": (
        {
            "type": "object",
            "properties": {"a": {"const": 1}, "b": {"const": 2}},
            "required": ["a"],
            "dependentRequired": {"a": ["b"]},
        },
        {"a": 1, "b": 2},
    ),
    "both of allOf": (
        {
            "allOf": [
                {"required": ["a"], "properties": {"a": {"const": 1}}},
                {"required": ["b"], "properties": {"b": {"const": 2}}},
            ]
        },
        {"a": 1, "b": 2},
    ),
    "exactly one of oneOf": (
        {"oneOf": [{"type": "number"}, {"type": "integer"}, {"type": "string"}]},
        "text",
    ),
    "if and then": (
        {
            "type": "object",
            "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "integer"}},
            "required": ["kind"],
            "if": {"properties": {"kind": {"const": "a"}}},
            "then": {"required": ["x"]},
        },
        {"kind": "a", "x": 1},
    ),
    "tight numbers": ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.5}, 1.25),
    "multiple": ({"type": "integer", "minimum": 10, "multipleOf": 7}, 14),
    "no type but keywords": ({"minLength": 6}, "textxx"),
    "anything": (True, "text"),
}


@pytest.mark.parametrize("name", PARTICULAR)
def test_particular_schemas(name: str) -> None:
    """The smallest sensible instance of each construct."""
    schema, expected = PARTICULAR[name]
    assert expected == instance(schema, NOTHING)


def test_older_drafts() -> None:
    """A schema that names its draft is read by it."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{"const": 1}],
        "additionalItems": False,
    }
    value = instance(schema, NOTHING)
    assert value == [1]
    Draft7Validator(schema).validate(value)


IMPOSSIBLE: dict[str, Json] = {
    "false": False,
    "not a schema": 5,
    "malformed": {"type": "strange"},
    "elsewhere": {"$ref": "https://example.com/schema.json"},
    "nowhere": {"$ref": "#/$defs/missing"},
    "circle": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "endless": {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
    "empty enum": {"allOf": [{"enum": [1]}, {"enum": [2]}]},
    "contradiction": {"type": "integer", "minimum": 3, "maximum": 2},
    "lookahead": {"type": "string", "pattern": "^(?=a)b?a$"},
    "huge": {"type": "array", "items": {"type": "array", "minItems": 90_000}, "minItems": 90_000},
    "negated": {"type": "string", "not": {"type": "string"}},
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_schemas(name: str) -> None:
    """Where no instance can be made, that is said; nothing is fetched and nothing runs on."""
    with pytest.raises(NoInstance):
        instance(IMPOSSIBLE[name], NOTHING)


FILLED = [
    ("My name is Ada and I live in London. I am 36 years old.", {"name": "Ada", "city": "London", "age": 36}),
    ('name: "Grace Hopper", city = Oslo, age: 40', {"name": "Grace Hopper", "city": "Oslo", "age": 40}),
    ("Call me Tim, near Bonn, 7", {"name": "Tim", "city": "Bonn", "age": 7}),
]


@pytest.mark.parametrize(("text", "expected"), FILLED)
def test_members_are_filled_from_the_text(text: str, expected: Json) -> None:
    """Members whose name says what they are get what the text says of it."""
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "city": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "city", "age"],
        "additionalProperties": False,
    }
    assert expected == instance(schema, material(text))


def test_other_members_are_filled_too() -> None:
    """Dates, addresses, links, lists of places, enums and questions are found as well."""
    schema = {
        "type": "object",
        "properties": {
            "date": {"type": "string", "format": "date"},
            "email": {"type": "string", "format": "email"},
            "url": {"type": "string"},
            "cities": {"type": "array", "items": {"type": "string"}},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "query": {"type": "string"},
            "urgent": {"type": "boolean"},
        },
    }
    text = "On 2026-03-04 in Rome and Paris, fahrenheit, ada@example.org https://example.org/x urgent: yes"
    assert {
        "date": "2026-03-04",
        "email": "ada@example.org",
        "url": "https://example.org/x",
        "cities": ["Rome", "Paris"],
        "unit": "fahrenheit",
        "query": text,
        "urgent": True,
    } == instance(schema, material(text))


def test_a_value_that_does_not_fit_is_not_taken() -> None:
    """What the text says is left aside where the schema forbids it."""
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer", "maximum": 20}},
        "required": ["age"],
    }
    value = instance(schema, material("I am 36 years old"))
    assert value == {"age": 1}
    assert math.isfinite(value["age"])
