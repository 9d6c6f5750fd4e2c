"""Large content on its way: exported and taken over, forked and detached, merged, erased; found again each time."""

from typing import Any

import pytest
from llmgw.context.integrity import bundle
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.state.connection import State
from llmgw.types.context_errors import ContextErased
from llmgw.types.message import MediaPart, Message, TextPart
from llmgw.types.secret import Secret
from tests.integration.context.stage import Worker, assistant, play, user

PICTURE = "iVBORw0KGgo" + "A" * 9_000
RAW = b'{"id":"chatcmpl-1"}'
HERE = ChainKeys({"k1": Secret("the-key-of-this-gateway-0123456789abc")})
THERE = ChainKeys({"k9": Secret("the-key-of-that-gateway-0123456789abc")}, trusted=(HERE.public,))
HOME_AGAIN = ChainKeys({"k1": Secret("the-key-of-this-gateway-0123456789abc")}, trusted=(THERE.public,))

both = pytest.mark.parametrize("encrypt", [False, True], ids=["in the clear", "encrypted"])


def picture(words: str) -> Message:
    """A user's picture, large enough to be kept apart."""
    return Message(
        role="user",
        parts=(TextPart(text=words), MediaPart(kind="image", base64=PICTURE, media_type="image/png")),
    )


async def talk(worker: Worker, context: str, words: str) -> None:
    """One call with a picture, whose answer's own bytes are kept."""
    opened = await worker.lease(context, picture(words), create=True)
    raw = worker.contexts.keep_raw(opened, RAW, "identity", len(RAW))
    answer = worker.contexts.draft(opened, assistant(f"seen: {words}"), source="provider", raw=raw)
    opened.said.append(answer)
    await worker.contexts.commit(opened, opened.said)


async def exported(worker: Worker, context: str) -> bytes:
    """A context's bundle."""
    return b"".join([line async for line in worker.archive.transfer.export(worker.actor, context)])


async def pictures(worker: Worker, context: str) -> list[Any]:
    """The contents of all pictures in a context."""
    return [
        part.base64
        for turn in await worker.turns(context)
        for part in turn.parts
        if isinstance(part, MediaPart)
    ]


async def is_whole(worker: Worker, context: str, answers: list[int], count: int = 1) -> None:
    """A context verifies, shows its pictures, gives the raw bytes of its answers, and can be exported."""
    verified = await worker.library.verify(worker.actor, context)
    assert (verified.ok, verified.missing_blobs) == (True, ())
    assert await pictures(worker, context) == [PICTURE] * count
    for seq in answers:
        assert (await worker.library.raw(worker.actor, context, seq))[0] == RAW
    assert bundle.read(await exported(worker, context)).blobs


@both
def test_a_context_goes_to_another_gateway_and_comes_back(store_url: str, *, encrypt: bool) -> None:
    """Turns, pictures and raw answers are the same after two moves, and bodies are the same bytes."""

    async def scene(state: State) -> None:
        here = Worker(state, "here", HERE, encrypt=encrypt)
        await talk(here, "c", "one")
        first = await exported(here, "c")
        there = Worker(state, "there", THERE)
        await there.archive.transfer.take_over(there.actor, first, name=None, op="op1")
        await is_whole(there, "c", [1])
        second = await exported(there, "c")
        again = Worker(state, "again", HOME_AGAIN, encrypt=not encrypt)
        await again.archive.transfer.take_over(again.actor, second, name="d", op="op2")
        await is_whole(again, "d", [1])
        bodies = [[turn.body for turn in bundle.read(each).turns] for each in (first, second)]
        assert bodies[0] == bodies[1]
        assert await again.turns("d") == await here.turns("c")

    play(store_url, scene)


@both
def test_a_fork_that_is_detached_keeps_all_content(store_url: str, *, encrypt: bool) -> None:
    """Once its parent is erased, a fork still has the pictures and raw answers of both, and exports."""

    async def scene(state: State) -> None:
        worker = Worker(state, keys=HERE, encrypt=encrypt)
        await talk(worker, "parent", "one")
        await worker.archive.branches.fork(worker.actor, "parent", at=None, child="child")
        await talk(worker, "child", "two")
        receipt = await worker.archive.erasure.erase(worker.actor, "parent", "keep")
        assert receipt.forks == {"child": "kept"}
        with pytest.raises(ContextErased):
            await worker.library.info(worker.actor, "parent")
        await is_whole(worker, "child", [1, 3], 2)
        await is_whole(Worker(state, keys=HERE, encrypt=encrypt), "child", [1, 3], 2)

    play(store_url, scene)


def test_a_redacted_turn_stays_redacted_in_a_detached_fork(store_url: str) -> None:
    """What was taken out of a parent is still told as taken out, with its digest, by a fork that stands alone."""

    async def scene(state: State) -> None:
        worker = Worker(state, keys=HERE)
        await talk(worker, "parent", "one")
        await worker.say("parent", "two")
        await worker.library.redact(worker.actor, "parent", [2])
        before = bundle.read(await exported(worker, "parent")).turns[2]
        await worker.archive.branches.fork(worker.actor, "parent", at=None, child="child")
        await worker.archive.erasure.erase(worker.actor, "parent", "keep")
        verified = await worker.library.verify(worker.actor, "child")
        assert (verified.ok, verified.redacted) == (True, 1)
        after = bundle.read(await exported(worker, "child")).turns[2]
        assert (after.body, after.salt, after.digest) == (None, None, before.digest)

    play(store_url, scene)


@both
def test_a_merge_brings_content_along(store_url: str, *, encrypt: bool) -> None:
    """Pictures of a branch that was merged are found in the context they were merged into, and export."""

    async def scene(state: State) -> None:
        worker = Worker(state, keys=HERE, encrypt=encrypt)
        await worker.say("main", "hello")
        await worker.archive.branches.fork(worker.actor, "main", at=None, child="side")
        await talk(worker, "side", "one")
        await worker.archive.branches.merge(worker.actor, "main", "side", "fast_forward", "op1")
        await worker.archive.erasure.erase(worker.actor, "side")
        await is_whole(worker, "main", [])

    play(store_url, scene)


def test_content_that_is_gone_is_missed(store_url: str) -> None:
    """A blob that is not there is named by verify, and the conversation goes on without it."""

    async def scene(state: State) -> None:
        worker = Worker(state, keys=HERE)
        await talk(worker, "c", "one")
        await worker.say("c", "two")
        key = "llmgw:ctx:{default/c}:b"
        blobs: dict[bytes, bytes] = await state.command("HGETALL", key)
        (digest,) = [name for name, content in blobs.items() if content[16:17] == b"b"]
        await state.command("HDEL", key, digest)
        fresh = Worker(state, keys=HERE)
        verified = await fresh.library.verify(fresh.actor, "c")
        assert (verified.ok, verified.missing_blobs) == (False, (digest.decode(),))
        assert await pictures(fresh, "c") == [None]
        opened = await fresh.lease("c", user("three"))
        assert digest.decode() not in await fresh.contexts.contents(opened, opened.turns)

    play(store_url, scene)
