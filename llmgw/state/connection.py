"""The one way to the store: every command goes out at most once, and every failure comes back as one error.

A command that timed out may still have been applied; nothing here sends it again. Whoever needs to repeat a
write makes it idempotent by an id of its own.

What calls need, short scripts and a few commands, goes over lanes that all share; the rest, and whatever a lane's
server says is elsewhere, goes through the client library and its pool.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from hiredis import pack_command
from redis import exceptions
from redis.asyncio.cluster import RedisCluster

from llmgw.state.breaker import Admission, Breaker
from llmgw.state.failures import absence, demoted, silent, unavailable
from llmgw.state.health import Problem, judge
from llmgw.state.lane import LaneFull
from llmgw.state.lanes import open_lanes
from llmgw.state.listening import Listener
from llmgw.state.scripts import Script
from llmgw.state.topology import open_client
from llmgw.state.url import parse_url
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.errors import StoreUnavailable

Argument: TypeAlias = str | bytes | int
"""What a command takes; no floats, whose text form is nobody's choice."""

Run: TypeAlias = tuple[Script, Sequence[str | bytes], Sequence[Argument]]
"""A script with its keys and arguments."""

LANE_COMMANDS: Final = frozenset(
    {
        "DEL",
        "GET",
        "HDEL",
        "HGET",
        "HMGET",
        "HSET",
        "HSETNX",
        "INCR",
        "LINDEX",
        "MGET",
        "PTTL",
        "SADD",
        "SCARD",
        "XADD",
        "ZADD",
    }
)
"""Commands of calls: short, with their key in front, and with an answer that the client library leaves as it is."""

Words: TypeAlias = tuple[Argument, ...]
"""A command with its arguments."""

_FAILURES = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)
_ELSEWHERE = (exceptions.AskError, exceptions.TryAgainError, exceptions.ClusterDownError)
"""What a node says of a key that it does not have now; a `MovedError` is the first of them."""
_REDIRECTIONS_MAX: Final = 5
_REFUSED = (exceptions.ReadOnlyError, *_ELSEWHERE)


