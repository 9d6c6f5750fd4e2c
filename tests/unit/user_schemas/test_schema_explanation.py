"""Why documents do not fit: both pointers, plain words that stay short, and an end in any case."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import encode
from llmgw.types.violation import Violation
from llmgw.user_schemas.compiling import CompiledSchema, compile_schema
from tests.unit.user_schemas.hostile_schemas import nested
from tests.unit.user_schemas.schema_strategies import DOCUMENTS, SCHEMAS

CART: dict[str, Any] = {
    "type": "object",
    "properties": {
        "cart": {
            "type": "object",
            "required": ["items"],
            "additionalProperties": False,
            "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
        }
    },
    "$defs": {
        "item": {
            "type": "object",
            "required": ["sku", "qty"],
            "properties": {
                "sku": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"},
                "qty": {"type": "integer", "minimum": 1},
                "note": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 5}]},
            },
        }
    },
}


def compiled(schema: Any) -> CompiledSchema:
    """Compile a schema that is at hand as a value."""
    return compile_schema(encode(schema))


def told(schema: Any, document: Any) -> list[tuple[str, str | None, str]]:
    """Where and why a document does not fit."""
    return [
        (violation.pointer, violation.schema_pointer, violation.message)
        for violation in compiled(schema).violations(document)
    ]


def test_both_pointers_lead_to_the_cause() -> None:
    """Into the document, and to the keyword in the schema, through references to where it is written."""
    items = [
        {"sku": "ABC-1", "qty": 1, "note": None},
        {"sku": "?", "qty": 0, "note": "much to say"},
        {"qty": True},
    ]
    assert told(CART, {"cart": {"items": items}}) == [
        ("/cart/items/1/sku", "/$defs/item/properties/sku/pattern", '"?" does not match "^[A-Z]+-[0-9]+$"'),
        ("/cart/items/1/qty", "/$defs/item/properties/qty/minimum", "0 is less than 1"),
        (
            "/cart/items/1/note",
            "/$defs/item/properties/note/anyOf/1/maxLength",
            '"much to say" is longer than 5 characters',
        ),
        ("/cart/items/2", "/$defs/item/required", 'the member "sku" is missing'),
        ("/cart/items/2/qty", "/$defs/item/properties/qty/type", "true is not of type integer"),
    ]
    assert told(CART, {"cart": {"itms": []}}) == [
        ("/cart", "/properties/cart/required", 'the member "items" is missing'),
        ("/cart/itms", "/properties/cart/additionalProperties", 'the member "itms" is not allowed here'),
    ]


@pytest.mark.parametrize(
    ("schema", "document", "rule", "pointer", "message"),
    [
        ({"type": ["string", "null"]}, 1, "schema.type", "", "1 is not of type string or null"),
        ({"enum": [1, "a", None]}, 2, "schema.enum", "", '2 is not 1, "a" or null'),
        ({"enum": list(range(9))}, 9, "schema.enum", "", "9 is not 0, 1, 2, 3, 4 or another of several"),
        ({"enum": []}, 9, "schema.enum", "", "9 is not anything"),
        ({"const": {"a": 1}}, [1, 2], "schema.const", "", "an array of 2 items is not an object of 1 member"),
        ({"multipleOf": 2}, 3, "schema.multiple_of", "", "3 is no multiple of 2"),
        ({"maximum": 2}, 10**60, "schema.maximum", "", "a very long number is more than 2"),
        ({"exclusiveMinimum": 2}, 2, "schema.exclusive_minimum", "", "2 is not more than 2"),
        ({"exclusiveMaximum": 2}, 2, "schema.exclusive_maximum", "", "2 is not less than 2"),
        ({"minLength": 2}, "a", "schema.min_length", "", '"a" is shorter than 2 characters'),
        ({"maxLength": 2}, "a" * 99, "schema.max_length", "",
         "a text of 99 characters is longer than 2 characters"),
        ({"minItems": 1}, [], "schema.min_items", "", "[] has fewer than 1 item"),
        ({"maxItems": 1}, [1, 2], "schema.max_items", "", "an array of 2 items has more than 1 item"),
        ({"uniqueItems": True}, [1, 1.0], "schema.unique_items", "", "an array of 2 items has equal items"),
        ({"minProperties": 1}, {}, "schema.min_properties", "", "{} has fewer than 1 member"),
        ({"maxProperties": 0}, {"a": 1}, "schema.max_properties", "",
         "an object of 1 member has more than 0 members"),
        ({"dependentRequired": {"a": ["a", "b"]}}, {"a": 1}, "schema.dependent_required", "",
         'beside "a" the member "b" is missing'),
        ({"dependentSchemas": {"a": {"minProperties": 2}}}, {"a": 1}, "schema.min_properties", "",
         "an object of 1 member has fewer than 2 members"),
        ({"properties": {"a": False}}, {"a": 1}, "schema.false", "/a", 'the member "a" is not allowed here'),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"xy": 1}, "schema.type", "/xy", "1 is not of type null"),
        ({"propertyNames": {"maxLength": 1}}, {"xy": 1}, "schema.max_length", "/xy",
         '"xy" is longer than 1 character'),
        ({"prefixItems": [True], "items": False}, [1, 2], "schema.items", "/1", "item 1 is not allowed here"),
        ({"contains": {"type": "null"}}, [1], "schema.contains", "",
         "an array of 1 item has no item of the form that one must have"),
        ({"contains": True, "minContains": 2}, [1], "schema.min_contains", "",
         "an array of 1 item has fewer than 2 items of the form that is wanted"),
        ({"contains": True, "maxContains": 1}, [1, 2], "schema.max_contains", "",
         "an array of 2 items has more than 1 item of the form that is limited"),
        ({"not": {"type": "null"}}, None, "schema.not", "", "null fits a form it must not have"),
        ({"if": {"minimum": 1}, "then": {"maximum": 5}}, 9, "schema.maximum", "", "9 is more than 5"),
        ({"if": {"minimum": 1}, "else": {"const": 0}}, -1, "schema.const", "", "-1 is not 0"),
        ({"allOf": [True, {"minimum": 1}]}, 0, "schema.minimum", "", "0 is less than 1"),
        ({"anyOf": [{"minimum": 1}, {"multipleOf": 7}]}, -1, "schema.any_of", "",
         "-1 fits none of the forms it may have"),
        ({"oneOf": [{"minimum": 1}, {"multipleOf": 7}]}, 7, "schema.one_of", "",
         "7 fits 2 of the forms of which it must have one"),
        ({"oneOf": [{"minimum": 1}, {"multipleOf": 7}]}, -1, "schema.one_of", "",
         "-1 fits none of the forms of which it must have one"),
        ({"properties": {"a": True}, "unevaluatedProperties": False}, {"b": 1},
         "schema.unevaluated_properties", "/b", 'the member "b" is not allowed here'),
        ({"prefixItems": [True], "unevaluatedItems": False}, [1, 2], "schema.unevaluated_items", "/1",
         "item 1 is not allowed here"),
        ({"patternProperties": {"a" * 200: True}, "additionalProperties": {"pattern": "b" * 300}}, {"x": "a"},
         "schema.pattern", "/x", '"a" does not match a text of 300 characters'),
    ],
)  # fmt: skip
def test_every_keyword_has_its_words(
    schema: Any, document: Any, rule: str, pointer: str, message: str
) -> None:
    """Plain ones, with the rule's name."""
    (violation,) = compiled(schema).violations(document)
    assert (violation.rule, violation.pointer, violation.message) == (rule, pointer, message)


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_of_alternatives_the_one_that_was_meant_is_explained(keyword: str) -> None:
    """Where the type of the value, or a member by which they are told apart, shows which that is."""
    schema = {
        keyword: [
            {"type": "string"},
            {"type": "object", "properties": {"kind": {"const": "car"}, "doors": {"minimum": 2}}},
            {"type": "object", "properties": {"kind": {"enum": ["boat"]}, "masts": {"minimum": 1}}},
        ]
    }
    assert [told(schema, {"kind": "boat", "masts": 0})[0][:2]] == [
        ("/masts", f"/{keyword}/2/properties/masts/minimum")
    ]
    assert told(schema, {"kind": "boat", "doors": 1}) == []
    assert [where for where, *_ in told(schema, {"doors": 1, "masts": 0})] == [""]


