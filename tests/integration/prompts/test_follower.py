"""What workers know of the registry, as it changes, goes away, is emptied and comes back."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from llmgw.prompts.prompts import Prompts
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import Push, Retire
from llmgw.prompts.settings import PromptSettings
from llmgw.prompts.storage import keys
from llmgw.prompts.storage.store import PromptStore
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.types.errors import InternalError, StoreUnavailable
from llmgw.types.prompt import PromptApi, PromptRef, content_hash
from llmgw.types.prompt_errors import PromptNotFound, PromptRetired, PromptVersionNotFound
from redis import Redis
from tests.integration.prompts.stage import (
    ANNA,
    NAME,
    PASSED,
    TENANT,
    comes,
    content,
    insist,
    lead,
    play,
    ready,
    served,
    text_served,
    worker,
)
from tests.waiting import ROOMY_S, until_async


def codes(prompts: Prompts) -> list[str]:
    """What is wrong with what a worker knows."""
    return [each.code for each in prompts.problems()]


def test_a_hundred_moves_are_seen_by_every_worker(store_url: str) -> None:
    """Each worker has a state of its own and never polls: all of them see each move, because they are told."""

    async def scene(state: State) -> None:
        registry = Registry(state, PromptSettings())
        for number in range(3):
            await ready(registry, f"text {number + 1}")
        await lead(registry, 1)
        async with AsyncExitStack() as stack:
            states = [
                await stack.enter_async_context(aclosing(State(store_url, timeout_s=ROOMY_S)))
                for _ in range(4)
            ]
            workers = [await stack.enter_async_context(worker(each)) for each in states]
            for number in range(100):
                target = (number + 1) % 3 + 1
                await lead(registry, target)
                for each in workers:
                    seen = lambda each=each, target=target: served(each).number == target  # noqa: E731
                    await comes(seen, f"move {number} to be seen")
                    assert text_served(each) == f"text {target}"

    play(store_url, scene)


def test_a_worker_that_is_told_nothing_finds_out(store_url: str) -> None:
    """With its ears shut, it sees a move by looking every so often."""

    async def scene(state: State) -> None:
        registry = Registry(state, PromptSettings())
        for text in ("one", "two"):
            await ready(registry, text)
        await lead(registry, 1)
        await state.command("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "+@all", "-subscribe")
        deaf_url = store_url.replace("unix://", "unix://deaf:pw@")
        async with (
            aclosing(State(deaf_url, timeout_s=ROOMY_S)) as deaf,
            worker(deaf, poll_s=0.1) as prompts,
        ):
            assert served(prompts).number == 1
            await lead(registry, 2)
            await comes(lambda: served(prompts).number == 2, "the move to be seen by polling")

    play(store_url, scene)


def test_what_is_emptied_while_it_is_read_is_served_on(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store loses everything between two questions of one look: what was good last stays, and that is told."""
    members = PromptStore.members

    async def scene(state: State) -> None:
        async def emptied(store: PromptStore, after: int | None = None) -> list[tuple[str, str]]:
            await state.command("FLUSHALL")
            return await members(store, after)

        async with worker(state, poll_s=0.1) as prompts:
            await ready(prompts.registry, "one")
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")
            monkeypatch.setattr(PromptStore, "members", emptied)
            # A count that went back has a worker compare all there is.
            await state.command("SET", keys.GENERATION, 0)
            await comes(lambda: codes(prompts) == ["prompts_lost"], "the loss to be noticed")
            assert text_served(prompts) == "one"

    play(store_url, scene)


