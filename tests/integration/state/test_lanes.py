"""Lanes to a real server: logins, encryption, large answers, and connections that are cut."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TypeAlias

import pytest
import uvloop
from llmgw.state.connection import State
from llmgw.state.scripts import Script
from llmgw.types.errors import StoreUnavailable
from redis import Redis
from tests.valkey_servers import Server, running
from tests.waiting import ROOMY_S

LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]
CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "tls"
COUNT = Script("count", "#!lua\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])\n")
ECHO = Script("echo", "#!lua\nreturn {ARGV[1], string.rep(ARGV[1], tonumber(ARGV[2]))}\n")


@contextlib.asynccontextmanager
async def encrypted(port: int) -> AsyncIterator[int]:
    """Speak TLS in front of a server that does not; says at which port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "good.pem")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            await asyncio.gather(pump(reader, back_writer), pump(back_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_lane_logs_in_and_is_encrypted_as_the_url_says(tmp_path: Path, factory: LoopFactory) -> None:
    """Password, database and certificates are those of every other connection, and large answers come whole."""

    async def use(server: Server) -> None:
        async with encrypted(server.port) as port:
            url = f"rediss://:open-sesame@localhost:{port}/3?ssl_ca_certs={CERTIFICATES / 'authority.pem'}"
            async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
                assert await state.script(COUNT, ["n"], [2]) == 2
                answers = await asyncio.gather(
                    *(state.script(ECHO, ["n"], [f"{n:04}", 100_000]) for n in range(10))
                )
                assert [(each[0], len(each[1])) for each in answers] == [
                    (b"%04d" % n, 400_000) for n in range(10)
                ]

    with running(server := Server(tmp_path / "locked")):
        server.ask("CONFIG", "SET", "requirepass", "open-sesame")
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(use(server))
        with Redis(port=server.port, password="open-sesame", db=3) as client:
            assert client.get("n") == b"2"


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_large_answers_come_between_small_ones(store_url: str, factory: LoopFactory) -> None:
    """Megabytes asked and answered over the same connection leave each small call its own answer."""

    async def use() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            texts = [b"%03d" % n * (400_000 if n % 5 == 0 else 1) for n in range(40)]
            answers = await asyncio.gather(*(state.script(ECHO, ["n"], [text, 1]) for text in texts))
            assert [each[0] for each in answers] == texts

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(use())


def test_cut_connections_fail_calls_and_repeat_none(tmp_path: Path) -> None:
    """While a server keeps hanging up, what it counted is what was answered, and at most what failed besides."""

    async def use(server: Server) -> tuple[int, int]:
        done = failed = 0
        begun, over = asyncio.Event(), asyncio.Event()
        async with aclosing(State(server.url, timeout_s=ROOMY_S)) as state:

            async def count() -> None:
                nonlocal done, failed
                while not over.is_set():
                    try:
                        await state.script(COUNT, ["n"], [1])
                        done += 1
                        begun.set()
                    except StoreUnavailable as error:
                        failed += error.asked
                        await asyncio.sleep(0)

            counting = [asyncio.create_task(count()) for _ in range(20)]
            await begun.wait()
            for _ in range(20):
                await asyncio.to_thread(server.ask, "CLIENT", "KILL", "TYPE", "normal")
            over.set()
            await asyncio.gather(*counting)
        return done, failed

    with running(server := Server(tmp_path / "store")):
        done, failed = asyncio.run(use(server))
        assert done <= int(server.ask("GET", "n")) <= done + failed


def test_scripts_sent_at_once_survive_a_script_flush(store_url: str) -> None:
    """Each of a batch whose script the server forgot is run once, with its own answer."""

    async def use() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await state.script(COUNT, ["n"], [1])
            await state.command("SCRIPT", "FLUSH")
            answers = await state.scripts([(COUNT, [f"n{n}"], [n]) for n in range(10)])
            assert answers == list(range(10))

    asyncio.run(use())


def test_of_scripts_sent_at_once_each_meets_its_own_error(store_url: str) -> None:
    """One that the server refuses leaves the others their answers."""

    async def use() -> None:
        async with aclosing(State(store_url, timeout_s=ROOMY_S)) as state:
            await state.put_hash("h", {"a": 1})
            first, second, third = await state.scripts([(COUNT, [key], [1]) for key in ("a", "h", "b")])
            assert (first, third) == (1, 1)
            assert isinstance(second, StoreUnavailable)

    asyncio.run(use())


def test_one_connection_serves_all_callers(tmp_path: Path) -> None:
    """A burst of calls opens one connection, not one each."""

    async def use(server: Server) -> int:
        async with aclosing(State(server.url, timeout_s=ROOMY_S)) as state:
            await asyncio.gather(*(state.script(COUNT, ["n"], [1]) for _ in range(500)))
            return sum(each["lib-name"] == "llmgw" for each in server.ask("CLIENT LIST"))

    with running(server := Server(tmp_path / "store")):
        assert asyncio.run(use(server)) == 1
        assert server.ask("GET", "n") == b"500"
