"""The pool of connections: commands as the client library writes them, and a turn for everyone who waits."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.state.connection import State
from llmgw.state.pool import Tcp
from redis.asyncio import Connection
from redis.exceptions import DataError

ARGUMENTS = st.one_of(st.binary(max_size=40), st.text(max_size=40), st.integers())


@given(st.sampled_from(["GET", "CLIENT SETINFO", b"SET", b"CONFIG GET"]), st.lists(ARGUMENTS, max_size=8))
def test_commands_are_written_as_the_library_writes_them(
    name: str | bytes, arguments: list[str | bytes | int]
) -> None:
    """Names of one word and of several, texts, bytes and numbers: the same bytes go out."""
    library = b"".join(Connection().pack_command(name, *arguments))
    assert b"".join(Tcp().pack_command(name, *arguments)) == library


def test_what_has_no_one_form_is_refused() -> None:
    """A command with an argument that is neither text, bytes nor number is refused before anything is sent."""
    with pytest.raises(DataError):
        Tcp().pack_command("SET", "a", object())


def test_more_callers_than_connections_all_get_their_own_answers(store_url: str) -> None:
    """Of fifty callers of two connections each has the answer to its own question."""

    async def use() -> None:
        async with aclosing(State(store_url, max_connections=2, timeout_s=5)) as state:
            answers = await asyncio.gather(*(state.command("ECHO", f"{n}") for n in range(50)))
            assert answers == [f"{n}".encode() for n in range(50)]

    asyncio.run(use())


def test_a_cancelled_caller_leaves_no_answer_behind(store_url: str) -> None:
    """Whoever leaves, at whatever step of a command, keeps no connection and leaves no answer to the next."""

    async def use() -> None:
        async with aclosing(State(store_url, max_connections=1, timeout_s=5)) as state:
            await state.connect()
            for steps in range(10):
                leaving = asyncio.create_task(state.command("ECHO", "theirs"))
                for _ in range(steps):
                    await asyncio.sleep(0)
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
                assert await state.command("ECHO", "mine") == b"mine"

    asyncio.run(use())
