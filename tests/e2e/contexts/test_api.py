"""Stored conversations over HTTP: made, read, forked, merged, moved and erased, by whoever may."""

import json

import pytest
from tests.e2e.contexts.desk import MODELS, Desk, problem


def test_a_context_is_made_found_and_read(desk: Desk) -> None:
    """What is given at its making is read back, listed under its subject, and its revision is its entity tag."""
    made = desk.ask(
        "POST", "/contexts", {"subject": "ada", "metadata": {"case": 7}, "policy": {"ttl_s": 3600}}
    )
    assert made.status == 201
    info = made.json()
    assert made.headers["location"] == f"/v1/contexts/{info['id']}"
    read = desk.ask("GET", f"/contexts/{info['id']}")
    assert read.json() == info
    assert (info["subject"], info["metadata"], info["turns"]) == ("ada", {"case": 7}, 0)
    assert info["expires_at"] > info["created_at"]
    assert read.headers["etag"] == made.headers["etag"] == f'"0-{info["head"][:16]}"'
    again = desk.ask("GET", f"/contexts/{info['id']}", headers={"if-none-match": read.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    listed = desk.ask("GET", "/contexts?subject=ada").json()["contexts"]
    assert [each["id"] for each in listed] == [info["id"]]


def test_lists_are_turned_page_by_page(desk: Desk) -> None:
    """Each context is on one page, the newest first, and the last page says that it is."""
    names = [desk.made(subject="pages") for _ in range(5)]
    found, after = [], ""
    for size in (2, 2, 1):
        page = desk.ask("GET", f"/contexts?subject=pages&limit=2{after}").json()
        assert len(page["contexts"]) == size
        found += [each["id"] for each in page["contexts"]]
        after = f"&after={page['next']}"
    assert page["next"] is None
    assert found == names[::-1]


def test_turns_are_read_with_what_the_provider_sent(desk: Desk) -> None:
    """Turns come by their numbers, page by page, and an answer's own bytes as the provider sent them."""
    context = desk.told("My name is Ada.", "What is my name?")
    page = desk.ask("GET", f"/contexts/{context}/turns?first=1&limit=2")
    turns = page.json()["turns"]
    assert [(turn["seq"], turn["role"]) for turn in turns] == [(1, "assistant"), (2, "user")]
    assert (page.json()["next"], page.json()["rev"]) == (3, 2)
    raw = desk.ask("GET", f"/contexts/{context}/turns/3/raw")
    assert raw.headers["content-type"] == "application/octet-stream"
    assert raw.headers["x-content-type-options"] == "nosniff"
    assert json.loads(raw.body)["choices"][0]["message"]["content"] == "Your name is Ada."
    assert problem(desk.ask("GET", f"/contexts/{context}/turns/2/raw"))[:2] == (404, "not_found")


def test_a_stream_is_kept_as_it_came(desk: Desk) -> None:
    """The bytes of a streamed answer are the provider's events, whole."""
    context = desk.made()
    assert desk.say(context, "count to 3", stream=True).status == 200
    raw = desk.ask("GET", f"/contexts/{context}/turns/1/raw").body
    assert raw.startswith(b"data: {")
    assert raw.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("model", MODELS)
def test_a_history_is_brought_along(desk: Desk, model: str) -> None:
    """A conversation that began elsewhere is imported in a vendor's words, and goes on with any model."""
    context = desk.made()
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "My name is Ada."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "note", "arguments": '{"n": 1E2}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "noted"},
        {"role": "assistant", "content": "Noted."},
    ]
    body = {"dialect": "openai", "messages": messages}
    added = desk.ask("POST", f"/contexts/{context}/turns", body, headers={"idempotency-key": f"k-{model}"})
    assert (added.status, added.json()["added"]) == (201, 5)
    again = desk.ask("POST", f"/contexts/{context}/turns", body, headers={"idempotency-key": f"k-{model}"})
    assert (again.status, again.body) == (201, added.body)
    said = desk.say(context, "What is my name?", model)
    assert said.json()["choices"][0]["message"]["content"] == "Your name is Ada."
    assert desk.texts(context)[-2:] == ["What is my name?", "Your name is Ada."]
    assert len(desk.texts(context)) == 7


def test_anthropics_words_are_taken_too(desk: Desk) -> None:
    """Blocks and the `system` member of Anthropic's dialect become turns; so do the protocol's own words."""
    context = desk.made()
    body = {
        "dialect": "anthropic",
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
        ],
    }
    assert desk.ask("POST", f"/contexts/{context}/turns", body).status == 201
    turns = {"turns": [{"role": "user", "parts": [{"type": "text", "text": "again"}]}], "pinned": True}
    assert desk.ask("POST", f"/contexts/{context}/turns", turns).status == 201
    assert desk.texts(context) == ["Be brief.", "hello", "hi", "again"]
    stored = desk.ask("GET", f"/contexts/{context}/turns?first=3").json()["turns"]
    assert (stored[0]["source"], stored[0]["pinned"]) == ("import", True)


