"""What is said of documents that do not fit: where, why, and never too much."""

from typing import Any, Final

import jsonschema_rs
import msgspec
import pytest
from llmgw.context.protocol import (
    KINDS,
    MAX_DEPTH,
    MAX_VIOLATIONS,
    Kind,
    documents,
    fetch_nothing,
    fits,
    schemas,
    violations,
)
from llmgw.context.protocol.explain import MAX_MESSAGE
from llmgw.http.problems import problem
from llmgw.types import context_errors, errors, json
from llmgw.types.errors import GatewayError, InvalidRequest
from llmgw.types.violation import Violation

TURN: Final = schemas()["turn"]["examples"][0]

EXACTLY_ONE: Final = 'exactly one must be given of "url", "base64", "file_id", "text" or "blob"'


def _told(kind: Kind, document: Any) -> list[tuple[str, str, str | None]]:
    return [(each.pointer, each.message, each.schema_pointer) for each in violations(kind, document)]


def _nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_mistake_is_shown_in_the_document_and_in_the_schema() -> None:
    """Both pointers lead to it, through every reference between."""
    document = {**TURN, "parts": [{"type": "text", "text": "x"}, {"type": "text", "text": 5}]}
    assert _told("turn", document) == [
        (
            "/parts/1/text",
            "5 is not of the type string",
            "/properties/parts/items/$ref/dependentSchemas/type/allOf/0/then/$ref/properties/text/type",
        )
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_schema_pointers_can_be_followed(kind: Kind) -> None:
    """From the root of the kind's file each step leads on, a `$ref` to what it refers to, down to the keyword."""
    wrong: list[Any] = [[], {}, {"type": "media", "kind": 1}, {"rules": {"x": 1}}, {"report": {}, "at": "x"}]
    for document in wrong:
        for violation in violations(kind, document):
            assert violation.schema_pointer is not None
            node = documents()[f"urn:llmgw:context:1:{'report' if kind == 'record' else kind}"]
            for step in violation.schema_pointer.split("/")[1:]:
                node = node[int(step)] if isinstance(node, list) else node[step]
                if step == "$ref":
                    urn, _, fragment = node.partition("#")
                    node = documents()[urn]
                    node = node["$defs"][fragment.removeprefix("/$defs/")] if fragment else node


@pytest.mark.parametrize(
    ("change", "pointer", "message"),
    [
        ({"seq": -1}, "/seq", "-1 is less than 0"),
        ({"seq": 2**70}, "/seq", "a number of many digits is more than 9007199254740991"),
        ({"source": "x"}, "/source", '"x" is not "caller", "provider", "gateway", "import" or "merge"'),
        ({"mood": 1, "tone": 2}, "", 'there is no member "mood" or "tone" here'),
        ({"parts": []}, "/parts", "a list of 0 items is shorter than 1"),
        ({"parts": {}}, "/parts", "an object of 0 members is not of the type array"),
        ({"parts": [{}]}, "/parts/0", '"type" is missing'),
        ({"name": 5}, "/name", "5 is not of the type string or null"),
        ({"name": "n" * 257}, "/name", "a text of 257 characters is longer than 256"),
        ({"raw": {"blob": "x", "size": 1}}, "/raw/blob", '"x" does not match ^(sha256|hmac-sha256):[0-9a-f]{64}$'),
        ({"parts": [{"type": "media", "kind": "image"}]}, "/parts/0", EXACTLY_ONE),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_plain_words(change: Any, pointer: str, message: str) -> None:
    """One mistake is one violation, with a message that names the value and what was wanted."""
    assert [told[:2] for told in _told("turn", TURN | change)] == [(pointer, message)]


def test_policies_name_the_rule_they_do_not_know() -> None:
    """A wrong name of a member is told as one, and in the order of the document."""
    told = _told("policy", {"rules": {"x": "off", "y" * 65: "off"}, "fit_target": 0})
    assert [message.partition(" is not ")[0] for _, message, _ in told] == [
        '"x"',
        "a name of 65 characters",
        "0",
    ]


def test_violations_are_bounded_in_number_and_length() -> None:
    """A hundred of many, each short and without long values or names, and each a violation by its own schema."""
    long = "x" * 100_000
    document: Any = {
        **TURN,
        "id": long,
        "role": long,
        long: 1,
        "parts": [{"type": "text", "text": "x"}] * 1000 + [{"type": long, long: long}] * 1000,
        "produced_by": {long: long},
    }
    found = violations("turn", document)
    assert len(found) == MAX_VIOLATIONS
    assert max(len(each.message) for each in found) <= MAX_MESSAGE
    assert all("x" * 65 not in f"{each.message}{each.pointer}{each.schema_pointer}" for each in found)
    assert msgspec.convert(msgspec.to_builtins(found), tuple[Violation, ...]) == found


def test_pointers_stop_before_endless_names() -> None:
    """What is beneath a member with a name of more than 64 characters is told at the object that has it."""
    (name, level) = violations("policy", {"rules": {"r" * 65: "x"}})
    assert (name.pointer, level.pointer) == ("/rules", "/rules")


@pytest.mark.parametrize("kind", KINDS)
def test_nesting_is_bounded(kind: Kind) -> None:
    """Nothing deeper than the cap reaches a validator, in which 100,000 levels would end the process."""
    for levels in (MAX_DEPTH + 1, 100_000):
        document = _nested(levels)
        assert not fits(kind, document)
        assert _told(kind, document) == [("", "nests deeper than 64 levels", None)]
        while isinstance(document, dict):  # taken apart by hand, as the interpreter would recurse
            document = document.pop("a")
    part = {"type": "opaque", "protocol": "p", "kind": "k", "value": _nested(MAX_DEPTH - 1)}
    assert fits("part", part)
    assert not fits("part", {**part, "value": _nested(MAX_DEPTH)})


def test_patterns_end_where_the_text_ends() -> None:
    """A last line break is no part of an id, neither in the verdict nor in the reasons."""
    document = {**TURN, "id": TURN["id"] + "\n"}
    assert not fits("turn", document)
    assert [pointer for pointer, _, _ in _told("turn", document)] == ["/id"]


def test_nothing_is_fetched() -> None:
    """A reference to elsewhere is an error, never a request."""
    schema = {"$ref": "https://schemas.example/a.json"}
    with pytest.raises(jsonschema_rs.ValidationError, match="none of those at hand"):
        jsonschema_rs.Draft202012Validator(schema, retriever=fetch_nothing)


def _error_classes() -> list[type[GatewayError]]:
    return [
        each
        for module in (errors, context_errors)
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, GatewayError) and not name.startswith("_")
    ]


@pytest.mark.parametrize("kind", _error_classes(), ids=lambda kind: kind.__name__)
def test_the_gateways_problems_fit(kind: type[GatewayError]) -> None:
    """Whatever is told as a problem document is one."""
    assert violations("problem", json.decode(json.encode(problem(kind("what happened"))))) == ()


def test_a_problem_says_where() -> None:
    """The member that an error names, or the violations it brings, are those of the problem."""
    named = problem(InvalidRequest("too long", param="messages.0.name"))
    assert [each.pointer for each in named.violations] == ["/messages/0/name"]
    brought = context_errors.SchemaViolation("no", violations("turn", {**TURN, "seq": -1}))
    document = json.decode(json.encode(problem(brought)))
    assert violations("problem", document) == ()
    assert document["violations"][0]["pointer"] == "/seq"
