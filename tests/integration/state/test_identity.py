"""Which store it is, on real ones: met, gone, another, and accepted by an operator."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from llmgw.policy.keyring import Keyring
from llmgw.state.connection import State
from llmgw.state.identity import KEY, StoreIdentity
from llmgw.types.errors import InvalidApiKey, StoreUnavailable
from llmgw.types.limit_errors import StoreReset
from llmgw.types.secret import Secret
from redis import Redis
from tests.waiting import ROOMY_S


def with_state(url: str, act: Callable[[State], Awaitable[None]]) -> None:
    """Run something on a store."""

    async def run() -> None:
        async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
            await act(state)

    asyncio.run(run())


def forget(url: str) -> None:
    """Have the store lose all it has."""
    with Redis.from_url(url) as client:
        client.flushall()


def test_a_store_is_met_once_and_known_from_then_on(store_url: str, tmp_path: Path) -> None:
    """Of many gateways that meet a store at once all know the same id, each in a file of its own."""

    async def meet(state: State) -> None:
        known = [StoreIdentity(state, tmp_path / str(number)) for number in range(8)]
        assert await known[0].diagnosis() == []
        assert not known[0].path.exists()
        await asyncio.gather(*(each.require() for each in known))
        ids = {each.path.read_text() for each in known}
        assert len(ids) == 1
        assert re.fullmatch(r"[0-9a-f]{32}", ids.pop())
        assert {each.path.stat().st_mode & 0o777 for each in known} == {0o600}
        assert await StoreIdentity(state, tmp_path / "0").problems() == []

    with_state(store_url, meet)


def test_an_empty_store_is_no_new_one(store_url: str, tmp_path: Path) -> None:
    """Whoever knew another store refuses it, before and after a start, and leaves it without an id."""

    async def lose(state: State) -> None:
        running = StoreIdentity(state, tmp_path)
        await running.require()
        forget(store_url)
        for each in (running, StoreIdentity(state, tmp_path)):
            with pytest.raises(StoreReset):
                await each.require()
            assert each.lost
            (problem,) = await each.problems()
            assert (problem.code, problem.fatal) == ("store_reset", True)
            assert "llmgw store accept" in problem.fix
            assert await each.diagnosis() == [problem]
        assert not (await state.hash_fields(KEY, "id"))[0]

    with_state(store_url, lose)


def test_a_store_of_others_is_no_new_one_either(store_url: str, tmp_path: Path) -> None:
    """A gateway without a file that meets the emptied store does not make it the one that others knew."""

    async def lose(state: State) -> None:
        old = StoreIdentity(state, tmp_path / "old")
        await old.require()
        forget(store_url)
        new = StoreIdentity(state, tmp_path / "new")
        await new.require()
        with pytest.raises(StoreReset):
            await old.require()
        assert await new.problems() == []

    with_state(store_url, lose)


def test_accepting_is_heard_by_all_who_knew_the_lost_one(store_url: str, tmp_path: Path) -> None:
    """One operator accepts; every gateway takes the store over, once, and knows it after a start."""

    async def accept(state: State) -> None:
        gateways = [StoreIdentity(state, tmp_path / name) for name in "abc"]
        told: list[int] = []
        for number, each in enumerate(gateways):
            await each.require()
            each.when_taken_over = lambda number=number: told.append(number)  # type: ignore[misc]
        forget(store_url)
        for each in gateways:
            with pytest.raises(StoreReset):
                await each.require()
        before = await StoreIdentity(state, tmp_path / "a").accept()
        assert before.lost
        for each in gateways:
            await each.require()
            await each.require()
        assert told == [0, 1, 2]
        for name in "abc":
            again = StoreIdentity(state, tmp_path / name)
            await again.require()
            assert not (await again.accept()).lost
        # Who knew yet another store is not meant.
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "store-id").write_text("f" * 32)
        (tmp_path / "d" / "store-id").chmod(0o600)
        with pytest.raises(StoreReset):
            await StoreIdentity(state, tmp_path / "d").require()

    with_state(store_url, accept)


@pytest.mark.parametrize("fault", ["others can read it", "it is empty", "it is no id", "it is a directory"])
def test_a_file_that_cannot_be_read_is_no_reason_to_trust(store_url: str, tmp_path: Path, fault: str) -> None:
    """Without knowing which store it was, the gateway refuses, and says where to look."""

    async def look(state: State) -> None:
        known = StoreIdentity(state, tmp_path)
        match fault:
            case "others can read it":
                known.path.write_text("a" * 32)
                known.path.chmod(0o644)
            case "it is a directory":
                known.path.mkdir()
            case _:
                known.path.write_text("" if fault == "it is empty" else "../" * 100)
                known.path.chmod(0o600)
        with pytest.raises(StoreReset):
            await known.require()
        (problem,) = await known.problems()
        assert problem.code == "store_reset"
        assert "store-id" in problem.fix
        assert str(tmp_path) not in f"{problem.message}{problem.fix}"

    with_state(store_url, look)


def test_a_store_that_is_away_changes_nothing(tmp_path: Path) -> None:
    """What was found before stays, and nobody is told that the store lost anything."""

    async def look(state: State) -> None:
        known = StoreIdentity(state, tmp_path)
        with pytest.raises(StoreUnavailable):
            await known.require()
        assert not known.lost
        assert await known.problems() == []
        assert not known.path.exists()

    with_state("redis://127.0.0.1:1/0", look)


def test_no_key_is_wrong_for_a_store_that_lost_them(store_url: str, tmp_path: Path) -> None:
    """Keys in use stay good, others are refused for the store's sake; once the loss is accepted all are unknown."""

    async def lose(state: State) -> None:
        known = StoreIdentity(state, tmp_path)
        await known.require()
        keyring = Keyring(state, Secret("pepper" * 8), be_sure=known.require)
        used, unused = [(await keyring.create(name, "caller")).token.reveal() for name in ("used", "unused")]
        await keyring.authenticate(used)
        forget(store_url)
        keyring.doubt()
        assert (await keyring.authenticate(used)).name == "used"
        with pytest.raises(StoreReset):
            await keyring.authenticate(unused)
        await known.accept()
        for token in (used, unused):
            with pytest.raises(InvalidApiKey):
                await keyring.authenticate(token)

    with_state(store_url, lose)
