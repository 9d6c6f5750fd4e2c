"""A lane: who gets which answer, what is written how often, and how each bad ending ends."""

import asyncio

import pytest
from llmgw.state.lane import IN_FLIGHT_MAX, WAITING_BYTES_MAX, WAITING_MAX, LaneFull
from redis import exceptions
from tests.unit.state.other_end import OtherEnd, Switchboard, leap, play, settled


def texts(*each: str) -> bytes:
    """Answers of one text each."""
    return b"".join(b"$%d\r\n%s\r\n" % (len(text), text.encode()) for text in each)


async def connected(board: Switchboard) -> OtherEnd:
    """The connection of a lane that has been used once."""
    first = board.send("ECHO", "first")
    await settled()
    board.ends[0].say(texts("first"))
    assert await first == b"first"
    return board.ends[0]


def test_all_that_wait_go_out_in_one_write() -> None:
    """Callers of one turn of the loop share a write, and each has its own answer."""

    async def scene(board: Switchboard) -> None:
        sent = [board.send("ECHO", n) for n in range(20)]
        await settled()
        (end,) = board.ends
        assert (end.writes, board.written) == (1, [b"%d" % n for n in range(20)])
        end.say(texts(*(f"{n}" for n in range(20))))
        assert await asyncio.gather(*sent) == board.written

    play(scene)


def test_an_answer_that_comes_byte_by_byte_is_one_answer() -> None:
    """Where an answer is cut does not matter."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        sent = [board.send("ECHO", "x"), board.send("LRANGE", "y", 0, -1), board.send("GET", "z")]
        await settled()
        for byte in texts("x") + b"*2\r\n" + texts("a", "b") + b"$-1\r\n":
            end.say(bytes([byte]))
        assert await asyncio.gather(*sent) == [b"x", [b"a", b"b"], None]

    play(scene)


def test_a_connection_lost_in_the_middle_of_an_answer_fails_what_was_asked() -> None:
    """Answered calls keep their answers, asked ones fail and are not asked again, and the next call connects."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        sent = [board.send("INCR", name) for name in ("a", "b", "c")]
        await settled()
        end.say(b":1\r\n$10\r\nhalf")
        end.hang_up(ConnectionResetError())
        assert await sent[0] == 1
        for each in sent[1:]:
            with pytest.raises(exceptions.ConnectionError):
                await each
        assert board.troubles == 1
        after = board.send("INCR", "d")
        await settled()
        assert board.ends[1].commands == [[b"INCR", b"d"]]
        board.ends[1].say(b":1\r\n")
        assert await after == 1

    play(scene)


def test_what_was_not_written_goes_out_on_the_next_connection() -> None:
    """Calls that the server had no room for outlive its connection, and what was asked is not asked again."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        asked = board.send("INCR", "asked")
        end.protocol.pause_writing()
        waiting = board.send("INCR", "waiting")
        await settled()
        assert board.written == [b"first", b"asked"]
        end.hang_up(None)
        with pytest.raises(exceptions.ConnectionError):
            await asked
        await settled()
        assert board.written == [b"first", b"asked", b"waiting"]
        board.ends[1].say(b":1\r\n")
        assert await waiting == 1

    play(scene)


def test_a_late_answer_is_nobodys() -> None:
    """A call whose time is over fails; what comes for it later is thrown away, and the next has its own answer."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        late, after = board.send("ECHO", "late"), None
        await leap(0.6)
        end.say(b"$4\r\nla")  # slow, but there
        after = board.send("ECHO", "after")
        await leap(0.6)
        with pytest.raises(exceptions.TimeoutError):
            await late
        end.say(b"te\r\n" + texts("after"))
        assert await after == b"after"
        assert len(board.ends) == 1

    play(scene)


def test_a_silent_connection_is_left_alone() -> None:
    """Where no byte comes for as long as an answer may take, later calls take another connection at once.

    What was asked on the silent one is still waited for, and answered if the server thaws in time.
    """

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        first = board.send("INCR", "first")
        await leap(0.6)
        second = board.send("INCR", "second")
        await leap(0.6)
        with pytest.raises(exceptions.TimeoutError):
            await first
        assert board.troubles == 1
        third = board.send("INCR", "third")
        await settled()
        assert board.ends[1].commands == [[b"INCR", b"third"]]
        end.say(b":1\r\n:2\r\n")
        board.ends[1].say(b":3\r\n")
        assert (await second, await third) == (2, 3)
        await settled()
        assert end.is_closing()

    play(scene)


def test_a_silence_that_nobody_waited_for_is_a_silence() -> None:
    """Callers who left before their time was over do not keep a dead connection in use."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        board.send("INCR", "first").cancel()
        await leap(1.1)
        assert end.is_closing()

    play(scene)


def test_a_loop_that_stood_still_misses_no_answer() -> None:
    """An answer that came while nothing ran is taken before it is missed."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        call = board.send("ECHO", "x")
        asyncio.get_running_loop().call_soon(
            lambda: asyncio.get_running_loop().call_soon(end.say, texts("x"))
        )
        await leap(5)
        assert await call == b"x"

    play(scene)


def test_who_leaves_before_the_write_is_not_written() -> None:
    """A cancelled call that waited for its turn never reaches the server."""

    async def scene(board: Switchboard) -> None:
        stays, leaves = board.send("ECHO", "stays"), board.send("ECHO", "leaves")
        leaves.cancel()
        await settled()
        assert board.written == [b"stays"]
        board.ends[0].say(texts("stays"))
        assert await stays == b"stays"

    play(scene)


