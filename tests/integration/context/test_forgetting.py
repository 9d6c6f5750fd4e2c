"""What is in the store, byte by byte: encrypted, redacted, erased content is nowhere to be read."""

import base64
from collections.abc import Iterator

import pytest
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.cipher import Undecipherable, open_cipher
from llmgw.context.kept import encode_json
from llmgw.context.opened import Opened
from llmgw.context.storage.names import Keys
from llmgw.state.connection import State
from llmgw.types.context import ContextOptions
from llmgw.types.context_errors import ContextErased, ContextFenced, ContextQuarantined, IntegrityFailed
from llmgw.types.message import MediaPart, Message, TextPart
from tests.integration.context.stage import Worker, assistant, play, user
from tests.unit.context.turns import OTHER, SECRET

WORDS = "xylophone-secret"
PICTURE = base64.b64encode(f"{WORDS} in a picture ".encode() * 600).decode()
ANSWER = "zeppelin-secret"


async def everything(state: State) -> dict[bytes, bytes]:
    """All bytes of the store, by key."""
    found: dict[bytes, bytes] = {}
    cursor = b"0"
    while True:
        cursor, names = await state.command("SCAN", cursor, "COUNT", 1000)
        for name in names:
            found[name] = b"\n".join(_flat([name, await _content(state, name)]))
        if int(cursor) == 0:
            return found


async def _content(state: State, name: bytes) -> object:
    match await state.command("TYPE", name):
        case b"string":
            return await state.command("GET", name)
        case b"list":
            return await state.command("LRANGE", name, 0, -1)
        case b"hash":
            return await state.command("HGETALL", name)
        case b"set":
            return await state.command("SMEMBERS", name)
        case b"zset":
            return await state.command("ZRANGE", name, 0, -1, "WITHSCORES")
        case b"stream":
            return await state.command("XRANGE", name, "-", "+")
        case kind:
            raise AssertionError(f"nobody looked at keys of type {kind!r}")


def _flat(value: object) -> Iterator[bytes]:
    match value:
        case bytes():
            yield value
        case str():
            yield value.encode()
        case dict():
            for name, each in value.items():
                yield from _flat(name)
                yield from _flat(each)
        case list() | tuple() | set():
            for each in value:
                yield from _flat(each)
        case _:
            yield repr(value).encode()


def holding(found: dict[bytes, bytes], *words: str) -> list[str]:
    """The parts of contexts in which any of the words is, or the picture."""
    looked_for = [*(word.encode() for word in words), PICTURE[:40].encode()]
    return sorted(
        name.decode().rpartition(":")[2]
        for name, said in found.items()
        if any(each in said for each in looked_for)
    )


async def talk(worker: Worker, context: str, words: str = WORDS, **more: object) -> None:
    """One call that leaves all that a call can leave: pictures, raw bytes, a kept answer, a state, an orphan."""
    message = Message(role="user", parts=(TextPart(text=words), MediaPart(kind="image", base64=PICTURE)))
    opened = await worker.lease(context, message, create=True, key=f"key of {context}", **more)
    raw = f'{{"said":"{words} {ANSWER}"}}'.encode()
    kept = worker.contexts.keep_raw(opened, raw, "identity", len(raw))
    draft = worker.contexts.draft(opened, assistant(f"{words} {ANSWER}"), source="provider", raw=kept)
    opened.said.append(draft)
    await worker.contexts.commit(
        opened, opened.said, report=encode_json({"call": "c"}), render=("p/m", "3:abc")
    )
    await worker.contexts.remember(opened, "application/json", raw)
    await worker.archive.states.replace(worker.actor, context, {"note": f"{words} noted"})


async def orphan(worker: Worker, context: str) -> None:
    """A call that loses its lease: what it wanted to store is kept aside."""
    slow = await worker.lease(context, user(f"{WORDS} too late"))
    await worker.state.command("HSET", Keys(worker.tenant, context).of("h"), "lease", "0")
    fast = await worker.lease(context, user("in time"))
    await worker.answer(fast, assistant("yes"))
    with pytest.raises(ContextFenced):
        await worker.answer(slow, assistant(f"{ANSWER} too late"))


