"""What is wrong with a request about a context is told with a status, a code and a pointer, and changes nothing."""

from typing import Any

import pytest
from tests.e2e.contexts.desk import Desk, problem


def shortened(value: object) -> str:
    """Name a case by the beginning of what it is."""
    return str(value)[:40]


DEEP = b'{"metadata":' + b'{"a":' * 90 + b"1" + b"}" * 91
BOTTOMLESS = b'{"metadata":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (b"{", 400, "invalid_json", None),
        (b"\xff", 400, "invalid_json", None),
        (b'{"id": "\\ud800"}', 400, "invalid_json", None),
        (b'{"metadata": {"n": NaN}}', 400, "invalid_json", None),
        (BOTTOMLESS, 400, "invalid_json", None),
        (DEEP, 422, "schema_violation", "/metadata"),
        (b"[]", 400, "invalid_request", ""),
        ({"unknown": 1}, 400, "invalid_request", ""),
        ({"id": "a b"}, 400, "invalid_request", "/id"),
        ({"id": "x" * 129}, 400, "invalid_request", "/id"),
        ({"id": ""}, 400, "invalid_request", "/id"),
        ({"id": 7}, 400, "invalid_request", "/id"),
        ({"id": "import"}, 400, "invalid_request", "/id"),
        ({"id": "a{b}c"}, 400, "invalid_request", "/id"),
        ({"subject": ""}, 400, "invalid_request", "/subject"),
        ({"subject": "s" * 257}, 400, "invalid_request", "/subject"),
        ({"policy": {"fit": "squeeze"}}, 400, "invalid_request", "/policy/fit"),
        ({"policy": {"rules": {"tool.pairing": "maybe"}}}, 400, "invalid_request", "/policy/rules"),
        ({"policy": {"ttl_s": 1}}, 400, "invalid_request", "/policy/ttl_s"),
        ({"policy": {"min_preservation": 2}}, 400, "invalid_request", "/policy/min_preservation"),
        ({"metadata": {f"k{n}": n for n in range(17)}}, 400, "invalid_request", "/metadata"),
        ({"metadata": {"k": "v" * 20_000}}, 422, "schema_violation", "/metadata"),
        ({"state": []}, 400, "invalid_request", "/state"),
        ({"state": {"s": "v" * 300_000}}, 422, "schema_violation", "/state"),
    ],
    ids=shortened,
)
def test_contexts_that_cannot_be_made(
    desk: Desk, body: Any, status: int, code: str, pointer: str | None
) -> None:
    """Nothing is made of them."""
    before = desk.ask("GET", "/contexts?limit=1000").body
    answer = desk.ask("POST", "/contexts", body)
    found = problem(answer)
    assert found[:2] == (status, code)
    if pointer is not None:
        assert [each[1] for each in found[2]] == [pointer]
    assert desk.ask("GET", "/contexts?limit=1000").body == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/turns?first=-1", None, 400, "invalid_request"),
        ("GET", "/turns?first=1e3", None, 400, "invalid_request"),
        ("GET", "/turns?limit=0", None, 400, "invalid_request"),
        ("GET", "/turns?limit=99999999999999999999999", None, 400, "invalid_request"),
        ("GET", "/turns/x/raw", None, 404, "not_found"),
        ("GET", "/turns/-1/raw", None, 404, "not_found"),
        ("POST", "/turns", {}, 400, "invalid_request"),
        ("POST", "/turns", {"turns": []}, 400, "invalid_request"),
        ("POST", "/turns", {"turns": [{"role": "user"}]}, 400, "invalid_request"),
        ("POST", "/turns", {"turns": [{"role": "king", "parts": []}]}, 400, "invalid_request"),
        ("POST", "/turns", {"turns": [{"role": "user", "parts": []}]}, 422, "schema_violation"),
        ("POST", "/turns", {"messages": [{"role": "user"}]}, 400, "invalid_request"),
        ("POST", "/turns", {"messages": "x"}, 400, "invalid_request"),
        ("POST", "/turns", {"messages": [{"role": "user", "content": "a"}] * 2001}, 400, "invalid_request"),
        (
            "POST",
            "/turns",
            {"turns": [{"role": "user", "parts": [{"type": "text", "text": "a"}]}] * 2001},
            400,
            "invalid_request",
        ),
        ("POST", "/turns", {"messages": [], "dialect": "latin"}, 400, "invalid_request"),
        (
            "POST",
            "/turns",
            {
                "messages": [{"role": "user", "content": "a"}],
                "turns": [{"role": "user", "parts": [{"type": "text", "text": "a"}]}],
            },
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/turns",
            {"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]},
            422,
            "context_violation",
        ),
        ("PATCH", "/state", {"op": "add"}, 422, "patch_failed"),
        ("PATCH", "/state", [{"op": "remove", "path": "/nothing"}], 422, "patch_failed"),
        ("PATCH", "/state", [{"op": "test", "path": "/a", "value": 2}], 422, "patch_failed"),
        ("PATCH", "/state", [{"op": "replace", "path": "", "value": 3}], 422, "patch_failed"),
        ("PUT", "/state", "text", 400, "invalid_request"),
        ("POST", "/fork", {"at_seq": 7}, 400, "invalid_request"),
        ("POST", "/fork", {"at_seq": -1}, 400, "invalid_request"),
        ("POST", "/fork", {"id": "a/b"}, 400, "invalid_request"),
        ("POST", "/merge", {}, 400, "invalid_request"),
        ("POST", "/merge", {"source": "../x"}, 400, "invalid_request"),
        ("POST", "/merge", {"source": "nobody"}, 404, "context_not_found"),
        ("POST", "/compact", {"alias": "nobody/"}, 404, "model_not_found"),
        ("POST", "/compact", {"keep_last": "two"}, 400, "invalid_request"),
        ("POST", "/redact", {"turns": []}, 400, "invalid_request"),
        ("POST", "/redact", {"turns": [6]}, 400, "invalid_request"),
        ("GET", "/report/-1", None, 400, "invalid_request"),
        ("GET", "/report/nine", None, 400, "invalid_request"),
        ("GET", "/access-log?after=x", None, 400, "invalid_request"),
        ("DELETE", "?forks=maybe", None, 400, "invalid_request"),
    ],
    ids=shortened,
)
def test_what_cannot_be_done_with_a_context(
    desk: Desk, method: str, path: str, body: Any, status: int, code: str
) -> None:
    """The context is as before, and free for the next call."""
    context = desk.told("one", "two", "three", state={"a": 1})
    before = desk.ask("GET", f"/contexts/{context}").body
    assert problem(desk.ask(method, f"/contexts/{context}{path}", body))[:2] == (status, code)
    assert desk.ask("GET", f"/contexts/{context}").body == before
    assert desk.ask("GET", f"/contexts/{context}/state").json()["data"] == {"a": 1}
    assert desk.say(context, "four").status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_page_could_send_is_refused(desk: Desk, kind: str) -> None:
    """A body has to say it is JSON: browsers send the others anywhere without asking."""
    answer = desk.ask("POST", "/contexts", b"{}", media_type=kind)
    assert problem(answer)[:2] == (415, "unsupported_media_type")