def test_a_fork_goes_its_own_way_and_comes_back(desk: Desk) -> None:
    """Both have the turns before it, neither sees the other's later ones, and a merge brings them together."""
    context = desk.told("one", "two")
    forked = desk.ask("POST", f"/contexts/{context}/fork", {"at_seq": 2}).json()
    assert forked["parent"]["id"] == context
    assert desk.say(forked["id"], "branch").status == 200
    assert desk.say(context, "trunk").status == 200
    assert desk.texts(forked["id"])[::2] == ["one", "branch"]
    assert desk.texts(context)[::2] == ["one", "two", "trunk"]
    refused = desk.ask(
        "POST", f"/contexts/{context}/merge", {"source": forked["id"], "strategy": "fast_forward"}
    )
    assert problem(refused)[:2] == (409, "merge_conflict")
    merged = desk.ask("POST", f"/contexts/{context}/merge", {"source": forked["id"]})
    assert merged.status == 200, merged.body
    assert desk.texts(context)[::2] == ["one", "two", "trunk", "branch"]
    twice = desk.ask("POST", f"/contexts/{context}/merge", {"source": forked["id"]})
    assert problem(twice)[:2] == (409, "merge_conflict")
    assert desk.ask("POST", f"/contexts/{context}/verify").json()["ok"] is True


def test_a_summary_is_told_in_place_of_what_it_sums_up(desk: Desk) -> None:
    """The model is told the summary and the last units; the turns stay, and the report says what was done."""
    context = desk.told("My name is Ada.", "I live in Graz.", "I like tea.")
    compacted = desk.ask("POST", f"/contexts/{context}/compact", {"alias": "summary", "keep_last": 2})
    assert compacted.status == 200
    assert compacted.json()["turns"] == 7
    turn = desk.ask("GET", f"/contexts/{context}/turns?first=6").json()["turns"][0]
    assert (turn["compaction"]["first"], turn["compaction"]["last"]) == (0, 3)
    answer = desk.say(context, "What do I like?")
    assert answer.headers["x-llmgw-preservation"].startswith("verdict=degraded")
    report = desk.ask("GET", f"/contexts/{context}/report/latest").json()["report"]
    assert [loss["code"] for loss in report["losses"]] == ["window.summarised"]
    assert report["counts"]["turns_sent"] == 3
    nothing = desk.ask("POST", f"/contexts/{context}/compact", {"alias": "summary", "keep_last": 9})
    assert problem(nothing) == (400, "invalid_request", [("invalid_request", "/keep_last")])


