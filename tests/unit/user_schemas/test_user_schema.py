"""Schemas of strangers: what is refused, that refusing takes little work, and that nothing leads out of them."""

import contextlib
import socket
import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import encode
from llmgw.types.violation import Violation
from llmgw.user_schemas.compiled import DOCUMENT_DEPTH_MAX, DOCUMENT_MAX
from llmgw.user_schemas.compiling import SCHEMA_DEPTH_MAX, SCHEMA_MAX, CompiledSchema, compile_schema
from llmgw.user_schemas.form import FORM
from llmgw.user_schemas.outline import SUBSCHEMAS_MAX, VIOLATIONS_MAX
from llmgw.user_schemas.patterns import program
from llmgw.user_schemas.work import STEPS_MAX
from tests.unit.user_schemas.hostile_schemas import ELSEWHERE, HARMLESS, HOSTILE, NOT_LINEAR, nested
from tests.unit.user_schemas.schema_strategies import DOCUMENTS, SCHEMAS

GUARD_S = 120
"""Seconds after which a process that has fallen for a hostile schema is ended; all of them take it about two."""
CALLS_MAX = 600_000
"""Calls of Python functions that examining one schema may take: about 0.1 s."""

HOLD_ALL = """
from llmgw.user_schemas.compiling import compile_schema
from llmgw.types.context_errors import SchemaRejected
from tests.unit.user_schemas.hostile_schemas import HOSTILE, nested

DOCUMENTS = [
    [1] * 30_000, [0.01 * number for number in range(8000)], [{}] * 20_000, ["a"] * 16_000, "ab" * 30_000,
    [10**4000] * 15, nested(63, lambda inner: [inner], []), nested(63, lambda inner: {"a": inner}, 1),
    nested(13, lambda inner: [inner, inner], None), {f"k{number}": 1 for number in range(6000)},
    [{"a": number} for number in range(7000)],
]
held = 0
for schema in HOSTILE.values():
    try:
        compiled = compile_schema(schema)
    except SchemaRejected:
        continue
    for document in DOCUMENTS:
        compiled.violations(document)
        held += 1
print(held)
"""


def compiled(schema: Any) -> CompiledSchema:
    """Compile a schema that is at hand as a value."""
    return compile_schema(encode(schema))


def refused(schema: Any) -> list[tuple[str, str]]:
    """The rules that a schema breaks, and where."""
    with pytest.raises(SchemaRejected) as caught:
        compile_schema(schema if isinstance(schema, bytes) else encode(schema))
    return [(violation.rule, violation.pointer) for violation in caught.value.violations]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_are_refused_with_little_work(name: str) -> None:
    """Each is refused with some bounded violations, or is known to be harmless, after a bounded number of calls."""
    program.cache_clear()
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    violations: tuple[Violation, ...] = ()
    sys.setprofile(count)
    try:
        schema = compile_schema(HOSTILE[name])
    except SchemaRejected as rejected:
        violations = rejected.violations
    else:
        assert schema.work.steps <= STEPS_MAX
    finally:
        sys.setprofile(None)
    assert calls <= CALLS_MAX
    assert bool(violations) == (name not in HARMLESS)
    assert len(violations) <= VIOLATIONS_MAX
    assert all(len(violation.message) <= 300 and len(violation.pointer) <= 4096 for violation in violations)


def test_no_hostile_schema_holds_a_process_up() -> None:
    """All of them are examined, and those accepted are held against hostile documents, in a process that ends."""
    done = subprocess.run(
        [sys.executable, "-c", HOLD_ALL], capture_output=True, text=True, check=False, timeout=GUARD_S
    )
    assert (done.returncode, int(done.stdout)) == (0, len(HARMLESS) * 11), done.stderr


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize("base", [None, "http://localhost/this", "urn:example:this"])
@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_references_stay_within_the_schema(elsewhere: str, base: str | None, keyword: str) -> None:
    """Whatever leads elsewhere is refused at its place, whatever the schema calls itself."""
    schema = {"items": {keyword: elsewhere}, "properties": {}} | ({"$id": base} if base else {})
    assert refused(schema) == [("schema.reference", f"/items/{keyword}")]