def test_a_method_that_is_not_there(desk: Desk) -> None:
    """The answer names those that are."""
    answer = desk.ask("PUT", "/contexts/any")
    assert problem(answer)[:2] == (405, "method_not_allowed")
    assert {word.strip() for word in answer.headers["allow"].split(",")} >= {"GET", "DELETE"}


@pytest.mark.parametrize("purpose", ["x" * 257, "a\tb"])
def test_a_purpose_that_could_forge_a_log_is_refused(desk: Desk, purpose: str) -> None:
    """Why somebody looks is one printable line."""
    answer = desk.ask("GET", "/contexts", headers={"x-llmgw-purpose": purpose})
    assert problem(answer)[:2] == (400, "invalid_request")


@pytest.mark.parametrize("path", ["", "/import"])
def test_a_body_that_is_compressed_is_told_so(desk: Desk, path: str) -> None:
    """Not read as if it were plain: what is called compressed, or is in another charset, is 415."""
    kind = "application/x-ndjson" if path else "application/json"
    compressed = desk.ask(
        "POST", f"/contexts{path}", b"{}", headers={"content-encoding": "gzip"}, media_type=kind
    )
    assert problem(compressed)[:2] == (415, "unsupported_media_type")
    latin = desk.ask("POST", f"/contexts{path}", b"{}", media_type=f"{kind}; charset=latin-1")
    assert problem(latin)[:2] == (415, "unsupported_media_type")


@pytest.mark.parametrize("member", [{"subject": "ada"}, {"metadata": {"case": 7}}, {"policy": {}}])
def test_what_only_a_new_context_takes_is_not_left_out_in_silence(desk: Desk, member: dict[str, Any]) -> None:
    """Without `create` it is refused, before a model is asked; with it, the call is as ever."""
    context = desk.told("one")
    refused = desk.say({"id": context, **member}, "two")
    assert (refused.status, refused.json()["error"]["param"]) == (400, "llmgw.context")
    assert len(desk.texts(context)) == 2
    assert desk.say({"id": context, "create": True, **member}, "two").status == 200


@pytest.mark.parametrize("tag", ['""', '"', " "])
def test_a_condition_without_a_revision_is_no_condition_met(desk: Desk, tag: str) -> None:
    """Who sends an empty If-Match, as from an `ETag` that was not there, is told, and nothing is overwritten."""
    context = desk.told("one")
    refused = desk.say({"id": context, "if_match": tag}, "two")
    assert (refused.status, refused.json()["error"]["code"]) == (400, "invalid_request")
    said = {"messages": [{"role": "user", "content": "two"}]}
    appended = desk.ask("POST", f"/contexts/{context}/turns", said, headers={"if-match": '""'})
    assert problem(appended)[:2] == (400, "invalid_request")
    assert len(desk.texts(context)) == 2