def test_a_failed_compaction_changes_nothing(desk: Desk) -> None:
    """The provider's failure is told, the context is as before, and nobody waits for a lease."""
    context = desk.told("one", "two", "three")
    before = desk.ask("GET", f"/contexts/{context}").json()
    failed = desk.ask("POST", f"/contexts/{context}/compact", {"alias": "sim/sim-fail-500"})
    assert problem(failed)[:2] == (502, "provider_error")
    assert desk.ask("GET", f"/contexts/{context}").json() == before
    assert desk.say(context, "four").status == 200


def test_every_call_has_a_report(desk: Desk) -> None:
    """By the revision that the call made, with what was sent to whom; the last one under `latest`."""
    context = desk.told("one", "two")
    first = desk.ask("GET", f"/contexts/{context}/report/1").json()
    latest = desk.ask("GET", f"/contexts/{context}/report/latest").json()
    assert (first["report"]["rev"], latest["report"]["rev"]) == (1, 2)
    assert latest["report"]["sent"] == [[0, 2]]
    assert latest["report"]["verdict"] == "preserved"
    assert latest["report"]["target"]["model"] == "gpt-5.2"
    assert problem(desk.ask("GET", f"/contexts/{context}/report/3"))[:2] == (404, "not_found")


def test_what_was_redacted_is_gone_and_the_chain_holds(desk: Desk) -> None:
    """The turn keeps its place without its words, no provider is told them again, and the proof still holds."""
    context = desk.told("My secret is 4711.", "Remember it.")
    redacted = desk.ask("POST", f"/contexts/{context}/redact", {"turns": [0, 1]})
    assert redacted.status == 200
    everything = desk.ask("GET", f"/contexts/{context}/export").body
    assert b"secret is 4711" not in everything
    assert desk.texts(context)[:2] == ["", ""]
    proof = desk.ask("POST", f"/contexts/{context}/verify").json()
    assert (proof["ok"], proof["redacted"]) == (True, 2)
    assert desk.say(context, "What is my secret?").status == 200
    assert problem(desk.ask("POST", f"/contexts/{context}/redact", {"turns": [99]}))[:2] == (
        400,
        "invalid_request",
    )


def test_an_erased_context_leaves_a_receipt(desk: Desk) -> None:
    """It is refused while others begin in it, then gone for good, with what there was, by number."""
    context = desk.told("one", subject="eve")
    fork = desk.ask("POST", f"/contexts/{context}/fork").json()["id"]
    assert problem(desk.ask("DELETE", f"/contexts/{context}"))[:2] == (409, "context_has_forks")
    receipt = desk.ask("DELETE", f"/contexts/{context}?forks=keep").json()
    assert (receipt["turns"], receipt["rev"], receipt["forks"]) == (2, 1, {fork: "kept"})
    assert problem(desk.ask("GET", f"/contexts/{context}"))[:2] == (410, "context_erased")
    assert desk.say(context, "hello?").status == 410
    assert desk.texts(fork)[0] == "one"
    whole = desk.ask("DELETE", "/contexts?subject=eve").json()
    assert [each["id"] for each in whole["receipts"]] == [fork]
    assert desk.ask("GET", "/contexts?subject=eve").json()["contexts"] == []
    assert desk.ask("DELETE", "/contexts?subject=eve").json()["receipts"] == []


def test_who_looked_is_written_down(desk: Desk) -> None:
    """Reads and writes are in the access log with key, purpose and revision, chained; it outlives the context."""
    context = desk.told("one")
    desk.ask("GET", f"/contexts/{context}/turns", headers={"x-llmgw-purpose": "audit 2026"})
    desk.ask("DELETE", f"/contexts/{context}")
    entries = desk.ask("GET", f"/contexts/{context}/access-log").json()["entries"]
    assert [entry["op"] for entry in entries] == ["create", "commit", "read_turns", "erasing", "erase"]
    read = entries[2]
    assert (read["detail"], read["rev"]) == ("audit 2026", "1")
    assert read["who"] in desk.key
    assert len({entry["link"] for entry in entries}) == len(entries)
