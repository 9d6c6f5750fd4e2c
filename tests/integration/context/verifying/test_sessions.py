"""Sessions on a real Valkey: two workers, broken answers, several threads, bounds, expiry, outages."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.verifying import sessions as room
from llmgw.context.verifying.sessions import Answered, Outcome, Request, Sessions
from llmgw.context.verifying.settings import VerifySettings
from llmgw.context.verifying.store import BRANCHES, SessionKeys
from llmgw.state.connection import State
from llmgw.types.context_errors import SessionNotFound
from llmgw.types.errors import StoreUnavailable
from llmgw.types.message import Message, TextPart
from llmgw.types.violation import pointer_to
from redis import Redis
from tests.integration.context.stage import SECRET, assistant, play, user
from tests.valkey_servers import Server
from tests.valkey_topologies import cluster_url

KEYS = SessionKeys("default", "s-1")


class Caller:
    """One caller that keeps its history, at one worker; `now_ms` is the time of day there."""

    def __init__(self, state: State, keys: SessionKeys = KEYS, *, ttl_s: int = 600) -> None:
        self.now_ms = 1_000
        settings = VerifySettings(ttl_s=ttl_s)
        self.sessions = Sessions(state, ChainKeys({"k1": SECRET}), settings, lambda: self.now_ms)
        self.keys = keys

    def read(self, messages: Sequence[Message]) -> Request:
        """Read a history."""
        return Request(
            history=self.sessions.canon(self.keys.tenant).history(messages, "openai"),
            pointing=lambda place: pointer_to("messages", place[0]),
            instructions="/messages/0",
        )

    def answered(self, *messages: Message, broken: bool = False) -> Answered:
        """Digest answers to one call."""
        canon = self.sessions.canon(self.keys.tenant)
        digests = [digest for each in messages if (digest := canon.answer(each, "openai")) is not None]
        return Answered(digests=tuple(digests[:1]), others=tuple(digests[1:]), broken=broken)

    async def say(
        self, messages: Sequence[Message], *answers: Message, broken: bool = False
    ) -> tuple[str, list[str]]:
        """Send a history and be answered; returns the verdict and the codes of what was found."""
        outcome = await self.check(messages)
        await self.sessions.keep(
            self.keys, self.read(messages), outcome, self.answered(*answers, broken=broken), "call_1"
        )
        return outcome.verdict, [each.code for each in outcome.findings]

    async def check(self, messages: Sequence[Message]) -> Outcome:
        """Send a history, and stay without an answer."""
        self.now_ms += 1
        return await self.sessions.check(self.keys, self.read(messages))


def talk(count: int) -> list[Message]:
    """So many exchanges."""
    return [each for n in range(count) for each in (user(f"q{n}"), assistant(f"a{n}"))]


def with_state(url: str, scene: Callable[[State], Awaitable[None]]) -> None:
    """Run a scene on a store."""
    play(url, scene)


def test_two_workers_know_the_same(store_url: str) -> None:
    """A history that goes to one worker and the other in turns is known to both."""

    async def scene(state: State) -> None:
        workers = [Caller(state), Caller(state)]
        whole = talk(6)
        for number in range(6):
            said = whole[: 2 * number + 1]
            told = await workers[number % 2].say(said, whole[2 * number + 1])
            assert told == ("preserved", [])
        assert [each.turns for each in (await workers[0].sessions.report("default", "s-1")).branches] == [12]

    with_state(store_url, scene)


def test_two_calls_at_once_take_a_branch_each(store_url: str) -> None:
    """Both go on from the same turns; whichever is written first, both answers are known afterwards."""

    async def scene(state: State) -> None:
        caller = Caller(state)
        before = talk(2)
        await caller.say(before[:1], before[1])
        await caller.say(before[:3], before[3])
        one, other = [*before, user("left")], [*before, user("right")]
        first, second = await caller.check(one), await caller.check(other)
        await caller.sessions.keep(KEYS, caller.read(one), first, caller.answered(assistant("l")), "c")
        await caller.sessions.keep(KEYS, caller.read(other), second, caller.answered(assistant("r")), "c")
        for said, answer in ((one, "l"), (other, "r")):
            assert await caller.say([*said, assistant(answer), user("on")], assistant("x")) == (
                "preserved",
                [],
            )

    with_state(store_url, scene)


@pytest.mark.parametrize("kept", [None, "", "half of wh", "half of what was said, and more"])
def test_what_a_caller_keeps_of_a_broken_answer_is_no_finding(store_url: str, kept: str | None) -> None:
    """An answer broke off: the caller has none of it, a part, or more than the gateway had passed on."""

    async def scene(state: State) -> None:
        caller = Caller(state)
        await caller.say([user("q0")], assistant("half of what"), broken=True)
        rest = [] if kept is None else [assistant(kept)]
        assert await caller.say([user("q0"), *rest, user("q1")], assistant("a1")) == ("preserved", [])

    with_state(store_url, scene)


def test_whichever_of_several_answers_is_gone_on_with_is_known(store_url: str) -> None:
    """A call with `n` of 3 gave three answers."""

    async def scene(state: State) -> None:
        for chosen in range(3):
            caller = Caller(state, SessionKeys("default", f"n-{chosen}"))
            answers = [assistant(f"choice {n}") for n in range(3)]
            await caller.say([user("q0")], *answers)
            verdict, _ = await caller.say([user("q0"), answers[chosen], user("q1")], assistant("a1"))
            assert verdict == "preserved"

    with_state(store_url, scene)


def test_an_answer_that_goes_on_from_a_beginning_is_one_turn(store_url: str) -> None:
    """The caller begins the answer; what comes back is one message, or two."""

    async def scene(state: State) -> None:
        for parts in (["{one}"], ["{", "one}"]):
            caller = Caller(state, SessionKeys("default", f"begun-{len(parts)}"))
            request = caller.read([user("q0"), assistant("{")])
            outcome = await caller.sessions.check(caller.keys, request)
            assert outcome.findings == ()
            canon = caller.sessions.canon("default")
            digest = canon.answer(assistant("one}"), "openai", request.history.ending)
            assert digest is not None
            await caller.sessions.keep(caller.keys, request, outcome, Answered(digests=(digest,)), "call_1")
            back = [user("q0"), *map(assistant, parts), user("q1")]
            assert await caller.say(back, assistant("a1")) == ("preserved", [])

    with_state(store_url, scene)


def test_instructions_that_change_are_told_and_harmless(store_url: str) -> None:
    """They are no turn: the verdict stays, and the branch goes on."""

    async def scene(state: State) -> None:
        caller = Caller(state)

        def under(words: str, *said: Message) -> list[Message]:
            return [Message(role="system", parts=(TextPart(text=words),)), *said]

        await caller.say(under("one", user("q0")), assistant("a0"))
        outcome = await caller.check(under("two", user("q0"), assistant("a0"), user("q1")))
        assert outcome.verdict == "preserved"
        assert [(each.code, each.detail, each.pointer) for each in outcome.findings] == [
            ("edited", "instructions.changed", "/messages/0")
        ]

    with_state(store_url, scene)


def test_a_session_that_begins_elsewhere_is_unverified_once(store_url: str) -> None:
    """Answers that came along are told, and known from then on."""

    async def scene(state: State) -> None:
        caller = Caller(state)
        said = [*talk(3), user("next")]
        assert await caller.say(said, assistant("a")) == ("unverified", ["foreign"])
        assert await caller.say([*said, assistant("a"), user("on")], assistant("b")) == ("preserved", [])

    with_state(store_url, scene)


def test_a_session_has_room_for_so_many_branches(store_url: str) -> None:
    """The one used least lately makes room; nobody is then accused of what was forgotten."""

    async def scene(state: State) -> None:
        caller = Caller(state)
        threads = [[user(f"thread {n}")] for n in range(BRANCHES + 3)]
        for number, thread in enumerate(threads):
            assert await caller.say(thread, assistant(f"a{number}")) == ("preserved", [])
        report = await caller.sessions.report("default", "s-1")
        assert (len(report.branches), report.forgotten) == (BRANCHES, 3)
        newest, oldest = len(threads) - 1, 0
        for number, wanted in ((newest, ("preserved", [])), (oldest, ("unverified", ["foreign"]))):
            said = [*threads[number], assistant(f"a{number}"), user("on")]
            assert await caller.say(said, assistant("b")) == wanted

    with_state(store_url, scene)


def test_a_history_beyond_all_bounds_is_unverified(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not compared, and not written down."""

    async def scene(state: State) -> None:
        caller = Caller(state)
        assert (await caller.check(talk(4))).too_long
        await caller.say([*talk(2), user("q2")], assistant("a2"))
        await caller.say([*talk(3), user("q3")], assistant("a3"))
        assert [each.turns for each in (await caller.sessions.report("default", "s-1")).branches] == [6]

    monkeypatch.setattr(room, "MAX_TURNS", 7)
    with_state(store_url, scene)


