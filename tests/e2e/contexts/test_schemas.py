"""Schemas that a tenant registers, and the states and metadata that are held to them."""

import json
from typing import Any

import pytest
from llmgw.types.context_errors import SchemaRejected
from llmgw.user_schemas import compile_schema
from tests.e2e.contexts.desk import Desk, problem
from tests.running import RunningGateway
from tests.unit.user_schemas.hostile_schemas import HOSTILE

CART: dict[str, Any] = {
    "type": "object",
    "properties": {"cart": {"$ref": "#/$defs/cart"}, "note": {"type": "string", "maxLength": 5}},
    "additionalProperties": False,
    "$defs": {
        "cart": {
            "type": "object",
            "properties": {
                "items": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"qty": {"type": "integer", "minimum": 1}}},
                }
            },
        }
    },
}


@pytest.fixture(scope="module")
def publisher(running: RunningGateway) -> Desk:
    """Who may register schemas for the tenant `acme`."""
    return Desk.of(running, "acme", "publisher")


def registered(publisher: Desk, name: str, schema: Any = CART, version: int = 1) -> str:
    """Register a schema; returns how policies refer to it."""
    answer = publisher.ask("PUT", f"/schemas/{name}/{version}", schema)
    assert answer.status == 201, answer.body
    return f"{name}/{version}"


def test_a_version_is_registered_once(publisher: Desk, desk: Desk, stranger: Desk) -> None:
    """The same bytes again are no error, others are; it is read as it was written, by its tenant alone."""
    written = json.dumps(CART, indent=3).encode()
    made = publisher.ask("PUT", "/schemas/once/1", written)
    assert (made.status, made.headers["location"]) == (201, "/v1/schemas/once/1")
    assert made.json()["bytes"] == len(written)
    again = publisher.ask("PUT", "/schemas/once/1", written, media_type="application/schema+json")
    assert (again.status, again.json()) == (200, made.json())
    assert problem(publisher.ask("PUT", "/schemas/once/1", {}))[:2] == (409, "schema_incompatible")
    read = desk.ask("GET", "/schemas/once/1")
    assert (read.headers["content-type"], read.body) == ("application/schema+json", written)
    assert "once" in desk.ask("GET", "/schemas").json()["schemas"]
    for path in ("/schemas/once/1", "/schemas/once", "/schemas/never/1", "/schemas/once/2"):
        asker = stranger if "2" not in path else desk
        assert problem(asker.ask("GET", path))[:2] == (404, "schema_not_found")
    assert "once" not in stranger.ask("GET", "/schemas").json()["schemas"]


def test_the_next_version_takes_what_the_last_one_took(publisher: Desk, desk: Desk) -> None:
    """A version that refuses documents of the last is refused, with pointers, unless its publisher insists."""
    registered(publisher, "cart")
    wider = {**CART, "properties": {**CART["properties"], "more": True}}
    registered(publisher, "cart", wider, 2)
    narrower = {**wider, "properties": {**wider["properties"], "note": {"type": "string", "maxLength": 4}}}
    status, code, violations = problem(publisher.ask("PUT", "/schemas/cart/3", narrower))
    assert (status, code) == (409, "schema_incompatible")
    assert violations == [("compatibility.max_length", "/properties/note/maxLength")]
    assert problem(publisher.ask("PUT", "/schemas/cart/1000000", wider))[:2] == (400, "invalid_request")
    insisted = publisher.ask("PUT", "/schemas/cart/7?compatibility=none", narrower)
    assert insisted.status == 201
    assert problem(publisher.ask("PUT", "/schemas/cart/5", wider))[:2] == (409, "schema_incompatible")
    assert desk.ask("GET", "/schemas/cart").json() == {"name": "cart", "versions": [1, 2, 7]}


def test_only_publishers_register(desk: Desk) -> None:
    """A caller's key reads schemas and registers none."""
    assert desk.ask("PUT", "/schemas/mine/1", {}).status == 403


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/schemas/Upper/1", {}, 400, "invalid_request"),
        ("/schemas/a/0", {}, 400, "invalid_request"),
        ("/schemas/a/01", {}, 400, "invalid_request"),
        ("/schemas/a/x", {}, 400, "invalid_request"),
        ("/schemas/a%2Fb/1", {}, 404, "not_found"),
        ("/schemas/a/1?compatibility=some", {}, 400, "invalid_request"),
        ("/schemas/a/1", b"{", 422, "schema_rejected"),
        ("/schemas/a/1", b"", 422, "schema_rejected"),
        ("/schemas/a/1", [], 422, "schema_rejected"),
        ("/schemas/a/1", {"type": "strin"}, 422, "schema_rejected"),
        ("/schemas/a/1", {"description": "x" * 70_000}, 422, "schema_rejected"),
        ("/schemas/a/1", {"description": "x" * 140_000}, 413, "request_too_large"),
    ],
)
def test_what_is_no_schema_is_refused(publisher: Desk, path: str, body: Any, status: int, code: str) -> None:
    """A name that is none, and a body that is none, are told apart, and nothing is registered."""
    assert problem(publisher.ask("PUT", path, body))[:2] == (status, code)
    assert "a" not in publisher.ask("GET", "/schemas").json()["schemas"]


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_schemas_that_are_bombs_are_refused(publisher: Desk, name: str) -> None:
    """What would take long, or lead elsewhere, is refused and pointed to; what only looks so is registered."""
    number = sorted(HOSTILE).index(name)
    answer = publisher.ask("PUT", f"/schemas/bomb-{number}/1", HOSTILE[name])
    try:
        compile_schema(HOSTILE[name])
    except SchemaRejected as rejected:
        wrong = [(each.rule, each.pointer) for each in rejected.violations]
        assert problem(answer) == (422, "schema_rejected", wrong)
        assert wrong
    else:
        assert answer.status == 201


