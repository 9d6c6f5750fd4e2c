"""One connection to one real server: answers, silence, and what is sent how often."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.state.scripts import Script
from llmgw.types.errors import StoreUnavailable
from redis import Redis
from tests.manual_clock import ManualClock
from tests.ports import free_port
from tests.valkey_servers import Server, running
from tests.waiting import ROOMY_S, until_async

COUNT = Script("count", "#!lua\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])\n")


@contextmanager
def frozen(server: EmbeddedValkey) -> Iterator[None]:
    """Stop the server's clock: connections stay open, nothing is answered."""
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_hashes_sets_and_deletion(store_url: str) -> None:
    """What is written is read back, missing things as None, False or nothing."""

    async def use() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await state.put_hash("h", {"a": "1", "b": b"\x00\xff", "c": 3})
            assert await state.hash_fields("h", "b", "a", "c", "d") == (b"\x00\xff", b"1", b"3", None)
            assert await state.members("none") == frozenset()
            assert await state.delete("h") is True
            assert await state.delete("h") is False

    asyncio.run(use())


def test_two_workers_share_one_store(store_url: str) -> None:
    """What one process writes, the other reads."""

    async def use() -> None:
        async with (
            aclosing(State(store_url, timeout_s=ROOMY_S)) as one,
            aclosing(State(store_url, timeout_s=ROOMY_S)) as two,
        ):
            await one.put_hash("h", {"a": "1"})
            assert await two.hash_fields("h", "a") == (b"1",)

    asyncio.run(use())


def test_a_healthy_store_has_no_problem(store_url: str) -> None:
    """Readiness finds nothing wrong with the embedded store."""

    async def use() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await state.connect()
            assert await state.health() == []

    asyncio.run(use())


def test_more_callers_than_connections_wait_their_turn(store_url: str) -> None:
    """A burst beyond the pool's bound is served, not refused."""

    async def use() -> None:
        async with aclosing(State(store_url, max_connections=2, timeout_s=ROOMY_S)) as state:
            await asyncio.gather(*(state.command("INCR", "n") for _ in range(50)))
            assert await state.command("GET", "n") == b"50"

    asyncio.run(use())


def test_scripts_survive_a_script_flush_between_and_during_calls(store_url: str) -> None:
    """The server forgetting its scripts fails no call and repeats none."""

    async def use() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:

            async def count_and_flush() -> None:
                for _ in range(20):
                    await state.script(COUNT, ["n"], [1])
                    await state.command("SCRIPT", "FLUSH")

            await asyncio.gather(*(count_and_flush() for _ in range(10)))
            assert await state.command("GET", "n") == b"200"

    asyncio.run(use())


def test_a_scripts_digest_is_the_servers(store_url: str) -> None:
    """The digest we compute is the one the server answers to."""
    with Redis.from_url(store_url) as client:
        assert client.script_load(COUNT.source) == COUNT.digest


def test_a_frozen_server_gets_each_write_at_most_once(state_dir: Path) -> None:
    """A write that timed out is not sent again, though the server thaws while there would be time to."""

    async def use() -> None:
        with EmbeddedValkey(state_dir) as server:
            async with aclosing(State(server.url, timeout_s=0.5)) as state:
                await state.command("SET", "n", 0)
                for _ in range(3):
                    with frozen(server):
                        write = asyncio.create_task(state.command("INCR", "n"))
                        await asyncio.wait(
                            {write}, timeout=0.75
                        )  # past the first answer's due, before the last
                    with pytest.raises(StoreUnavailable):
                        await write
                    assert await state.command("PING")
                assert int(await state.command("GET", "n")) <= 3

    asyncio.run(use())


def test_a_silent_server_is_soon_left_alone(state_dir: Path) -> None:
    """Of ten writes to a frozen server all fail, five go out, and the thawed server is found again."""

    async def use() -> None:
        with EmbeddedValkey(state_dir) as server:
            async with aclosing(State(server.url, timeout_s=0.1)) as state:
                await state.command("SET", "n", 0)
                with frozen(server):
                    for _ in range(10):
                        with pytest.raises(StoreUnavailable):
                            await state.command("INCR", "n")
                await until_async(
                    lambda: state.command("PING"), "an answer after the thaw", unless=StoreUnavailable
                )
                assert int(await state.command("GET", "n")) <= 5  # the breaker opens after five silences

    asyncio.run(use())


def test_the_breaker_spares_a_silent_server_and_closes_by_one_probe(state_dir: Path) -> None:
    """Open means failing without sending; after the pause the first call finds the server back."""

    async def use() -> None:
        clock = ManualClock()
        with EmbeddedValkey(state_dir) as server:
            async with aclosing(State(server.url, timeout_s=0.1, clock=clock)) as state:
                with frozen(server):
                    for _ in range(5):
                        with pytest.raises(StoreUnavailable):
                            await state.command("INCR", "n")
                # The server answers again, but the clock has not moved: the breaker is still open.
                with pytest.raises(StoreUnavailable) as refused:
                    await state.command("INCR", "m")
                assert refused.value.retry_after_s == 1.0
                clock.advance(1.0)
                assert await state.command("INCR", "m") == 1

    asyncio.run(use())