def test_nobody_is_asked_for_a_schema() -> None:
    """A server named in references, identifiers and drafts sees no connection, nor does one named in values."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        here = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        for keyword in ("$ref", "$dynamicRef", "$schema"):
            refused({keyword: here})
        compiled({"$id": here, "$ref": "#/$defs/a", "$defs": {"a": {"const": {"$ref": here, "$id": here}}}})
        compiled({"$vocabulary": {here: True}, "default": {"$ref": here}, "x": {"$ref": here}})
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("reference", "beside"),
    [
        ("#/$defs/a", {}),
        ("#/$defs/a%20b~1", {"$defs": {"a b/": {"type": "string"}}}),
        ("#text", {"$defs": {"a": {"$anchor": "text", "type": "string"}}}),
        ("#text", {"$defs": {"a": {"$dynamicAnchor": "text", "type": "string"}}}),
        ("http://h/other", {"$id": "http://h/this", "$defs": {"a": {"$id": "other", "type": "string"}}}),
        (
            "other#/$defs/b",
            {"$id": "http://h/t", "$defs": {"a": {"$id": "other", "$defs": {"b": {"type": "string"}}}}},
        ),
        ("urn:a:b", {"$defs": {"a": {"$id": "urn:a:b", "type": "string"}}}),
        ("urn:a:b#x", {"$defs": {"a": {"$id": "urn:a:b", "allOf": [{"$anchor": "x", "type": "string"}]}}}),
        ("http://h/this#/$defs/a", {"$id": "http://h/this"}),
        ("#/definitions/a", {"definitions": {"a": {"type": "string"}}}),
        ("#/properties/b", {"properties": {"b": {"type": "string"}}}),
    ],
)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_references_within_the_schema_are_followed(
    reference: str, beside: dict[str, Any], keyword: str
) -> None:
    """By pointer, anchor and identifier."""
    schema = compiled({"$defs": {"a": {"type": "string"}}} | beside | {"items": {keyword: reference}})
    assert schema.violations(["a"]) == ()
    (violation,) = schema.violations([1])
    assert (violation.rule, violation.pointer) == ("schema.type", "/0")


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"$defs": {"a": {"$id": "x"}, "b": {"$id": "x"}}}, "/$defs/b/$id"),
        ({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}, "/$defs/b/$anchor"),
        (
            {"$defs": {"a": {"$dynamicAnchor": "x"}, "b": {"$id": "b", "$dynamicAnchor": "x"}}},
            "/$defs/b/$dynamicAnchor",
        ),
        ({"items": {"$ref": "#", "$dynamicRef": "#"}}, "/items/$dynamicRef"),
        ({"$id": "http://h/", "items": {"$id": "http://["}}, "/items/$id"),
    ],
)
def test_names_that_lead_to_two_places_are_refused(schema: Any, pointer: str) -> None:
    """What a reference means must not depend on how it was reached."""
    assert refused(schema) == [("schema.reference", pointer)]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (b"{", ("schema.json", "")),
        (b'{"type":1e999}', ("schema.json", "")),
        (b"[]", ("schema.type", "")),
        (b"true", ("schema.type", "")),
        (b" " * (SCHEMA_MAX + 1), ("schema.size", "")),
        (nested(SCHEMA_DEPTH_MAX, lambda schema: {"items": schema}, {}), ("schema.depth", "")),
        ({"allOf": [True] * SUBSCHEMAS_MAX}, ("schema.size", "")),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{}]}, ("schema.dialect", "/$schema")),
        ({"$schema": 4}, ("schema.dialect", "/$schema")),
        ({"not": {"$schema": "https://json-schema.org/draft/2019-09/schema"}}, ("schema.dialect", "/not/$schema")),
        ({"dependencies": {}}, ("schema.dialect", "/dependencies")),
        ({"not": {"additionalItems": False}}, ("schema.dialect", "/not/additionalItems")),
        ({"$recursiveRef": "#"}, ("schema.dialect", "/$recursiveRef")),
        ({"type": "strin"}, ("schema.any_of", "/type")),
        ({"properties": {"a": {"minLength": -1}}}, ("schema.minimum", "/properties/a/minLength")),
        ({"items": [{}]}, ("schema.type", "/items")),
        ({"multipleOf": 0}, ("schema.minimum", "/multipleOf")),
        ({"multipleOf": 1e300}, ("schema.maximum", "/multipleOf")),
        ({"pattern": "a" * 1025}, ("schema.max_length", "/pattern")),
        ({"$ref": "#"}, ("schema.reference", "/$ref")),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}},
         ("schema.reference", "/$defs/a/not/$ref")),
    ],
)  # fmt: skip
def test_what_is_no_usable_schema_is_refused(schema: Any, problem: tuple[str, str]) -> None:
    """With the rule it breaks and the pointer to where."""
    assert problem in refused(schema)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Not only the first of several mistakes."""
    assert refused({"type": 1, "items": {"minimum": "a"}, "properties": {"a": 3}}) == [
        ("schema.any_of", "/type"),
        ("schema.type", "/items/minimum"),
        ("schema.type", "/properties/a"),
    ]
    assert refused({"$ref": "http://a/", "items": {"$ref": "#b"}}) == [
        ("schema.reference", "/$ref"),
        ("schema.reference", "/items/$ref"),
    ]
    assert refused({"pattern": "(?=a)", "items": {"pattern": "(a)\\1"}}) == [
        ("schema.pattern", "/pattern"),
        ("schema.pattern", "/items/pattern"),
    ]