def test_a_session_expires_as_a_whole(store_url: str) -> None:
    """Each of its keys has an end, and what is left of a session whose turns are gone is no accusation."""

    async def scene(state: State) -> None:
        caller = Caller(state, ttl_s=60)
        await caller.say(talk(1)[:1], talk(1)[1])
        with Redis.from_url(store_url) as client:
            names = list(client.scan_iter("llmgw:ses:*"))
            assert len(names) == 2
            assert all(0 < int(client.pttl(name)) <= 60_000 for name in names)
            client.delete(caller.keys.all()[1])
        assert await caller.say([*talk(1), user("x"), assistant("y"), user("z")], assistant("b")) == (
            "unverified",
            ["foreign"],
        )

    with_state(store_url, scene)


def test_what_was_answered_while_the_store_was_away_is_no_accusation(store_url: str) -> None:
    """The answer could not be written down: it is foreign to the store, and the verdict is unverified."""

    async def scene(state: State) -> None:
        caller = Caller(state)
        await caller.say(talk(1)[:1], talk(1)[1])
        away = State("redis://127.0.0.1:9", timeout_s=0.1)
        there, caller.sessions._store._state = caller.sessions._store._state, away
        with pytest.raises(StoreUnavailable):
            await caller.check([*talk(1), user("q1")])
        caller.sessions._store._state = there
        await away.aclose()
        assert await caller.say([*talk(2), user("q2")], assistant("a2")) == ("unverified", ["foreign"])
        assert await caller.say([*talk(3), user("q3")], assistant("a3")) == ("preserved", [])

    with_state(store_url, scene)


