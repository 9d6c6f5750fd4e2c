"""Each code that an error about contexts can have, provoked through the door, in the words of whoever asked."""

import base64
import http.client
import json
from collections.abc import Callable
from typing import Final

import pytest
from llmgw.context.storage.names import BLOBS, HASH, STATE, TURNS, Keys
from llmgw.state.connection import State
from llmgw.types import context_errors
from llmgw.types.errors import GatewayError
from tests.e2e.contexts.desk import MODELS
from tests.e2e.contexts.scene import Scene
from tests.running import Answer

PICTURE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8 * 1024)).decode()
"""Large enough to be kept apart from its turn."""


def broken_stream(response: http.client.HTTPResponse) -> Answer:
    """The error that ends a stream, as if it were an answer of its own."""
    *_, last = [line for line in response.read().split(b"\n") if line.startswith(b"data: {")]
    error = json.loads(last.removeprefix(b"data: "))
    return Answer(error["error"].get("status", 0), {}, json.dumps(error).encode())


def not_found(scene: Scene) -> Answer:
    """A name nobody gave."""
    return scene.desk.say("nobody-made-it", "hello")


def schema_not_found(scene: Scene) -> Answer:
    """A schema nobody registered."""
    return scene.desk.ask("GET", "/schemas/none/1")


def session_not_found(scene: Scene) -> Answer:
    """A history that nobody was asked about."""
    return scene.desk.ask("GET", "/sessions/nobody")


def exists(scene: Scene) -> Answer:
    """A name that is taken."""
    return scene.desk.ask("POST", "/contexts", {"id": scene.desk.made()})


def locked(scene: Scene) -> Answer:
    """Another call is under way; it ends as if nothing had been."""
    context = scene.desk.made()
    with scene.under_way(context) as (response, heard):
        answer = scene.desk.say(context, "me too")
        heard.go_on()
        response.read()
    assert int(answer.headers["retry-after"]) >= 1
    assert scene.desk.texts(context) == ["go on", "HelloHello"]
    return answer


def fenced(scene: Scene) -> Answer:
    """Another writer took over under the call; its answer is kept aside."""
    context = scene.desk.made()
    with scene.under_way(context) as (response, heard):
        scene.behind(lambda state, keys: state.command("HINCRBY", keys.of(HASH), "fence", 1), context)
        heard.go_on()
        answer = broken_stream(response)
    assert scene.desk.texts(context) == []
    (orphan,) = scene.desk.ask("GET", f"/contexts/{context}/orphans").json()["orphans"]
    assert orphan["kind"] == "fenced"
    return answer


def expired(scene: Scene) -> Answer:
    """The context's time runs out under the call."""
    context = scene.desk.made()
    with scene.under_way(context) as (response, heard):
        scene.behind(lambda state, keys: state.command("DEL", keys.of(HASH), keys.of(TURNS)), context)
        heard.go_on()
        return broken_stream(response)


def erased(scene: Scene) -> Answer:
    """What was erased on request."""
    context = scene.desk.told("forget me")
    assert scene.desk.ask("DELETE", f"/contexts/{context}").status == 200
    return scene.desk.say(context, "do you remember?")


async def _forge(state: State, keys: Keys) -> None:
    frame = await state.command("LINDEX", keys.of(TURNS), 0)
    await state.command("LSET", keys.of(TURNS), 0, frame.replace(b"true", b"TRUE"))


def integrity_failed(scene: Scene) -> Answer:
    """A state that was forged in the store."""
    context = scene.desk.made(state={"paid": False})

    async def forge(state: State, keys: Keys) -> None:
        written = await state.command("GET", keys.of(STATE))
        await state.command("SET", keys.of(STATE), written.replace(b"false", b"true "))

    scene.behind(forge, context)
    return scene.desk.ask("GET", f"/contexts/{context}/state")


def quarantined(scene: Scene) -> Answer:
    """A turn that was forged in the store, once that was noticed."""
    context = scene.desk.told("it is true")
    scene.behind(_forge, context)
    assert not scene.desk.ask("POST", f"/contexts/{context}/verify").json()["ok"]
    return scene.desk.say(context, "is it?")


def has_forks(scene: Scene) -> Answer:
    """Others begin in what is to be erased."""
    context = scene.desk.told("one")
    assert scene.desk.ask("POST", f"/contexts/{context}/fork", {}).status == 201
    return scene.desk.ask("DELETE", f"/contexts/{context}")


def merge_conflict(scene: Scene) -> Answer:
    """Both branches changed the same, and nothing is stored."""
    desk = scene.desk
    context = desk.told("one", state={"colour": "red"})
    fork = desk.ask("POST", f"/contexts/{context}/fork", {}).json()["id"]
    for name, colour in ((context, "blue"), (fork, "green")):
        assert desk.ask("PUT", f"/contexts/{name}/state", {"colour": colour}).status == 200
    answer = desk.ask("POST", f"/contexts/{context}/merge", {"source": fork})
    assert [each["pointer"] for each in answer.json()["violations"]] == ["/colour"]
    assert desk.ask("GET", f"/contexts/{context}/state").json()["data"] == {"colour": "blue"}
    return answer


def schema_incompatible(scene: Scene) -> Answer:
    """A second version that refuses what the first took."""
    assert scene.desk.ask("PUT", "/schemas/colour/1", {"type": "object"}).status == 201
    return scene.desk.ask("PUT", "/schemas/colour/2", {"required": ["colour"]})


def schema_rejected(scene: Scene) -> Answer:
    """A schema that leads elsewhere."""
    return scene.desk.ask("PUT", "/schemas/remote/1", {"$ref": "http://127.0.0.1:9/elsewhere"})