def test_in_the_clear_words_are_where_they_are_kept(store_url: str) -> None:
    """Without encryption the words are found in turns, blobs, kept answers, state and orphans, and nowhere else."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await talk(worker, "c")
        await orphan(worker, "c")
        assert holding(await everything(state), WORDS, ANSWER) == ["b", "i", "o", "s", "t"]

    play(store_url, scene)


def test_encrypted_words_are_nowhere(store_url: str) -> None:
    """With encryption no key of the store holds a word of what was said, noted, answered, or left aside."""

    async def scene(state: State) -> None:
        worker = Worker(state, encrypt=True)
        await talk(worker, "c")
        await orphan(worker, "c")
        await worker.archive.branches.fork(worker.actor, "c", at=None, child="d")
        await talk(worker, "d")
        under_way = await worker.lease("c", user(f"{WORDS} under way"))
        assert holding(await everything(state), WORDS, ANSWER) == []
        await worker.contexts.release(under_way, "done")
        assert (await worker.texts("c"))[0] == WORDS
        kinds = {each.kind: each for each in await worker.archive.records.orphans(worker.actor, "c")}
        assert WORDS in str(kinds["fenced"].turns)
        assert WORDS in str(kinds["abandoned"].said)
        assert (await worker.archive.states.read(worker.actor, "c")).data == {"note": f"{WORDS} noted"}
        replay = await worker.open("c", user(WORDS), key="key of c")
        assert not isinstance(replay, Opened)
        assert ANSWER in replay.body.decode()

    play(store_url, scene)


@pytest.mark.parametrize("encrypt", [False, True], ids=["in the clear", "encrypted"])
def test_nothing_of_an_erased_context_is_left(store_url: str, *, encrypt: bool) -> None:
    """Afterwards no key holds a word or a piece of what was stored; other contexts are as they were."""

    async def scene(state: State) -> None:
        worker = Worker(state, encrypt=encrypt)
        await worker.say("other", "something else")
        before = {name: said for name, said in (await everything(state)).items() if b"/other}" in name}
        await talk(worker, "c", subject="eve")
        await orphan(worker, "c")
        stored = await everything(state)
        frames = await state.command("LRANGE", "llmgw:ctx:{default/c}:t", 0, -1)
        secret = await state.command("HGET", "llmgw:ctx:{default/c}:h", "dek")
        receipt = await worker.archive.erasure.erase(worker.actor, "c")
        assert (receipt.turns, receipt.blobs, receipt.reports, receipt.orphans) == (4, 2, 1, 3)
        assert receipt.encrypted is encrypt
        after = await everything(state)
        own = {name.decode().rpartition(":")[2] for name in after if b"/c}" in name}
        assert own == {"h", "a"}
        assert holding(after, WORDS) == []
        assert not any(b"eve" in said for said in after.values())
        assert {name: said for name, said in after.items() if b"/other}" in name} == before
        assert len(stored) > len(after)
        for name in ("h", "a"):
            assert await state.command("PTTL", f"llmgw:ctx:{{default/c}}:{name}") > 0
        # Who copied the frames before holds bytes that nothing in the store opens any more.
        whole = b"".join(after.values())
        assert all(frame[-40:] not in whole for frame in frames)
        assert secret is None or secret not in whole
        with pytest.raises(ContextErased):
            await worker.turns("c")
        assert worker.contexts.histories.known(worker.library.keys(worker.actor, "c")) is None

    play(store_url, scene)


@pytest.mark.parametrize("encrypt", [False, True], ids=["in the clear", "encrypted"])
def test_nothing_of_a_redacted_turn_is_left(store_url: str, *, encrypt: bool) -> None:
    """Neither its words, its pictures, the provider's bytes, nor the answer kept for repetition say what it was."""

    async def scene(state: State) -> None:
        worker = Worker(state, encrypt=encrypt)
        await talk(worker, "c")
        await worker.archive.states.replace(worker.actor, "c", {})
        await worker.say("c", "harmless", "quite")
        blobs = await state.command("HKEYS", "llmgw:ctx:{default/c}:b")
        assert len(blobs) == 2
        await worker.library.redact(worker.actor, "c", [0, 1])
        after = await everything(state)
        assert holding(after, WORDS, ANSWER) == []
        assert await state.command("HKEYS", "llmgw:ctx:{default/c}:b") == []
        assert await worker.texts("c") == ["", "", "harmless", "quite"]
        verified = await Worker(state, encrypt=encrypt).library.verify(worker.actor, "c")
        assert (verified.ok, verified.redacted) == (True, 2)
        await worker.say("c", "goes on", "it does")
        assert (await Worker(state, encrypt=encrypt).texts("c"))[-1] == "it does"

    play(store_url, scene)