class State:
    """A connection to the store that outlives the store's absences.

    `timeout_s` bounds connecting and each answer; a call as a whole takes at most twice that. Made outside or
    inside a running loop, used in one loop only.
    """

    def __init__(
        self, url: str, *, clock: Clock | None = None, timeout_s: float = 0.5, max_connections: int = 64
    ) -> None:
        """Read the URL; connects to nothing yet.

        Raises:
            StoreUrlError: the URL cannot be meant.
        """
        self._url = parse_url(url)
        self._client, self._sentinel = open_client(
            self._url, timeout_s=timeout_s, max_connections=max_connections
        )
        self._lanes = open_lanes(self._client, timeout_s)
        self._timeout_s = timeout_s
        self._deadline_s = 2 * timeout_s
        self._breaker = Breaker(clock or SystemClock())

    @property
    def url(self) -> str:
        """The URL with its passwords replaced by `***`."""
        return self._url.redacted

    def __repr__(self) -> str:
        return f"State({self.url!r})"

    @property
    def up(self) -> bool:
        """Whether the store is asked; False while it does not answer and calls are kept from it."""
        return self._breaker.closed

    async def connect(self) -> None:
        """Open a first connection if the store is there; a store that is away is `health`'s to report."""
        await self.health()

    async def command(self, name: str, *arguments: Argument) -> Any:
        """Send one command and return the client library's decoded answer, whose strings are bytes.

        Raises:
            StoreUnavailable: no answer, or a refusal; a write may have been applied all the same.
        """
        if (admission := self._breaker.admit()) != "closed":
            await self._ask_first(admission)
        words = (name, *arguments)
        if name in LANE_COMMANDS and arguments:
            return await self._send_to(arguments[0], words)
        return await self._send(words)

    async def script(
        self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[Argument] = ()
    ) -> Any:
        """Run a script by its digest, or with its text where the server does not know it yet.

        On a Cluster all `keys` must share one slot.

        Raises:
            StoreUnavailable: no answer, or a refusal; its writes may have been applied all the same.
        """
        if (admission := self._breaker.admit()) != "closed":
            await self._ask_first(admission)
        words: Words = ("EVALSHA", script.digest, len(keys), *keys, *arguments)
        by_lane = bool(keys) and not script.bulk
        try:
            if not by_lane:
                return await self._send(words, pass_on=exceptions.NoScriptError)
            if (lane := self._lanes.find(keys[0])) is None:
                return await self._send_to(keys[0], words, pass_on=exceptions.NoScriptError)
            ends = asyncio.get_running_loop().time() + self._deadline_s
            try:
                answer = await lane.send(_packed(words))
            except _FAILURES as failure:
                return await self._elsewhere(failure, keys[0], words, ends, exceptions.NoScriptError)
        except exceptions.NoScriptError:
            words = ("EVAL", script.source, *words[2:])
            return await (self._send_to(keys[0], words) if by_lane else self._send(words))
        self._breaker.succeeded()
        return answer

    async def scripts(self, runs: Sequence[Run]) -> list[Any]:
        """Run several scripts that are sent all at once; each is given its answer, or the error that it met.

        They are no transaction: one that fails leaves the others to their end.

        Raises:
            StoreUnavailable: nothing was heard of any; the writes of each may have been applied all the same.
        """
        lanes = [None if script.bulk or not keys else self._lanes.find(keys[0]) for script, keys, _ in runs]
        if len(runs) == 1:
            return [await self._answer_to(runs[0])]
        if None in lanes:
            return await asyncio.gather(*(self._answer_to(run) for run in runs))
        if (admission := self._breaker.admit()) != "closed":
            await self._ask_first(admission)
        sent = [
            lane.send(_packed(_evalsha(run)))
            for lane, run in zip(lanes, runs, strict=True)
            if lane is not None
        ]
        answers = await _all_of(sent)
        if not any(map(_is_error, answers)):
            self._breaker.succeeded()
            return answers
        if all(map(silent, answers)):
            self._record(answers[0])
            raise unavailable(answers[0]) from answers[0]
        self._breaker.succeeded()
        return [await self._settled(run, answer) for run, answer in zip(runs, answers, strict=True)]

    async def _answer_to(self, run: Run) -> Any:
        try:
            return await self.script(*run)
        except StoreUnavailable as error:
            return error

    async def _settled(self, run: Run, answer: Any) -> Any:
        """Send one again that was refused before it began; what else went wrong with one is its own."""
        if not isinstance(answer, Exception):
            return answer
        if isinstance(answer, (exceptions.NoScriptError, *_REFUSED)):
            return await self._answer_to(run)
        return unavailable(answer)

    async def hash_fields(self, key: str, *fields: str) -> tuple[bytes | None, ...]:
        """Read fields of a hash in the order asked; None stands for a missing field or key."""
        return tuple(await self.command("HMGET", key, *fields))

    async def put_hash(self, key: str, fields: Mapping[str, Argument]) -> None:
        """Write fields of a hash; the others stay."""
        await self.command("HSET", key, *(part for pair in fields.items() for part in pair))

    async def members(self, key: str) -> frozenset[bytes]:
        """Read a set."""
        return frozenset(await self.command("SMEMBERS", key))

    async def delete(self, key: str) -> bool:
        """Delete a key; says whether it was there."""
        return bool(await self.command("DEL", key))

    def listen(self, channel: str) -> Listener:
        """Listen to a channel, on a connection beside the others; who asked for it closes it."""
        return Listener(self._client, channel, self._timeout_s)

    async def health(self) -> list[Problem]:
        """Ask the store how it is, past the breaker; an empty list means that all is well. Never raises."""
        try:
            infos = await self._info()
        except StoreUnavailable as failure:
            return [absence(failure.__cause__)]
        found: dict[str, Problem] = {}
        for info in infos:
            for problem in judge(info):
                found.setdefault(problem.code, problem)
        return list(found.values())

    async def aclose(self) -> None:
        """Close every connection; the object is of no use afterwards."""
        await self._lanes.aclose()
        await self._client.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()

    async def _info(self) -> list[Mapping[str, Any]]:
        if isinstance(self._client, RedisCluster):
            answer = await self._send(("INFO",), target_nodes=RedisCluster.PRIMARIES)
            return list(answer.values())
        return [await self._send(("INFO",))]

    async def _ask_first(self, admission: Admission) -> None:
        if admission == "open":
            raise StoreUnavailable(
                "the gateway's store does not answer",
                retry_after_s=max(self._breaker.retry_after_s, 0.1),
                asked=False,
            )
        try:
            await self._send(("PING",))
        except asyncio.CancelledError:
            self._breaker.failed()
            raise

    async def _send(
        self, words: Words, *, pass_on: type[exceptions.RedisError] | None = None, **options: Any
    ) -> Any:
        """Send a command through the client library."""
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await self._once_more_if_refused(words, **options)
        except _FAILURES as failure:
            self._raise(failure, pass_on)
        self._breaker.succeeded()
        return answer

    async def _once_more_if_refused(self, words: Words, **options: Any) -> Any:
        try:
            return await self._client.execute_command(*words, **options)
        except (exceptions.ReadOnlyError, exceptions.ConnectionError) as failure:
            if not demoted(failure):
                raise
        # A replica refuses before it applies, so this is no repeated write: drop its connections, look up who
        # is primary now, and send.
        if not isinstance(self._client, RedisCluster):
            await self._client.connection_pool.disconnect(inuse_connections=False)
        return await self._client.execute_command(*words, **options)

    async def _send_to(
        self, key: Argument, words: Words, *, pass_on: type[exceptions.RedisError] | None = None
    ) -> Any:
        """Send a command by the lane to where a key is."""
        ends = asyncio.get_running_loop().time() + self._deadline_s
        lane = self._lanes.find(key)
        try:
            if lane is None:
                async with asyncio.timeout_at(ends):
                    answer = await self._learned(key, words)
            else:
                answer = await lane.send(_packed(words))
        except _FAILURES as failure:
            return await self._elsewhere(failure, key, words, ends, pass_on)
        self._breaker.succeeded()
        return answer

    async def _elsewhere(
        self,
        failure: BaseException,
        key: Argument,
        words: Words,
        ends: float,
        pass_on: type[exceptions.RedisError] | None,
    ) -> Any:
        """Send what one server refused, where another may take it, until an instant of the loop's clock."""
        try:
            if not isinstance(failure, _REFUSED):
                raise failure
            # Before it began, so what follows is no repeated write.
            async with asyncio.timeout_at(ends):
                answer = await self._after(failure, key, words)
        except _FAILURES as last:
            self._raise(last, pass_on)
        self._breaker.succeeded()
        return answer

    async def _after(self, refusal: exceptions.ResponseError, key: Argument, words: Words) -> Any:
        """Send what one server refused to another: who is primary now, or has the slot."""
        for _ in range(_REDIRECTIONS_MAX):
            to = await self._lanes.redirect(refusal, key)
            if to is None:
                break
            try:
                return await to.lane.send(_packed(words), asking=to.asking)
            except _ELSEWHERE as again:
                refusal = again
        return await self._client.execute_command(*words)

    async def _learned(self, key: Argument, words: Words) -> Any:
        await self._lanes.learn()
        lane = self._lanes.find(key)
        if lane is None:
            return await self._client.execute_command(*words)
        try:
            return await lane.send(_packed(words))
        except _REFUSED as refusal:
            return await self._after(refusal, key, words)

    def _raise(self, failure: BaseException, pass_on: type[exceptions.RedisError] | None) -> NoReturn:
        self._record(failure)
        if pass_on is not None and isinstance(failure, pass_on):
            raise failure
        raise unavailable(failure) from failure

    def _record(self, failure: BaseException) -> None:
        """Count silence against the store; an answer, even a refusal, shows that it is there."""
        if isinstance(failure, LaneFull):
            return
        if silent(failure):
            self._breaker.failed()
        else:
            self._breaker.succeeded()


async def _all_of(sent: Sequence["asyncio.Future[Any]"]) -> list[Any]:
    """Wait for all answers, which mostly come at once; errors are answers, too."""
    answers: list[Any] = []
    try:
        for each in sent:
            try:
                answers.append(await each)
            except Exception as error:  # noqa: BLE001  # whoever asked looks at it
                answers.append(error)
    except BaseException:
        # Whoever asked leaves; what is still to come is thrown away.
        for each in sent[len(answers) :]:
            if not each.cancel() and not each.cancelled():
                each.exception()
        raise
    return answers


def _is_error(answer: Any) -> bool:
    return isinstance(answer, Exception)


def _evalsha(run: Run) -> Words:
    script, keys, arguments = run
    return ("EVALSHA", script.digest, len(keys), *keys, *arguments)


def _packed(words: Words) -> bytes:
    try:
        packed: bytes = pack_command(words)  # type: ignore[arg-type]  # its stub says a tuple of one
    except TypeError as error:
        raise exceptions.DataError(str(error)) from None
    return packed
