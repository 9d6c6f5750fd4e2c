"""One context through its life on a real Valkey: made, continued, contended for, cut off, repeated, gone."""

import asyncio
from typing import Any

import pytest
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.opened import Opened
from llmgw.context.storage.answers import Replay
from llmgw.context.storage.names import ALL, Keys
from llmgw.gateway.conversation import Conversation
from llmgw.state.connection import State
from llmgw.types.call import Call, ContextFacts
from llmgw.types.context_errors import (
    ContextExpired,
    ContextFenced,
    ContextLocked,
    ContextNotFound,
    IdempotencyInFlight,
    IdempotencyReused,
    IntegrityFailed,
    MergeConflict,
    RevisionMismatch,
    RevisionRequired,
)
from llmgw.types.errors import InvalidRequest, StoreUnavailable
from llmgw.types.secret import Secret
from tests.integration.context.stage import PLACE, SECRET, Worker, all_of, assistant, play, policy, user
from tests.waiting import until_async

C = "c-1"


def test_what_was_said_is_there_in_order(store_url: str) -> None:
    """Turns are read back as they were said, by the worker that stored them and by another."""

    async def scene(state: State) -> None:
        one, other = Worker(state), Worker(state)
        for number in range(5):
            receipt = await one.say(C, f"m{number}")
            assert receipt.rev == number + 1
        wanted = [text for n in range(5) for text in (f"m{n}", f"answer to m{n}")]
        assert await one.texts(C) == wanted
        assert await other.texts(C) == wanted
        assert [turn.seq for turn in await other.turns(C)] == list(range(10))

    play(store_url, scene)


def test_workers_take_turns(store_url: str) -> None:
    """Two workers that continue one context in turns each see what the other stored, and the chain holds."""

    async def scene(state: State) -> None:
        workers = (Worker(state), Worker(state))
        for number in range(20):
            await workers[number % 2].say(C, str(number))
        assert (await workers[0].texts(C))[::2] == [str(number) for number in range(20)]
        assert (await Worker(state).library.verify(workers[0].actor, C)).ok

    play(store_url, scene)


def test_an_unknown_context_is_not_made(store_url: str) -> None:
    """Without `create` there is no context, and after the refusal still none."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        with pytest.raises(ContextNotFound):
            await worker.open("nobody", user("hello"))
        with pytest.raises(ContextNotFound):
            await worker.library.info(worker.actor, "nobody")

    play(store_url, scene)


@pytest.mark.parametrize("name", ["", "a b", "{x}", "../x", "x" * 129, ".x", "a/b", "ü", "a\n"])
def test_names_that_cannot_be(store_url: str, name: str) -> None:
    """A name that could leave its hash slot, a path or a line is refused before the store is asked."""

    async def scene(state: State) -> None:
        with pytest.raises(InvalidRequest):
            await Worker(state).open(name, user("hello"), create=True)

    play(store_url, scene)


def test_a_second_writer_is_told_before_anything_is_asked(store_url: str) -> None:
    """While a call is under way another one gets 409 with the time until the lease ends, in every worker."""

    async def scene(state: State) -> None:
        one, other = Worker(state), Worker(state)
        opened = await one.lease(C, user("first"), create=True)
        for worker in (one, other):
            with pytest.raises(ContextLocked) as refusal:
                await worker.open(C, user("second"))
            assert 0 < (refusal.value.retry_after_s or 0) <= 30
        await one.answer(opened, assistant("done"))
        await other.say(C, "second")
        assert await one.texts(C) == ["first", "done", "second", "answer to second"]

    play(store_url, scene)


def test_eight_writers_lose_nothing(store_url: str) -> None:
    """Of 8 writers with 250 commits each every acknowledged turn is stored once, in order, and the chain holds."""

    async def writer(worker: Worker, name: int, acked: list[str]) -> None:
        done = 0
        while done < 250:
            text = f"{name}:{done}"
            try:
                opened = await worker.lease(C, user(text))
            except (ContextLocked, StoreUnavailable):
                await asyncio.sleep(0)
                continue
            await worker.contexts.commit(opened, opened.said)
            acked.append(text)
            done += 1

    async def scene(state: State) -> None:
        first = Worker(state)
        await first.say(C, "begin")
        acked: list[str] = []
        await asyncio.gather(*(writer(Worker(state), name, acked) for name in range(8)))
        texts = (await Worker(state).texts(C))[2:]
        assert sorted(texts) == sorted(acked)
        assert len(texts) == 2000
        for name in range(8):
            own = [int(text.partition(":")[2]) for text in texts if text.startswith(f"{name}:")]
            assert own == list(range(250))
        assert (await first.library.verify(first.actor, C)).ok

    play(store_url, scene)


def test_whoever_waits_gets_its_turn(store_url: str) -> None:
    """With `on_conflict: queue` calls wait for each other, and none is refused."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "begin")

        async def call(number: int) -> None:
            opened = await worker.lease(C, user(str(number)), on_conflict="queue")
            await worker.answer(opened, assistant("ok"))

        await asyncio.gather(*map(call, range(10)))
        assert sorted((await worker.texts(C))[2::2]) == sorted(map(str, range(10)))

    play(store_url, scene)