def test_what_is_not_there_any_more_is_dropped(store_url: str) -> None:
    """A label that was taken out, a version that was retired, a prompt whose entry is gone: not served for ever."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for text in ("one", "two"):
                await ready(prompts.registry, text)
            await lead(prompts.registry, 1)
            await lead(prompts.registry, 2, "staging")
            await comes(
                lambda: served(prompts, PromptRef(name=NAME, label="staging")), "the label to be seen"
            )
            await prompts.registry.remove_label(ANNA, NAME, "staging")

            async def refused(ref: PromptRef, error: type[Exception]) -> None:
                def look() -> bool:
                    try:
                        served(prompts, ref)
                    except error:
                        return True
                    return False

                await comes(look, f"{error.__name__}")

            await refused(PromptRef(name=NAME, label="staging"), PromptVersionNotFound)
            await prompts.registry.retire(ANNA, NAME, Retire(version=2))
            await refused(PromptRef(name=NAME, version=2), PromptRetired)
            await state.delete(keys.prompt(TENANT, NAME))
            await ready(prompts.registry, "another", name="other")
            await comes(
                lambda: served(prompts, PromptRef(name="other", version=1)), "the next change to be seen"
            )
            await prompts._follower.look()
            await state.command("CLIENT", "KILL", "TYPE", "pubsub")
            await refused(PromptRef(name=NAME), PromptNotFound)

    play(store_url, scene)


def test_a_store_that_is_killed_changes_nothing(state_dir: Path, tmp_path: Path) -> None:
    """Calls are served while it is away, its age and the reason are told; then changes are seen again."""

    async def scene() -> None:
        directory = tmp_path / "kept"
        with EmbeddedValkey(state_dir) as server:
            state = State(server.url, timeout_s=ROOMY_S)
            prompts = Prompts(state, PromptSettings(state_dir=directory, poll_s=0.1))
            await prompts.start()
            for text in ("one", "two"):
                await ready(prompts.registry, text)
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")
        await comes(lambda: codes(prompts) == ["prompts_unreachable"], "the absence to be noticed")
        assert (served(prompts).number, text_served(prompts)) == (1, "one")
        await comes(lambda: prompts.snapshot.age_s > 0.2, "it to grow old")
        with pytest.raises(PromptNotFound):
            served(prompts, PromptRef(name="nothing"))
        with pytest.raises(StoreUnavailable):
            await prompts.registry.rollback(ANNA, NAME, "production")
        with EmbeddedValkey(state_dir):
            await insist(lambda: lead(prompts.registry, 2))
            await comes(lambda: served(prompts).number == 2 and not codes(prompts), "it to be followed again")
            await prompts.aclose()
            await state.aclose()

    asyncio.run(scene())


def test_a_worker_starts_without_the_store(store_url: str, tmp_path: Path) -> None:
    """What was good last is served from the file, whole, and says so; without the file nothing is denied."""

    async def write(state: State) -> None:
        async with worker(state, tmp_path) as prompts:
            await ready(prompts.registry, "one")
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")

    async def read(state: State) -> None:
        async with worker(state, tmp_path) as prompts:
            assert text_served(prompts) == "one"
            found = prompts.snapshot.resolve(TENANT, PromptRef(name=NAME), ("c", "u", TENANT, "x"))  # type: ignore[arg-type]
            assert found.source == "disk"
            assert codes(prompts) == ["prompts_unreachable"]
        async with worker(state) as fresh:
            with pytest.raises(StoreUnavailable):
                served(fresh)

    play(store_url, write)
    play("unix:///nowhere", read)


def test_a_file_that_was_damaged_is_refused_and_replaced(store_url: str, tmp_path: Path) -> None:
    """It is not read by half; the store is asked instead, and the file is whole again."""
    path = tmp_path / "prompts.snapshot"

    async def scene(state: State) -> None:
        async with worker(state, tmp_path) as prompts:
            await ready(prompts.registry, "one")
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")
        whole = path.read_bytes()
        path.write_bytes(whole[:-7])
        async with aclosing(State("unix:///nowhere")) as away, worker(away, tmp_path) as cold:
            assert codes(cold) == ["prompts_unreachable", "prompts_file_refused"]
            with pytest.raises(StoreUnavailable):
                served(cold)
        async with worker(state, tmp_path) as prompts:
            assert (text_served(prompts), codes(prompts)) == ("one", [])
        assert path.read_bytes().partition(b"\n")[2] == whole.partition(b"\n")[2]

    play(store_url, scene)


def test_an_emptied_store_is_a_loss_and_no_news(store_url: str, tmp_path: Path) -> None:
    """What was good last stays, also in a worker that starts now; the first new prompt is a new beginning."""

    async def scene(state: State) -> None:
        async with worker(state, tmp_path, poll_s=0.1) as prompts:
            await ready(prompts.registry, "one")
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")
            await prompts._follower._writing  # type: ignore[misc]
            with Redis.from_url(store_url) as client:
                client.flushall()
            await comes(lambda: codes(prompts) == ["prompts_lost"], "the loss to be noticed")
            assert text_served(prompts) == "one"
            async with worker(state, tmp_path) as cold:
                assert (text_served(cold), codes(cold)) == ("one", ["prompts_lost"])
            await ready(prompts.registry, "new", name="other")
            await comes(lambda: served(prompts, PromptRef(name="other", version=1)), "the new beginning")
            # A look that is under way has what it read so far, and ends with what was lost.
            await comes(lambda: codes(prompts) == [], "the look to end")
            with pytest.raises(PromptNotFound):
                served(prompts)

    play(store_url, scene)


def test_altered_bytes_are_never_served(store_url: str) -> None:
    """A content that is not what its hash says leaves what was good last; mended, the prompt goes on."""

    async def scene(state: State) -> None:
        async with worker(state, poll_s=0.1) as prompts:
            await ready(prompts.registry, "one")
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")
            made = await prompts.registry.push(ANNA, NAME, Push(content=content("two")))
            field = f"c:{made.info.hash}"
            (whole,) = await state.hash_fields(keys.prompt(TENANT, NAME), field)
            assert whole is not None
            await state.put_hash(keys.prompt(TENANT, NAME), {field: whole.replace(b"two", b"owt")})
            await prompts.registry.publish(ANNA, NAME, 2)
            await comes(lambda: codes(prompts) == ["prompts_damaged"], "the damage to be noticed")
            assert (served(prompts).number, text_served(prompts)) == (1, "one")
            async with worker(state) as fresh:
                with pytest.raises(InternalError):
                    served(fresh)
            await state.put_hash(keys.prompt(TENANT, NAME), {field: whole})
            await comes(lambda: served(prompts, PromptRef(name=NAME, version=2)), "it to be mended")
            assert codes(prompts) == []

    play(store_url, scene)


def test_only_what_changed_is_read_again(store_url: str) -> None:
    """A move reads one entry and no content; what a worker knows it does not ask for."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for number in range(20):
                await ready(prompts.registry, f"text {number}", name=f"p{number}")
            await comes(lambda: served(prompts, PromptRef(name="p19", version=1)).gate, "all to be seen")
            before = {name: prompts.snapshot.kept(TENANT, name) for name in prompts.snapshot.prompts(TENANT)}
            await lead(prompts.registry, 1, name="p7")
            await comes(lambda: served(prompts, PromptRef(name="p7")).number == 1, "the move to be seen")
            after = {name: prompts.snapshot.kept(TENANT, name) for name in prompts.snapshot.prompts(TENANT)}
            assert [name for name in after if after[name] is not before[name]] == ["p7"]
            old, new = before["p7"], after["p7"]
            assert old is not None
            assert new is not None
            assert [id(each) for each in new.contents.values()] == [
                id(each) for each in old.contents.values()
            ]

    play(store_url, scene)