@pytest.mark.parametrize("pattern", NOT_LINEAR[:-1])
def test_patterns_need_a_linear_engine(pattern: str) -> None:
    """Look-around, back-references, flags and programs without bounds are refused, as values and as names."""
    assert refused({"pattern": pattern}) == [("schema.pattern", "/pattern")]
    ((rule, pointer),) = refused({"items": {"patternProperties": {pattern: {}}}})
    assert (rule, pointer[:25]) == ("schema.pattern", "/items/patternProperties/")


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$", "(x+x+)+y", "^[a-z0-9_-]{1,64}$", "\\p{L}+", "^\\(?[0-9]{3}\\)?$", "(?:a|b)*",
        "(?<year>[0-9]{4})", "^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)$", "\\\\\\(?", "[(]?",
    ],
)  # fmt: skip
def test_usual_patterns_are_taken(pattern: str) -> None:
    """Those that would keep a backtracking engine busy too."""
    compiled({"pattern": pattern})


def test_a_pattern_that_explodes_elsewhere_does_not_here() -> None:
    """The verdict and its explanation are had of a text that takes a backtracking engine 2**n steps."""
    schema = compiled(
        {"additionalProperties": {"pattern": "^(a+)+$"}, "patternProperties": {"^(b+)+$": False}}
    )
    (violation,) = schema.violations({"x": "a" * 5000 + "!", "b" * 5000 + "!": "a"})
    assert (violation.rule, violation.pointer) == ("schema.pattern", "/x")


def test_formats_only_annotate() -> None:
    """A value that is not of its `format` fits, as draft 2020-12 has it."""
    assert compiled({"format": "email", "contentMediaType": "application/json"}).violations("nobody") == ()


def test_documents_are_bounded_before_they_are_validated() -> None:
    """Depth, bytes, and work for this schema: each with its rule, none of them after the fact."""
    everything = compiled({})
    assert everything.violations(nested(DOCUMENT_DEPTH_MAX, lambda inner: [inner], 1)) == ()
    deep = nested(200_000, lambda inner: [inner], 1)
    assert [violation.rule for violation in everything.violations(deep)] == ["schema.depth"]
    while deep != 1:  # taken apart by hand: to forget it at once would recurse
        deep = deep.pop()
    assert everything.violations("a" * (DOCUMENT_MAX - 2)) == ()
    assert [violation.rule for violation in everything.violations("a" * DOCUMENT_MAX)] == ["schema.size"]
    heavy = compiled({"items": {"allOf": [{"type": "integer"}] * 1000}})
    assert heavy.violations([1] * 1000) == ()
    assert [violation.rule for violation in heavy.violations([1] * 50_000)] == ["schema.work"]
    slow = compiled({"items": {"pattern": "(a|b)*a(a|b){400}c"}})
    assert slow.violations(["abc"] * 100) != ()
    assert [violation.rule for violation in slow.violations(["ab" * 50_000])] == ["schema.work"]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEMAS, st.lists(DOCUMENTS, min_size=1, max_size=4))
def test_what_a_schema_means_is_what_others_read_in_it(schema: Any, documents: list[Any]) -> None:
    """Verdicts agree with two other validators that were given the schema as it was written."""
    try:
        ours = compiled(schema)
    except SchemaRejected:
        return
    theirs = jsonschema_rs.Draft202012Validator(schema, offline=True)
    python = Draft202012Validator(schema)
    for document in documents:
        fits = not ours.violations(document)
        assert fits == theirs.is_valid(document)
        assert fits == python.is_valid(document)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    SCHEMAS,
    st.sampled_from(sorted(FORM["properties"])),
    st.recursive(
        DOCUMENTS,
        lambda inner: st.dictionaries(st.sampled_from(sorted(FORM["properties"])), inner, max_size=2),
    ),
)
def test_the_form_is_no_wider_than_the_original(schema: Any, keyword: str, value: Any) -> None:
    """Whatever passes for a schema here is one by the original meta-schema."""
    form = jsonschema_rs.Draft202012Validator(FORM)
    assert form.is_valid(schema) == jsonschema_rs.meta.is_valid(schema)
    changed = schema | {keyword: value}
    if form.is_valid(changed):
        original = jsonschema_rs.Draft202012Validator(
            {"$ref": "https://json-schema.org/draft/2020-12/schema"}
        )
        assert original.is_valid(changed)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | DOCUMENTS.map(encode) | SCHEMAS.map(lambda schema: encode(schema)[:-2]))
def test_any_bytes_are_a_schema_or_refused(document: bytes) -> None:
    """Nothing else is ever raised."""
    with contextlib.suppress(SchemaRejected):
        compile_schema(document)