def test_a_stale_writer_is_fenced(store_url: str) -> None:
    """A call that outlived its lease stores nothing; its answer is kept aside under its name."""

    async def scene(state: State) -> None:
        slow, quick = Worker(state, lease_s=0.05), Worker(state)
        await quick.say(C, "begin")
        opened = await slow.lease(C, user("slow"), op="call_slow")
        if opened.renewal is not None:
            opened.renewal.cancel()
        opened.settled = True  # as after a stall in which nothing is renewed
        await until_async(
            lambda: quick.say(C, "quick"), "the lease to run out", unless=ContextLocked, within_s=10
        )
        opened.settled = False
        with pytest.raises(ContextFenced):
            await slow.answer(opened, assistant("paid for"))
        assert await quick.texts(C) == ["begin", "answer to begin", "quick", "answer to quick"]
        from llmgw.context.records import Records

        orphans = await Records(quick.library).orphans(quick.actor, C)
        assert [
            (each.call, each.kind, len(each.turns), f"{each.trace_id}-{each.span_id}")
            for each in orphans
            if each.kind == "fenced"
        ] == [("call_slow", "fenced", 2, PLACE)]

    play(store_url, scene)


def test_a_long_call_keeps_its_lease(store_url: str) -> None:
    """A lease is renewed while its call is under way, and ends with it."""

    async def scene(state: State) -> None:
        worker = Worker(state, lease_s=0.3)
        opened = await worker.lease(C, user("long"), create=True)
        for _ in range(8):
            await asyncio.sleep(0.1)  # longer than the lease, several times
            with pytest.raises(ContextLocked):
                await worker.open(C, user("other"))
        await worker.answer(opened, assistant("at last"))
        await worker.say(C, "next")

    play(store_url, scene)


def test_if_match(store_url: str) -> None:
    """A call that follows another revision than there is gets the one there is; the right one goes through."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        first = await worker.say(C, "one")
        second = await worker.say(C, "two", if_match=f'"{first.etag}"')
        with pytest.raises(RevisionMismatch) as refusal:
            await worker.open(C, user("three"), if_match=first.etag)
        assert refusal.value.etag == second.etag
        assert (await worker.say(C, "three", if_match=second.etag)).rev == 3

    play(store_url, scene)


def test_if_match_can_be_demanded(store_url: str) -> None:
    """A policy that wants `If-Match` lets no call pass without, but the first."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        first = await worker.say(C, "one", policy=policy(require_if_match=True))
        with pytest.raises(RevisionRequired):
            await worker.open(C, user("two"))
        await worker.contexts.aftercare.aclose()
        assert (await worker.say(C, "two", if_match=first.etag)).rev == 2

    play(store_url, scene)


def test_an_idempotency_key_answers_once(store_url: str) -> None:
    """The same key with the same request repeats the answer's bytes, with another request it is refused."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "begin")
        opened = await worker.lease(C, user("hello"), key="k")
        with pytest.raises(IdempotencyInFlight):
            await worker.open(C, user("hello"), key="k")
        await worker.answer(opened, assistant("hi"))
        await worker.contexts.remember(opened, "application/json", b'{"the": "answer"}')
        for each in (worker, Worker(state)):
            again = await each.open(C, user("hello"), key="k")
            assert isinstance(again, Replay)
            assert (again.body, again.media_type) == (b'{"the": "answer"}', "application/json")
            with pytest.raises(IdempotencyReused):
                await each.open(C, user("other"), key="k", fingerprint="g")
        assert await worker.texts(C) == ["begin", "answer to begin", "hello", "hi"]

    play(store_url, scene)


def test_an_answer_whose_bytes_were_lost_is_told_from_the_store(store_url: str) -> None:
    """Where the gateway died between storing and sending, the stored turn is the answer."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        opened = await worker.lease(C, user("hello"), key="k", create=True)
        await worker.answer(opened, assistant("hi"))
        await worker.say(C, "later")
        again = await Worker(state).open(C, user("hello"), key="k")
        assert isinstance(again, Replay)
        assert again.completion is not None
        assert again.completion.choices[0].message.parts == assistant("hi").parts

    play(store_url, scene)