def test_a_store_that_lost_its_last_changes_is_compared_whole(store_url: str) -> None:
    """After a failover the same generation may be another change: no worker stays with one that is gone."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for text in ("one", "two"):
                await ready(prompts.registry, text)
            await lead(prompts.registry, 1)
            await comes(lambda: served(prompts).number == 1, "the label to be seen")
            # As a replica would have it that missed the last move, and got another instead.
            kept = await state.hash_fields(keys.prompt(TENANT, NAME), "info")
            changed = (kept[0] or b"").replace(b'"version":1,', b'"version":2,')
            assert changed != kept[0]
            await state.put_hash(keys.prompt(TENANT, NAME), {"info": changed, "stamp": "another"})
            await state.command("CLIENT", "KILL", "TYPE", "pubsub")
            await comes(lambda: served(prompts).number == 2, "the other change to be seen")

    play(store_url, scene)


def test_an_api_is_found_without_the_store(store_url: str) -> None:
    """The address of an API leads to its version in what the worker knows."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            api = PromptApi(slug="mood")
            await prompts.registry.push(ANNA, NAME, Push(content=content("one", api=api)))
            await prompts.registry.publish(ANNA, NAME, 1)
            await prompts.registry.note_gate(ANNA, NAME, 1, PASSED, {})
            await lead(prompts.registry, 1)
            found = await comes(
                lambda: served(prompts, PromptRef(slug="mood", major=1)), "the API to be seen"
            )
            assert found.hash == content_hash(content("one", api=api))

    play(store_url, scene)


def test_closing_leaves_nothing_behind(store_url: str) -> None:
    """No task and no connection that listens."""

    async def scene(state: State) -> None:
        async def listeners() -> int:
            return int((await state.command("PUBSUB", "NUMSUB", keys.CHANNEL))[1])

        # Gateways of other tests may be at the same server.
        before = await listeners()
        for _ in range(3):
            async with worker(state) as prompts:
                await ready(prompts.registry, "one")
        assert len(asyncio.all_tasks()) == 1

        async def as_before() -> bool:
            return await listeners() <= before

        # The server hears of a closed connection a moment later.
        await until_async(as_before, "the connections that listened to end", unless=StoreUnavailable)

    play(store_url, scene)