def test_what_other_schemas_have_looked_at_is_not_in_the_way() -> None:
    """`unevaluatedProperties` and `unevaluatedItems` name what no schema that applies has looked at."""
    schema = {
        "$defs": {"base": {"properties": {"id": True}}},
        "allOf": [{"$ref": "#/$defs/base"}, {"patternProperties": {"^x-": True}}],
        "anyOf": [
            {"required": ["a"], "properties": {"a": True}},
            {"required": ["b"], "properties": {"b": True}},
        ],
        "if": {"properties": {"kind": {"const": 1}}, "required": ["kind"]},
        "then": {"properties": {"one": True}},
        "else": {"properties": {"other": True}},
        "dependentSchemas": {"id": {"properties": {"name": True}}},
        "not": {"properties": {"never": True}, "required": ["never"]},
        "unevaluatedProperties": False,
    }
    document = {"id": 1, "x-y": 1, "a": 1, "kind": 1, "one": 1, "name": 1}
    assert told(schema, document) == []
    document |= {"b": 1, "other": 1, "more": 1}
    assert [where for where, *_ in told(schema, document)] == ["/other", "/more"]
    items = {
        "allOf": [{"prefixItems": [True]}, {"contains": {"const": 7}}],
        "unevaluatedItems": {"type": "null"},
    }
    assert told(items, [1, 7, None]) == []
    assert [where for where, *_ in told(items, [1, 2, 7, None])] == ["/1"]