def test_a_key_makes_one_context(store_url: str) -> None:
    """Without an id, a second try with the same key finds the context that the first one made."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        first = await worker.open(None, user("hello"), create=True, key="k")
        assert isinstance(first, Opened)
        await worker.answer(first, assistant("hi"))
        again = await worker.open(None, user("hello"), create=True, key="k")
        assert isinstance(again, Replay)
        found, _ = await worker.library.find(worker.actor, None, after=None, limit=10)
        assert [info.id for info in found] == [first.keys.context]

    play(store_url, scene)


def test_a_call_that_dies_is_noticed(store_url: str) -> None:
    """After a lease that nobody gave back the next call goes on, is told so, and what was asked is kept."""

    async def scene(state: State) -> None:
        dying, next_one = Worker(state, lease_s=0.05), Worker(state)
        await next_one.say(C, "begin")
        opened = await dying.lease(C, user("lost"), key="k", op="call_lost")
        opened.settled = True  # its process is gone: nothing is renewed and nothing given back
        again = await until_async(
            lambda: next_one.open(C, user("lost"), key="k"),
            "the lease to run out",
            unless=IdempotencyInFlight,
            within_s=10,
        )
        assert isinstance(again, Opened)
        assert again.lease.again
        await next_one.answer(again, assistant("found"))
        assert await next_one.texts(C) == ["begin", "answer to begin", "lost", "found"]
        entries = await state.command("XRANGE", Keys("default", C).of("o"), "-", "+")
        assert [(said[b"op"], said[b"kind"]) for _, said in entries] == [(b"call_lost", b"abandoned")]
        (orphan,) = await next_one.archive.records.orphans(next_one.actor, C)
        assert (orphan.call, orphan.kind, orphan.said) == ("call_lost", "abandoned", (user("lost"),))
        assert f"{orphan.trace_id}-{orphan.span_id}" == PLACE

    play(store_url, scene)


def test_a_released_lease_leaves_nothing(store_url: str) -> None:
    """A call that failed leaves the context as it was, its key free, and a context it made away."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        opened = await worker.lease("new", user("hello"), create=True, key="k")
        await worker.contexts.release(opened, "provider_error")
        with pytest.raises(ContextNotFound):
            await worker.library.info(worker.actor, "new")
        assert await state.command("KEYS", "llmgw:ctx:*") == []
        await worker.say(C, "begin")
        opened = await worker.lease(C, user("hello"), key="k")
        await worker.contexts.release(opened, "provider_error")
        again = await worker.lease(C, user("hello"), key="k")
        assert not again.lease.again
        await worker.answer(again, assistant("hi"))

    play(store_url, scene)


def test_a_refusal_is_told_once_its_lease_is_given_back(store_url: str) -> None:
    """Who is refused and asks again at once, of another worker, does not meet the refused call's lease."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "begin")
        real = worker.contexts.store.release
        reached, may_go_on = asyncio.Event(), asyncio.Event()

        async def slow(*arguments: Any) -> bool:
            reached.set()
            await may_go_on.wait()
            return await real(*arguments)

        worker.contexts.store.release = slow  # type: ignore[assignment]
        merging = asyncio.create_task(
            worker.archive.branches.merge(worker.actor, C, C, "append", op="of_itself")
        )
        await reached.wait()
        assert not merging.done()
        may_go_on.set()
        with pytest.raises(MergeConflict):
            await merging
        await Worker(state).lease(C, user("again"))

    play(store_url, scene)


def test_everything_expires_at_one_instant(store_url: str) -> None:
    """Each key of a context with a time to live has the same end, which moves with every commit."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "one", policy=policy(ttl_s=60))
        opened = await worker.lease(C, user("two"), key="k")
        await worker.answer(opened, assistant("ok"))
        await worker.contexts.remember(opened, "text/plain", b"ok")
        ends = set()
        for part in ALL:
            end = await state.command("PEXPIRETIME", Keys("default", C).of(part))
            if end != -2:
                ends.add(end)
        assert len(ends) == 1
        info = await worker.library.info(worker.actor, C)
        assert info.expires_at is not None

    play(store_url, scene)