def test_sessions_of_tenants_are_apart(store_url: str) -> None:
    """The same name and the same words under another tenant: nothing is known, and no digest is the same."""

    async def scene(state: State) -> None:
        mine, theirs = Caller(state), Caller(state, SessionKeys("other", "s-1"))
        await mine.say(talk(1)[:1], talk(1)[1])
        with pytest.raises(SessionNotFound):
            await theirs.sessions.report("other", "s-1")
        with pytest.raises(SessionNotFound):
            await theirs.sessions.erase("other", "s-1")
        assert mine.read(talk(1)).history.digests != theirs.read(talk(1)).history.digests
        assert (await mine.sessions.erase("default", "s-1")).turns == 2
        with Redis.from_url(store_url) as client:
            assert list(client.scan_iter("llmgw:ses:*")) == []

    with_state(store_url, scene)


def test_sessions_of_every_slot_on_a_cluster(cluster: list[Server]) -> None:
    """Sessions that fall to each of three primaries are compared, reported and forgotten there."""

    async def scene(state: State) -> None:
        whole = talk(3)
        for number in range(24):
            caller = Caller(state, SessionKeys("default", f"s-{number}"))
            assert await caller.say(whole[:1], whole[1]) == ("preserved", [])
            assert await caller.say(whole[:3], whole[3]) == ("preserved", [])
            assert await caller.say([whole[0], user("other"), *whole[2:5]], whole[5]) != ("preserved", [])
            assert (await caller.sessions.report("default", f"s-{number}")).branches
            await caller.sessions.erase("default", f"s-{number}")
            with pytest.raises(SessionNotFound):
                await caller.sessions.report("default", f"s-{number}")

    with_state(cluster_url(cluster), scene)