def test_a_store_that_is_down_is_reported_and_found_again(state_dir: Path) -> None:
    """A process lives without its store: connect does not raise, calls say 503, and the return is noticed."""

    async def use() -> None:
        server = EmbeddedValkey(state_dir)
        async with aclosing(State(server.url, timeout_s=ROOMY_S)) as state:
            await state.connect()
            assert [problem.code for problem in await state.health()] == ["store_unreachable"]
            with pytest.raises(StoreUnavailable):
                await state.command("PING")
            with server:
                assert await state.health() == []
                assert await state.command("PING")
            assert [problem.code for problem in await state.health()] == ["store_unreachable"]

    asyncio.run(use())


def test_a_restarted_server_costs_no_call(state_dir: Path) -> None:
    """Pooled connections that died with the old server are replaced before a command goes out on them."""

    async def use() -> None:
        server = EmbeddedValkey(state_dir)
        async with aclosing(State(server.url, timeout_s=ROOMY_S)) as state:
            for _ in range(2):
                await asyncio.to_thread(server.start)  # in a thread, so that this loop sees connections end
                await asyncio.gather(*(state.command("INCR", "n") for _ in range(8)))
                await asyncio.to_thread(server.stop)
        with server, Redis.from_url(server.url) as client:
            assert client.get("n") == b"16"

    asyncio.run(use())


def test_cancelled_calls_leave_no_answer_for_the_next(store_url: str) -> None:
    """A connection whose caller went away never serves that caller's answer to another."""

    async def use() -> None:
        async with aclosing(State(store_url, max_connections=4, timeout_s=ROOMY_S)) as state:
            for owner in ("a", "b"):
                await state.put_hash(f"h:{owner}", {"owner": owner})

            async def read(owner: str) -> None:
                assert await state.hash_fields(f"h:{owner}", "owner") == (owner.encode(),)

            for _ in range(100):
                tasks = [asyncio.create_task(read("ab"[n % 2])) for n in range(8)]
                await asyncio.sleep(0)
                for task in tasks[::3]:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert [error for error in results if isinstance(error, Exception)] == []

    asyncio.run(use())


def test_a_full_store_refuses_writes_and_still_reads(tmp_path: Path) -> None:
    """Out of memory is a 503 for the write alone: no half-run script, no open breaker."""

    async def use() -> None:
        with running(server := Server(tmp_path / "full")):
            async with aclosing(State(f"redis://127.0.0.1:{server.port}", timeout_s=ROOMY_S)) as state:
                await state.command("SET", "n", 7)
                server.ask("CONFIG", "SET", "maxmemory", 1)
                for _ in range(6):
                    with pytest.raises(StoreUnavailable, match="full"):
                        await state.script(COUNT, ["n"], [1])
                assert await state.command("GET", "n") == b"7"

    asyncio.run(use())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """An evicting, non-durable replica: each fault is one problem, and only durability may be lived with."""

    async def use() -> None:
        primary = Server(tmp_path / "primary")
        replica = Server(
            tmp_path / "replica",
            "--replicaof",
            f"127.0.0.1 {primary.port}",
            "--maxmemory-policy",
            "allkeys-lru",
        )
        with running(primary, replica):
            async with aclosing(State(f"redis://127.0.0.1:{replica.port}", timeout_s=ROOMY_S)) as state:
                fatal = {problem.code: problem.fatal for problem in await state.health()}
                assert fatal == {"store_read_only": True, "store_evicts": True, "store_not_durable": False}
                with pytest.raises(StoreUnavailable):
                    await state.command("SET", "n", 1)

    asyncio.run(use())


def test_a_wrong_password_is_a_refused_login(tmp_path: Path) -> None:
    """Bad credentials are told apart from a store that is away, and never printed."""

    async def use() -> None:
        with running(server := Server(tmp_path / "locked")):
            server.ask("CONFIG", "SET", "requirepass", "right-horse")
            async with aclosing(
                State(f"redis://:right-horse@127.0.0.1:{server.port}", timeout_s=ROOMY_S)
            ) as good:
                assert await good.command("PING")
                async with aclosing(
                    State(f"redis://:wrong-horse@127.0.0.1:{server.port}", timeout_s=ROOMY_S)
                ) as bad:
                    problems = await bad.health()
                    assert [problem.code for problem in problems] == ["store_refused"]
                    with pytest.raises(StoreUnavailable) as refused:
                        await bad.command("PING")
                    assert (
                        "horse"
                        not in f"{bad!r} {bad.url} {problems!r} {refused.value} {refused.value.__cause__!r}"
                    )

    asyncio.run(use())


def test_nobody_listening_is_unreachable() -> None:
    """A refused TCP connection is the store's absence, not a crash."""

    async def use() -> None:
        async with aclosing(State(f"redis://127.0.0.1:{free_port()}", timeout_s=ROOMY_S)) as state:
            with pytest.raises(StoreUnavailable):
                await state.command("PING")

    asyncio.run(use())


def test_the_emptied_fixture_is_this_runs_own(store_url: str) -> None:
    """The shared server of the tests is the embedded one, on a unix socket."""
    with Redis.from_url(store_url) as client:
        assert client.info("server")["tcp_port"] == 0