def test_time_runs_out_under_a_call(store_url: str) -> None:
    """A context that expires while it is being answered is gone: no new one takes its place."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        opened = await worker.lease(C, user("one"), create=True, policy=policy(ttl_s=60))
        for part in ALL:
            await state.command("PEXPIRE", Keys("default", C).of(part), 1)
        await until_async(lambda: _is_gone(state), "the context to expire", unless=OSError)
        with pytest.raises(ContextExpired):
            await worker.answer(opened, assistant("late"))
        assert await state.command("KEYS", "llmgw:ctx:*") == []

    play(store_url, scene)


async def _is_gone(state: State) -> bool:
    return not await state.command("KEYS", "llmgw:ctx:*")


def test_another_tenants_context_is_nobodys(store_url: str) -> None:
    """By the same id another tenant finds nothing, reads nothing and makes a context of its own."""

    async def scene(state: State) -> None:
        ours, theirs = Worker(state, "a"), Worker(state, "b")
        await ours.say(C, "ours")
        with pytest.raises(ContextNotFound) as refusal:
            await theirs.open(C, user("hello"))
        with pytest.raises(ContextNotFound) as random:
            await theirs.open("never-was", user("hello"))
        assert str(refusal.value) == str(random.value)
        await theirs.say(C, "theirs")
        assert (await ours.texts(C))[0] == "ours"
        assert (await theirs.texts(C))[0] == "theirs"

    play(store_url, scene)


def _flip(frame: bytes) -> bytes:
    return frame[:-3] + bytes([frame[-3] ^ 1]) + frame[-2:]


@pytest.mark.parametrize("warm", [True, False])
def test_a_flipped_byte_is_caught(store_url: str, *, warm: bool) -> None:
    """An altered turn is named, the context quarantined, and no call continues it."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        for number in range(3):
            await worker.say(C, str(number))
        key = Keys("default", C).of("t")
        frame = await state.command("LINDEX", key, 2)
        await state.command("LSET", key, 2, _flip(frame))
        if warm:
            assert not (await worker.library.verify(worker.actor, C)).ok
        fresh = Worker(state)
        if not warm:
            with pytest.raises(IntegrityFailed) as failure:
                await fresh.open(C, user("go on"))
            assert failure.value.turn == 2
        found = await fresh.library.verify(fresh.actor, C)
        assert (found.ok, found.bad_turn) == (False, 2)
        info = await fresh.library.info(fresh.actor, C)
        assert info.status == "quarantined"
        await state.command("LSET", key, 2, frame)
        assert (await fresh.library.verify(fresh.actor, C)).ok
        await fresh.say(C, "healed")

    play(store_url, scene)


async def _cut(state: State, how: str) -> None:
    key = Keys("default", C).of("t")
    match how:
        case "missing":
            await state.command("RPOP", key)
        case "swapped":
            frames = await state.command("LRANGE", key, 0, -1)
            await state.command("LSET", key, 0, frames[2])
            await state.command("LSET", key, 2, frames[0])
        case "evicted":
            await state.command("DEL", key)
        case "doubled":
            await state.command("RPUSH", key, (await state.command("LINDEX", key, -1)))
        case "foreign":
            other = Worker(state)
            for number in range(3):
                await other.say("other", str(number))
            await state.command(
                "LSET", key, 2, await state.command("LINDEX", Keys("default", "other").of("t"), 2)
            )
        case "garbage":
            await state.command("LSET", key, 1, b"what is this")
        case "emptied":
            await state.command("LSET", key, 1, b"")