def schema_violation(scene: Scene) -> Answer:
    """Metadata beyond their bounds."""
    return scene.desk.ask("POST", "/contexts", {"metadata": {"k": "v" * 20_000}})


def patch_failed(scene: Scene) -> Answer:
    """A patch of what is not there."""
    context = scene.desk.made(state={"a": 1})
    return scene.desk.ask("PATCH", f"/contexts/{context}/state", [{"op": "remove", "path": "/b"}])


def idempotency_in_flight(scene: Scene) -> Answer:
    """The same call again, before it has ended."""
    context = scene.desk.made()
    with scene.under_way(context, **{"idempotency-key": "once"}) as (response, heard):
        body = {
            "model": f"fake/{heard.model}",
            "messages": [{"role": "user", "content": "go on"}],
            "llmgw": {"context": context},
            "stream": True,
        }
        answer = scene.desk.ask("POST", "/chat/completions", body, headers={"idempotency-key": "once"})
        heard.go_on()
        response.read()
    return answer


def idempotency_reused(scene: Scene) -> Answer:
    """A key for another request."""
    context, key = scene.desk.made(), {"idempotency-key": "twice"}
    assert scene.desk.say(context, "one", headers=key).status == 200
    return scene.desk.say(context, "two", headers=key)


def revision_mismatch(scene: Scene) -> Answer:
    """Another revision than there is; the answer has the one there is."""
    context = scene.desk.told("one")
    answer = scene.desk.say(context, "two", headers={"if-match": '"0-0123456789abcdef"'})
    now = scene.desk.ask("GET", f"/contexts/{context}").headers["etag"]
    assert answer.headers["etag"] == now
    return answer


def revision_required(scene: Scene) -> Answer:
    """No revision, where the policy wants one."""
    context = scene.desk.made(policy={"require_if_match": True})
    assert scene.desk.say(context, "one").status == 200
    return scene.desk.say(context, "two")


def too_large(scene: Scene) -> Answer:
    """More bytes than the policy allows."""
    return scene.desk.say(scene.desk.made(policy={"max_bytes": 1024}), "x" * 2000)


def too_long(scene: Scene) -> Answer:
    """More tokens than the model takes."""
    return scene.desk.say(scene.desk.made(), "word " * 400, "narrow/sim")


def violation(scene: Scene) -> Answer:
    """A tool's result without its call, to a strict context."""
    context = scene.desk.made(policy={"enforcement": "strict"})
    body = {
        "model": MODELS[0],
        "messages": [{"role": "tool", "tool_call_id": "call_1", "content": "21"}],
        "llmgw": {"context": context},
    }
    return scene.desk.ask("POST", "/chat/completions", body)


def not_preserved(scene: Scene) -> Answer:
    """A model that cannot be told all, where all is demanded."""
    context = scene.desk.made(policy={"min_preservation": 1.0})
    thinking = {"reasoning_effort": "low", "max_completion_tokens": 4000}
    assert scene.desk.say(context, "what is 17 + 25?", MODELS[1], **thinking).status == 200
    return scene.desk.say(context, "and 1 + 1?", MODELS[2])


def bundle_rejected(scene: Scene) -> Answer:
    """A bundle that is none."""
    return scene.desk.ask("POST", "/contexts/import", b"{}\n", media_type="application/x-ndjson")


def media_missing(scene: Scene) -> Answer:
    """A picture that is gone from the store."""
    context = scene.desk.made(policy={"rules": {"media.resolvable": "strict"}})
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    body = {
        "model": MODELS[0],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, shown]}],
        "llmgw": {"context": context},
    }
    assert scene.desk.ask("POST", "/chat/completions", body).status == 200
    # A worker remembers pictures; a fork's it has not seen.
    fork = scene.desk.ask("POST", f"/contexts/{context}/fork", {}).json()["id"]
    scene.behind(lambda state, keys: state.command("DEL", keys.of(BLOBS)), context)
    return scene.desk.say(fork, "what did you see?")


SCENES: Final[dict[str, Callable[[Scene], Answer]]] = {
    "context_not_found": not_found,
    "schema_not_found": schema_not_found,
    "session_not_found": session_not_found,
    "context_exists": exists,
    "context_locked": locked,
    "context_fenced": fenced,
    "context_expired": expired,
    "context_erased": erased,
    "context_integrity_failed": integrity_failed,
    "context_quarantined": quarantined,
    "context_has_forks": has_forks,
    "merge_conflict": merge_conflict,
    "schema_incompatible": schema_incompatible,
    "schema_rejected": schema_rejected,
    "schema_violation": schema_violation,
    "patch_failed": patch_failed,
    "idempotency_in_flight": idempotency_in_flight,
    "idempotency_key_reused": idempotency_reused,
    "revision_mismatch": revision_mismatch,
    "revision_required": revision_required,
    "context_too_large": too_large,
    "context_length_exceeded": too_long,
    "context_violation": violation,
    "context_not_preserved": not_preserved,
    "bundle_rejected": bundle_rejected,
    "media_missing": media_missing,
}
CODES: Final = {
    kind.code: kind
    for kind in vars(context_errors).values()
    if isinstance(kind, type)
    and issubclass(kind, GatewayError)
    and kind.__module__ == context_errors.__name__
    and not kind.__name__.startswith("_")
}


def test_every_code_is_provoked() -> None:
    """No error about contexts is without a scene."""
    assert SCENES.keys() == CODES.keys()


@pytest.mark.parametrize("code", SCENES)
def test_a_code_and_its_status(scene: Scene, code: str) -> None:
    """The status and code are those that are documented, and the message is for people."""
    answer = SCENES[code](scene)
    document = answer.json()
    told = document.get("error", document)
    assert told["code"] == code, told
    if answer.status:
        assert answer.status == CODES[code].status
    assert len(told.get("message") or told["detail"]) > 10
