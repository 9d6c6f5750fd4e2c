"""The schemas and the structs accept the same documents, and both libraries read the schemas alike."""

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from llmgw.context.protocol import KINDS, Kind, documents, explanations, fits
from llmgw.types import json
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from tests.unit.context.changed import changed
from tests.unit.context.documents import VALUES, is_read, read
from tests.unit.context.generated import generated

_HEALTH: Final = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_REGISTRY: Final = Registry[Any]().with_resources(
    (urn, DRAFT202012.create_resource(schema)) for urn, schema in documents().items()
)

each_kind = pytest.mark.parametrize("kind", KINDS)


def _plain(kind: Kind) -> Draft202012Validator:
    place = "report#/$defs/record" if kind == "record" else f"{kind}#"
    return Draft202012Validator({"$ref": f"urn:llmgw:context:1:{place}"}, registry=_REGISTRY)


def _is_backwards(document: Any) -> bool:
    """Whether a turn sums up turns that end before they begin, which no schema can refuse."""
    match document:
        case {"compaction": {"first": first, "last": last}}:
            return bool(last < first)
        case _:
            return False


def _has_line_break_at_an_end(document: Any) -> bool:
    """Whether Python's `$`, which also stands before a last line break, may see a text otherwise than others do."""
    match document:
        case str():
            return document.endswith("\n")
        case dict():
            return any(map(_has_line_break_at_an_end, document.values()))
        case list():
            return any(map(_has_line_break_at_an_end, document))
        case _:
            return False


@each_kind
@settings(max_examples=50, deadline=None, suppress_health_check=_HEALTH)
@given(data=st.data())
def test_what_a_struct_writes_fits(kind: Kind, data: st.DataObject) -> None:
    """Every value that can be built is a document of its kind to both libraries, and comes back the same."""
    value = data.draw(VALUES[kind])
    written = json.encode(value)
    document = json.decode(written)
    assert fits(kind, document)
    assert not list(explanations(kind, document))
    assert _plain(kind).is_valid(document)
    assert read(kind, written) == value
    assert json.encode(read(kind, written)) == written


@each_kind
@settings(max_examples=150, deadline=None, suppress_health_check=_HEALTH)
@given(data=st.data())
def test_a_changed_document_is_judged_alike(kind: Kind, data: st.DataObject) -> None:
    """The struct takes a document exactly when the schema does, but for what no schema can say."""
    document = data.draw(changed(kind))
    verdict = fits(kind, document)
    assert is_read(kind, json.encode(document)) == (verdict and not _is_backwards(document))
    assert bool(next(explanations(kind, document), None)) != verdict
    if not _has_line_break_at_an_end(document):
        assert _plain(kind).is_valid(document) == verdict


@each_kind
@settings(max_examples=50, deadline=None, suppress_health_check=_HEALTH)
@given(data=st.data())
def test_what_the_schema_allows_is_read(kind: Kind, data: st.DataObject) -> None:
    """Every document made from the schema alone is read, and what is written of it fits and reads the same."""
    document = data.draw(generated(kind))
    assume(not _is_backwards(document))
    value = read(kind, json.encode(document))
    written = json.encode(value)
    assert fits(kind, json.decode(written))
    assert read(kind, written) == value