@pytest.mark.parametrize("how", ["missing", "swapped", "evicted", "doubled", "foreign", "garbage", "emptied"])
def test_tampering_is_never_silent(store_url: str, how: str) -> None:
    """A turn that is missing, moved, doubled, evicted, another context's or no turn at all stops the context."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        for number in range(3):
            await worker.say(C, str(number))
        await _cut(state, how)
        with pytest.raises(IntegrityFailed):
            await Worker(state).open(C, user("go on"))
        assert not (await Worker(state).library.verify(worker.actor, C)).ok

    play(store_url, scene)


def test_a_chain_outlives_the_rotation_of_its_key(store_url: str) -> None:
    """Turns signed by an older key are still proven; a gateway without that key says so and quarantines nothing."""

    async def scene(state: State) -> None:
        old = Worker(state)
        await old.say(C, "signed by the old key")
        newer = Secret("another-chain-key-for-tests-9876543210")
        rotated = Worker(state, keys=ChainKeys({"k1": SECRET, "k2": newer}))
        await rotated.say(C, "signed by the new key")
        assert (await rotated.library.verify(rotated.actor, C)).ok
        stranger = Worker(state, keys=ChainKeys({"k2": newer}))
        with pytest.raises(IntegrityFailed, match=r"contexts\.keys"):
            await stranger.open(C, user("hello"))
        await stranger.contexts.aftercare.aclose()
        assert (await rotated.library.info(rotated.actor, C)).status == "active"
        await rotated.say(C, "still going")

    play(store_url, scene)


def test_a_forged_key_does_not_pass(store_url: str) -> None:
    """A gateway whose key has the same id and another secret finds that nothing is what was stored."""

    async def scene(state: State) -> None:
        await Worker(state).say(C, "hello")
        forger = Worker(state, keys=ChainKeys({"k1": Secret("a-forged-chain-key-of-enough-characters")}))
        with pytest.raises(IntegrityFailed):
            await forger.open(C, user("go on"))

    play(store_url, scene)


def test_a_store_that_went_back_is_noticed(store_url: str) -> None:
    """After a failover that lost turns the next call is told, and goes on only if it names the place."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "one")
        saved = {part: await state.command("DUMP", Keys("default", C).of(part)) for part in ("h", "t")}
        last = await worker.say(C, "lost")
        for part, dump in saved.items():
            await state.command("RESTORE", Keys("default", C).of(part), 0, dump, "REPLACE")
        with pytest.raises(RevisionMismatch, match="acknowledged turns are lost") as refusal:
            await worker.open(C, user("two"))
        await worker.contexts.aftercare.aclose()
        with pytest.raises(RevisionMismatch):
            await worker.open(C, user("two"), if_match=last.etag)
        await worker.say(C, "two", if_match=refusal.value.etag)
        assert await worker.texts(C) == ["one", "answer to one", "two", "answer to two"]

    play(store_url, scene)


def test_a_commit_is_repeated_without_harm(store_url: str) -> None:
    """A commit that is sent twice, as after a lost answer, stores its turns once."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        opened = await worker.lease(C, user("once"), create=True)
        sent: list[Any] = []
        real = worker.contexts.store.commit

        async def twice(*arguments: Any) -> int:
            first = await real(*arguments)
            sent.append(first)
            return await real(*arguments)

        worker.contexts.store.commit = twice  # type: ignore[assignment]
        receipt = await worker.answer(opened, assistant("ok"))
        assert (sent, receipt.rev) == ([1], 1)
        assert await Worker(state).texts(C) == ["once", "ok"]

    play(store_url, scene)


def test_a_commit_is_repeated_after_another_call(store_url: str) -> None:
    """A commit that is sent again behind another call is known for what was stored, and not kept aside."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        opened = await worker.lease(C, user("once"), create=True)
        sent: list[Any] = []
        real = worker.contexts.store.commit

        async def noted(*arguments: Any) -> int:
            sent.append(arguments)
            return await real(*arguments)

        worker.contexts.store.commit = noted  # type: ignore[assignment]
        await worker.answer(opened, assistant("ok"))
        await Worker(state).say(C, "two")
        assert await real(*sent[0]) == 1
        assert await worker.archive.records.orphans(worker.actor, C) == []
        assert await Worker(state).texts(C) == ["once", "ok", "two", "answer to two"]

    play(store_url, scene)


@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "after it was sent"])
def test_a_commit_outlives_whoever_waits_for_it(store_url: str, *, sent: bool) -> None:
    """A call that is cancelled while it commits leaves its turns, once, and no lease; its worker knows them."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        opened = await worker.lease(C, user("once"), create=True)
        real = worker.contexts.store.commit
        reached = asyncio.Event()

        async def slow(*arguments: Any) -> int:
            worker.contexts.store.commit = real  # type: ignore[method-assign]
            if sent:
                await real(*arguments)
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

        worker.contexts.store.commit = slow  # type: ignore[assignment]
        waiting = asyncio.create_task(worker.answer(opened, assistant("ok")))
        await reached.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await worker.contexts.aftercare.aclose()
        assert opened.settled
        assert len(opened.history.turns) == 2
        await worker.say(C, "two")
        assert await Worker(state).texts(C) == ["once", "ok", "two", "answer to two"]

    play(store_url, scene)


def test_whoever_leaves_a_commit_has_nothing_more_to_end(store_url: str) -> None:
    """It goes on behind a caller who is cancelled while the store is away; its lease and key stay till then."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        opened = await worker.lease(C, user("once"), create=True, key="k")
        real, reached = worker.contexts.store.commit, asyncio.Event()
        commits = 0

        async def away(*arguments: Any) -> int:
            nonlocal commits
            commits += 1
            if commits < 3:
                reached.set()
                raise StoreUnavailable("for a moment", retry_after_s=1.0)
            return await real(*arguments)

        worker.contexts.store.commit = away  # type: ignore[assignment]
        waiting = asyncio.create_task(worker.answer(opened, assistant("ok")))
        await reached.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        unused: Any = None
        call = Call(
            id="call_1", request_id="req_1", endpoint="", trace_id=1, span_id=2, chat_span_id=3,
            started_ns=0, started_unix_ns=0,
        )  # fmt: skip
        conversation = Conversation(
            worker.contexts, unused, unused, opened, unused, call, ContextFacts(id=C), unused
        )
        conversation.abandon()
        await worker.contexts.release(opened, "left")
        await worker.contexts.aftercare.aclose()
        assert (commits, opened.settled) == (3, True)
        assert await Worker(state).texts(C) == ["once", "ok"]
        assert isinstance(await worker.open(C, user("once"), key="k"), Replay)

    play(store_url, scene)