def test_who_leaves_after_the_write_leaves_a_place_behind() -> None:
    """The answer to a cancelled call is not given to the next."""

    async def scene(board: Switchboard) -> None:
        leaves, stays = board.send("ECHO", "leaves"), board.send("ECHO", "stays")
        await settled()
        leaves.cancel()
        board.ends[0].say(texts("leaves", "stays"))
        assert await stays == b"stays"

    play(scene)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n", b"+OK\r\n+AND\r\n+MORE\r\n"])
def test_what_is_no_answer_ends_the_connection(said: bytes) -> None:
    """After bytes that are no answer, or one that nobody asked for, nothing on the connection is believed."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        sent = [board.send("GET", "a"), board.send("GET", "b")]
        await settled()
        end.say(said)
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert end.is_closing()
        if said.startswith(b"HTTP"):
            assert all(isinstance(each, exceptions.ConnectionError) for each in answers)
        else:
            assert answers == [b"OK", b"AND"]

    play(scene)


def test_errors_are_each_callers_own() -> None:
    """In a batch, an error is the answer to one call, as the client library names it."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        sent = [board.send("EVALSHA", name, 0) for name in ("a", "b", "c", "d")]
        await settled()
        end.say(
            b"+fine\r\n-NOSCRIPT No matching script.\r\n-MOVED 7 10.0.0.1:6379\r\n-OOM command not allowed\r\n"
        )
        kinds = [type(each) for each in await asyncio.gather(*sent, return_exceptions=True)]
        assert kinds == [
            bytes,
            exceptions.NoScriptError,
            exceptions.MovedError,
            exceptions.OutOfMemoryError,
        ]
        assert not end.is_closing()

    play(scene)


@pytest.mark.parametrize("refusal", [b"-READONLY You can't write\r\n", b"-LOADING in memory\r\n"])
def test_a_server_that_is_no_primary_now_is_asked_no_more(refusal: bytes) -> None:
    """Once it says so, the next call connects anew; what it was asked before is waited for."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        refused, other = board.send("INCR", "a"), board.send("GET", "b")
        await settled()
        end.say(refusal)
        with pytest.raises((exceptions.ReadOnlyError, exceptions.BusyLoadingError)):
            await refused
        after = board.send("INCR", "a")
        await settled()
        assert board.ends[1].commands == [[b"INCR", b"a"]]
        end.say(b"$-1\r\n")
        board.ends[1].say(b":1\r\n")
        assert (await other, await after) == (None, 1)
        assert end.is_closing()

    play(scene)


def test_a_store_that_is_away_is_dialled_once_for_all_who_wait() -> None:
    """One try fails all who wait, each with an error of its own, and the next call tries anew."""

    async def scene(board: Switchboard) -> None:
        board.failure = exceptions.AuthenticationError("WRONGPASS")
        sent = [board.send("GET", n) for n in range(50)]
        errors = await asyncio.gather(*sent, return_exceptions=True)
        assert {type(each) for each in errors} == {exceptions.AuthenticationError}
        assert len({id(each) for each in errors}) == 50
        assert (board.dials, board.troubles) == (1, 1)
        board.failure = None
        await connected(board)
        assert board.dials == 2

    play(scene)


def test_nobody_waits_for_a_connection_for_ever() -> None:
    """Connecting and an answer together take at most twice what an answer may."""

    async def scene(board: Switchboard) -> None:
        board.hangs = True
        call = board.send("GET", "a")
        await settled()
        await leap(1.5)
        assert not call.done()
        await leap(0.6)
        with pytest.raises((exceptions.TimeoutError, TimeoutError)):
            await call
        assert board.written == []

    play(scene)


def test_more_than_a_server_is_asked_at_once_waits_its_turn() -> None:
    """So many calls are under way and no more; each answer makes room for one that waits."""

    async def scene(board: Switchboard) -> None:
        sent = [board.send("ECHO", "x") for _ in range(IN_FLIGHT_MAX + 10)]
        await settled()
        (end,) = board.ends
        assert len(end.commands) == IN_FLIGHT_MAX
        end.say(texts(*["x"] * 4))
        await settled()
        assert len(end.commands) == IN_FLIGHT_MAX + 4
        end.say(texts(*["x"] * IN_FLIGHT_MAX))
        await settled()
        end.say(texts(*["x"] * 6))
        assert await asyncio.gather(*sent) == [b"x"] * len(sent)

    play(scene)


def test_more_than_may_wait_is_refused() -> None:
    """Beyond so many calls, or bytes of them, a call fails at once and is not sent."""

    async def scene(board: Switchboard) -> None:
        board.hangs = True
        waiting = [board.send("GET", "few") for _ in range(WAITING_MAX)]
        with pytest.raises(LaneFull):
            await board.send("GET", "more")
        await settled()
        await leap(2.1)
        assert all(each.exception() is not None for each in waiting)
        large = board.send("SET", "large", b"x" * WAITING_BYTES_MAX)
        with pytest.raises(LaneFull):
            await board.send("SET", "more", "y")
        large.cancel()

    play(scene)


def test_closing_fails_who_waits() -> None:
    """Nobody waits for a lane that is closed, and nothing opens it again."""

    async def scene(board: Switchboard) -> None:
        end = await connected(board)
        asked = board.send("GET", "asked")
        await board.lane.aclose()
        for call in (asked, board.send("GET", "after")):
            with pytest.raises(exceptions.ConnectionError):
                await call
        assert end.is_closing()
        assert len(board.ends) == 1

    play(scene)