def test_a_blob_that_others_share_stays(store_url: str) -> None:
    """What another turn holds, too, is kept when one of the two is redacted, and goes with the last."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        message = Message(role="user", parts=(MediaPart(kind="image", base64=PICTURE),))
        for _ in range(2):
            opened = await worker.lease("c", message, create=True)
            await worker.answer(opened, assistant("seen"))
        assert await state.command("HLEN", "llmgw:ctx:{default/c}:b") == 1
        await worker.library.redact(worker.actor, "c", [0])
        assert (await worker.library.verify(worker.actor, "c")).ok
        turns = await worker.turns("c")
        assert [part.base64 for part in turns[2].parts if isinstance(part, MediaPart)] == [PICTURE]
        await worker.library.redact(worker.actor, "c", [2])
        assert await state.command("HLEN", "llmgw:ctx:{default/c}:b") == 0

    play(store_url, scene)


def test_a_contexts_key_opens_nothing_elsewhere(store_url: str) -> None:
    """Content or key moved from one encrypted context to another does not read there, and says so."""

    async def scene(state: State) -> None:
        worker = Worker(state, encrypt=True)
        for name in ("c", "d"):
            await talk(worker, name)
        dek = await state.command("HGET", "llmgw:ctx:{default/c}:h", "dek")
        with pytest.raises(Undecipherable):
            open_cipher(ChainKeys({"k1": SECRET}), "default", "d", dek)
        await state.command("HSET", "llmgw:ctx:{default/d}:h", "dek", dek)
        with pytest.raises(IntegrityFailed):
            await Worker(state, encrypt=True).turns("d")
        assert (await Worker(state, encrypt=True).texts("c"))[0] == WORDS

    play(store_url, scene)


@pytest.mark.parametrize(
    "spoilt", [b"", b"k1", b"k1:", b"k9:" + bytes(60), b"\xff:" + bytes(60), b"k1:" + bytes(60)]
)
def test_a_damaged_key_is_told_as_that(store_url: str, spoilt: bytes) -> None:
    """Whatever a context's key became in the store: reading says what is wrong, and nothing is read as if plain."""

    async def scene(state: State) -> None:
        worker = Worker(state, encrypt=True)
        await talk(worker, "c")
        await state.command("HSET", "llmgw:ctx:{default/c}:h", "dek", spoilt)
        fresh = Worker(state, encrypt=True)
        with pytest.raises(IntegrityFailed):
            await fresh.turns("c")
        with pytest.raises((IntegrityFailed, ContextQuarantined)):
            await fresh.open("c", user("go on"))
        with pytest.raises(IntegrityFailed):
            await fresh.archive.states.read(fresh.actor, "c")
        assert not (await fresh.library.verify(fresh.actor, "c")).ok

    play(store_url, scene)


def test_a_rotated_key_still_opens_and_a_missing_one_is_named(store_url: str) -> None:
    """After a rotation old content reads and new is written by the new key; without the old one it says so."""

    async def scene(state: State) -> None:
        old = Worker(state, keys=ChainKeys({"k1": SECRET}), encrypt=True)
        await talk(old, "c")
        both = Worker(state, keys=ChainKeys({"k1": SECRET, "k2": OTHER}), encrypt=True)
        await both.say("c", "more")
        assert (await both.texts("c"))[0] == WORDS
        await both.library.create(both.actor, ContextOptions(id="d"))
        assert (await state.command("HGET", "llmgw:ctx:{default/d}:h", "dek")).startswith(b"k2:")
        new = Worker(state, keys=ChainKeys({"k2": OTHER}), encrypt=True)
        with pytest.raises(IntegrityFailed, match="k1"):
            await new.turns("c")
        verified = await new.library.verify(new.actor, "c")
        assert not verified.ok
        assert "k1" in (verified.reason or "")
        assert (await both.library.info(both.actor, "c")).status == "active"

    play(store_url, scene)