def test_many_contexts_at_once_keep_apart(store_url: str) -> None:
    """Fifty contexts that are continued at the same time have each its own turns."""

    async def scene(state: State) -> None:
        worker = Worker(state, cache_bytes=20_000)

        async def talk(name: str) -> None:
            for number in range(4):
                await worker.say(name, f"{name} {number}")

        results = await all_of(*(talk(f"c{number}") for number in range(50)))
        assert [each for each in results if each is not None] == []
        for number in range(50):
            assert all(f"c{number} " in text for text in await worker.texts(f"c{number}"))

    play(store_url, scene)


def test_a_thousand_reports_are_kept(store_url: str) -> None:
    """Each report takes the place of the one a thousand revisions before."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        keys = Keys("default", C)
        await worker.say(C, "one")
        await state.command("HSET", keys.of("h"), "rev", 1001)
        await state.command("HSET", keys.of("r"), "2", b"old", "3", b"newer")
        opened = await worker.lease(C, user("two"))
        answer = worker.contexts.draft(opened, assistant("ok"), source="provider")
        receipt = await worker.contexts.commit(opened, [*opened.said, answer], report=b"{}")
        assert receipt.rev == 1002
        assert set(await state.command("HKEYS", keys.of("r"))) == {b"3", b"1002"}

    play(store_url, scene)


@pytest.mark.parametrize("how", [asyncio.CancelledError, StoreUnavailable])
def test_a_lease_of_which_nobody_heard_is_given_back(store_url: str, how: type[BaseException]) -> None:
    """A caller who leaves, or an answer that is lost, while the lease is being taken keeps nobody out."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "one")
        real = worker.contexts.store.begin

        async def unheard(*arguments: Any) -> Any:
            await real(*arguments)
            raise how("the answer was not heard")

        worker.contexts.store.begin = unheard  # type: ignore[assignment]
        with pytest.raises(how):
            await worker.open(C, user("two"), key="k")
        with pytest.raises(how):
            await worker.open("new", user("one"), create=True)
        worker.contexts.store.begin = real  # type: ignore[method-assign]
        await worker.contexts.aftercare.aclose()
        await worker.say(C, "two", key="k")
        assert await worker.texts(C) == ["one", "answer to one", "two", "answer to two"]
        with pytest.raises(ContextNotFound):
            await worker.library.info(worker.actor, "new")

    play(store_url, scene)


def test_old_workers_leave_what_newer_ones_wrote_alone(store_url: str) -> None:
    """A turn of a later version is refused in words that say so; no byte changes, and nothing is quarantined."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await worker.say(C, "one")
        key = Keys("default", C).of("t")
        frame = await state.command("LINDEX", key, 1)
        newer = bytes((2,)) + frame[1:]
        await state.command("LSET", key, 1, newer)
        for fresh in (Worker(state), Worker(state)):
            with pytest.raises(IntegrityFailed, match="a later gateway stored it"):
                await fresh.open(C, user("two"))
            await fresh.contexts.aftercare.aclose()
            with pytest.raises(IntegrityFailed, match="a later gateway stored it"):
                async for _ in fresh.archive.transfer.export(fresh.actor, C):
                    pass
        assert await state.command("LINDEX", key, 1) == newer
        await state.command("LSET", key, 1, frame)
        assert (await Worker(state).say(C, "two")).rev == 2

    play(store_url, scene)