def test_a_state_is_held_to_its_schema(publisher: Desk, desk: Desk) -> None:
    """What does not fit is refused with pointers into document and schema, and the state stays as it was."""
    context = desk.made(policy={"state_schema": registered(publisher, "shop")}, state={"cart": {"items": []}})
    path = f"/contexts/{context}/state"
    items = [{"qty": 1}, {"qty": 2}, {"qty": 3}, {"qty": 0}]
    refused = desk.ask("PATCH", path, [{"op": "add", "path": "/cart/items", "value": items}])
    assert problem(refused) == (422, "schema_violation", [("schema.minimum", "/cart/items/3/qty")])
    pointer = refused.json()["violations"][0]["schema_pointer"]
    assert pointer.endswith("/properties/qty/minimum")
    assert pointer.startswith("/$defs/cart/properties/items/")
    before = desk.ask("GET", path)
    assert before.json() == {"rev": 1, "data": {"cart": {"items": []}}, "schema": "shop/1"}
    assert problem(desk.ask("PUT", path, {"other": 1}))[:2] == (422, "schema_violation")
    patched = desk.ask(
        "PATCH",
        path,
        [{"op": "add", "path": "/cart/items/-", "value": {"qty": 2}}],
        headers={"if-match": before.headers["etag"]},
        media_type="application/json-patch+json",
    )
    assert (patched.status, patched.json()["data"]) == (200, {"cart": {"items": [{"qty": 2}]}})
    stale = desk.ask("PATCH", path, [], headers={"if-match": before.headers["etag"]})
    assert problem(stale)[:2] == (412, "revision_mismatch")
    assert stale.headers["etag"] == '"2"'


def test_a_first_state_and_metadata_are_held_to_theirs(publisher: Desk, desk: Desk) -> None:
    """A context whose beginnings do not fit is not made; the pointers lead into what was sent."""
    policy = {"state_schema": registered(publisher, "first"), "metadata_schema": "first/1"}
    for sent, pointer in (
        ({"state": {"note": "longer"}}, "/state/note"),
        ({"metadata": {"note": "longer"}}, "/metadata/note"),
    ):
        refused = desk.ask("POST", "/contexts", {"id": "unfit", "policy": policy, **sent})
        assert problem(refused) == (422, "schema_violation", [("schema.max_length", pointer)])
    in_call = desk.say(
        {"id": "unfit", "create": True, "policy": policy, "metadata": {"note": "longer"}}, "hi"
    )
    assert (in_call.status, in_call.json()["error"]["code"]) == (422, "schema_violation")
    assert desk.ask("GET", "/contexts/unfit").status == 404


def test_a_policy_names_schemas_that_there_are(desk: Desk) -> None:
    """A context that would be held to a schema nobody registered is not made."""
    for member in ("state_schema", "metadata_schema"):
        refused = desk.ask("POST", "/contexts", {"policy": {member: "unheard-of/1"}})
        assert problem(refused)[:2] == (422, "schema_violation")
        assert problem(refused)[2][0][0] == "schema.unknown"


def test_schemas_move_with_their_contexts(publisher: Desk, desk: Desk) -> None:
    """An exported context brings its schemas along; where the version is another one, it is not taken in."""
    context = desk.made(policy={"state_schema": registered(publisher, "moving")}, state={"note": "here"})
    bundle = desk.ask("GET", f"/contexts/{context}/export").body
    assert desk.ask("DELETE", f"/contexts/{context}").status == 200
    taken = desk.ask("POST", "/contexts/import?id=moved", bundle, media_type="application/x-ndjson")
    assert taken.status == 201, taken.body
    assert desk.ask("GET", "/contexts/moved/state").json()["data"] == {"note": "here"}
    refused = desk.ask("PUT", "/contexts/moved/state", {"note": "longer"})
    assert problem(refused)[:2] == (422, "schema_violation")
