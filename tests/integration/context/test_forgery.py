"""Whatever of a context somebody alters in the store, nobody is shown or told it as if it were true."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from llmgw.context.storage.answers import Replay
from llmgw.context.storage.names import BLOBS, REPLAYS, REPORTS, STATE, TURNS, Keys
from llmgw.state.connection import State
from llmgw.types.context_errors import ContextQuarantined, IntegrityFailed
from llmgw.types.message import MediaPart, Message, TextPart
from tests.integration.context.stage import Worker, assistant, play, user

ROOT: Final = Path(__file__).parents[3]
C: Final = "forged"
KEYS: Final = Keys("default", C)
PICTURE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(9000)).decode()

RECORD: Final = (ROOT / "schemas/context/1/examples/valid/record/plain.json").read_bytes()
"""Any report will do."""

Read: TypeAlias = Callable[[Worker], Awaitable[Any]]


def flipped(stored: bytes) -> bytes:
    """The same bytes but for the last one."""
    return stored[:-1] + bytes((stored[-1] ^ 1,))


async def furnish(worker: Worker) -> None:
    """Make a context that has something of everything."""
    picture = Message(
        role="user",
        parts=(TextPart(text="look"), MediaPart(kind="image", media_type="image/png", base64=PICTURE)),
    )
    opened = await worker.lease(C, picture, create=True, key="k")
    opened.said[0] = worker.contexts.draft(opened, picture)
    answer = worker.contexts.draft(
        opened,
        assistant("seen"),
        source="provider",
        raw=worker.contexts.keep_raw(opened, b'{"answer": "seen"}', "identity", 18),
    )
    await worker.contexts.commit(opened, [*opened.said, answer], report=RECORD)
    await worker.contexts.remember(opened, "application/json", b'{"said": "seen"}')
    await worker.archive.states.replace(worker.actor, C, {"paid": False})


async def export(worker: Worker) -> bytes:
    """Export the context."""
    return b"".join([line async for line in worker.archive.transfer.export(worker.actor, C)])


async def repeat(worker: Worker) -> None:
    """Have the call answered again."""
    assert isinstance(await worker.open(C, user("look"), key="k"), Replay)


async def show(worker: Worker) -> None:
    """Read the turns, content and all."""
    await worker.library.turns(worker.actor, C, 0, 10)


READS: Final[dict[str, tuple[str, bytes | None, Read]]] = {
    "the state": (STATE, None, lambda worker: worker.archive.states.read(worker.actor, C)),
    "a report": (REPORTS, b"1", lambda worker: worker.archive.records.report(worker.actor, C, 1)),
    "an answer kept for repetition": (REPLAYS, b":body", repeat),
    "a picture, shown": (BLOBS, b"b", show),
    "a picture, exported": (BLOBS, b"b", export),
    "a provider's own bytes": (BLOBS, b"r", lambda worker: worker.library.raw(worker.actor, C, 1)),
    "a provider's own bytes, exported": (BLOBS, b"r", export),
    "a turn, exported": (TURNS, None, export),
}
"""What is forged: the part of the context, which member of it, and who reads it then."""


async def forge(state: State, part: str, member: bytes | None) -> None:
    """Alter one thing in the store."""
    key = KEYS.of(part)
    if part == TURNS:
        await state.command("LSET", key, 0, flipped(await state.command("LINDEX", key, 0)))
        return
    if member is None:
        await state.command("SET", key, flipped(await state.command("GET", key)))
        return
    fields = await state.command("HGETALL", key)
    for name, value in (
        fields.items() if isinstance(fields, dict) else zip(fields[::2], fields[1::2], strict=True)
    ):
        if name.endswith(member) or (part == BLOBS and value[16:17] == member):
            await state.command("HSET", key, name, flipped(value))


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("what", READS)
def test_a_forgery_is_found(store_url: str, what: str, *, warm: bool) -> None:
    """Read by a worker that has never seen it, or by the one that stored it: nobody gets what was altered."""
    part, member, read = READS[what]

    async def scene(state: State) -> None:
        worker = Worker(state)
        await furnish(worker)
        if warm and what == "a picture, shown":
            # The worker that was given the picture has it at hand, and shows that one.
            await forge(state, part, member)
            await read(worker)
            return
        await read(worker)
        await forge(state, part, member)
        with pytest.raises(IntegrityFailed, match=r"(is|are) not what was"):
            await read(worker if warm else Worker(state))

    play(store_url, scene)


def test_a_forged_picture_stops_the_context(store_url: str) -> None:
    """What is found in content counts as what is found in a turn: it is named, and no call goes on."""

    async def scene(state: State) -> None:
        await furnish(Worker(state))
        await forge(state, BLOBS, b"b")
        worker = Worker(state)
        proof = await worker.library.verify(worker.actor, C)
        assert (proof.ok, proof.bad_turn) == (False, 0)
        with pytest.raises(ContextQuarantined):
            await worker.open(C, user("what was it?"))

    play(store_url, scene)


def test_documents_stay_in_their_places(store_url: str) -> None:
    """A report of another revision, or a state of another context, is as forged as one that was altered."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await furnish(worker)
        report = await state.command("HGET", KEYS.of(REPORTS), "1")
        await state.command("HSET", KEYS.of(REPORTS), "2", report)
        with pytest.raises(IntegrityFailed):
            await worker.archive.records.report(worker.actor, C, 2)
        await worker.say("other", "one")
        await state.command(
            "SET", Keys("default", "other").of(STATE), await state.command("GET", KEYS.of(STATE))
        )
        with pytest.raises(IntegrityFailed):
            await worker.archive.states.read(worker.actor, "other")

    play(store_url, scene)


@pytest.mark.parametrize(("frame", "is_quarantined"), [(b"\x01", True), (b"\xff" * 200, False)])
def test_nothing_forks_from_what_is_no_turn(store_url: str, frame: bytes, *, is_quarantined: bool) -> None:
    """A fork from bytes that are no turn fails; the parent is quarantined unless a later gateway may read them."""

    async def scene(state: State) -> None:
        await furnish(Worker(state))
        await state.command("LSET", KEYS.of(TURNS), -1, frame)
        worker = Worker(state)
        with pytest.raises(IntegrityFailed):
            await worker.archive.branches.fork(worker.actor, C, at=None)
        info = await worker.library.info(worker.actor, C)
        assert (info.status == "quarantined") is is_quarantined

    play(store_url, scene)