def test_violations_are_few_and_short() -> None:
    """However many members are wrong, and however long their names and values are."""
    schema = {"additionalProperties": {"type": "null", "enum": ["x" * 1000]}, "required": ["y" * 60_000]}
    violations = compiled(schema).violations({f"{'n' * 1000}{number}": "v" * 500 for number in range(100)})
    assert len(violations) == 3
    assert {violation.pointer for violation in violations} == {""}
    violations = compiled({"items": {"type": "null"}}).violations([f"{number}" for number in range(9000)])
    assert [violation.pointer for violation in violations] == [f"/{number}" for number in range(50)]


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_recursion_that_doubles_is_explained(keyword: str) -> None:
    """Each place is looked at once by each schema, so that the way down is not twice as long with each level."""
    branch = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    violations = compiled({keyword: [branch, branch | {"required": ["a"]}]}).violations(
        nested(20, lambda inner: {"a": inner}, 1)
    )
    assert violations
    assert all(violation.rule != "schema" for violation in violations)


def test_an_explanation_that_would_take_too_long_is_short() -> None:
    """The document is refused all the same; what was found until then is told."""
    schema = {"items": {"oneOf": [{"const": number} for number in range(1500)]}}
    violations = compiled(schema).violations([-number for number in range(1, 300)])
    assert [violation.rule for violation in violations[-2:]] == ["schema.one_of", "schema"]
    assert violations[-1].message == "the document does not fit its schema in more places than are told"
    deep = compiled(
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"items": {"anyOf": [{"$ref": "#/$defs/a"}] * 2, "type": "array"}}},
        }
    )
    (violation,) = deep.violations(nested(13, lambda inner: [inner, inner], 1))[-1:]
    assert violation == Violation(
        rule="schema",
        pointer="",
        schema_pointer="",
        message="the document does not fit its schema, and to find out where would take too long",
    )


def test_a_member_and_its_name_are_told_apart() -> None:
    """One schema may apply to both; what is found of one says nothing about the other."""
    schema = {"$defs": {"short": {"maxLength": 2}}, "propertyNames": {"$ref": "#/$defs/short"}}
    schema |= {"additionalProperties": {"$ref": "#/$defs/short"}}
    violations = compiled(schema).violations({"ab": "abc", "abc": "ab", "abcd": "abcde"})
    assert sorted((found.pointer, found.message[:6]) for found in violations) == [
        ("/ab", '"abc" '),
        ("/abc", '"abc" '),
        ("/abcd", '"abcd"'),
        ("/abcd", '"abcde'),
    ]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEMAS, st.lists(DOCUMENTS, min_size=1, max_size=4))
def test_whatever_does_not_fit_is_explained(schema: Any, documents: list[Any]) -> None:
    """Verdict and explanation are of one mind; pointers lead to places that are there."""
    try:
        checked = compiled(schema)
    except SchemaRejected:
        return
    for document in documents:
        violations = checked.violations(document)
        for violation in violations:
            assert violation.rule != "schema"
            assert violation.schema_pointer is not None
            _follow(document, violation.pointer)
            _follow(schema, violation.schema_pointer)


def _follow(value: Any, pointer: str) -> None:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
