"""Calls whose callers keep their history themselves: it is compared beside the call, which never waits for that.

What was said and answered is written down, as digests, once the answer is whole. No failure of this reaches the
call: a history that cannot be compared is `unverified`.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from llmgw.context.aftercare import Aftercare
from llmgw.context.verifying.canonical import History, Place
from llmgw.context.verifying.sessions import MAX_NAME, Answered, Outcome, Request, Sessions
from llmgw.context.verifying.store import SessionKeys
from llmgw.types.call import DEFAULT_TENANT, Call, ContextFacts
from llmgw.types.completion import Completion, fold
from llmgw.types.errors import GatewayError
from llmgw.types.event import StreamEvent, is_content
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import Details
from llmgw.types.violation import pointer_to

_log = logging.getLogger(__name__)

_GRACE_S: Final = 0.05
"""How long a whole answer waits for the verdict where the provider was quicker than the store."""
_ELSEWHERE_S: Final = 0.025
"""After which another worker has written down the answer before, if it gave one."""
_SLICE: Final = 256
"""Messages after which others get a turn while a long history is read."""
_APART: Final = "anthropic"
"""The dialect whose bodies have a `system` member of their own."""


class Verifier:
    """Begins the comparison of histories; one per worker."""

    def __init__(self, sessions: Sessions, aftercare: Aftercare) -> None:
        self.sessions = sessions
        self.aftercare = aftercare
        self.writing: dict[SessionKeys, asyncio.Future[None]] = {}
        """By their sessions, the last writes that are under way in this worker."""

    def begin(self, invocation: ChatInvocation, call: Call) -> "Verification | None":
        """Have the history compared that comes with a call, where the caller names a session."""
        session = invocation.options.verify
        if not session or not self.sessions.settings.enabled:
            return None
        tenant = call.caller.tenant if call.caller is not None else DEFAULT_TENANT
        return Verification(self, SessionKeys(tenant, session[:MAX_NAME]), invocation, call)

    def write(self, keys: SessionKeys, work: Callable[[], "asyncio.Future[None]"]) -> None:
        """Have something written down, and known to be under way until it is."""
        task = self.writing[keys] = work()
        task.add_done_callback(lambda done: self._written(keys, done))

    def _written(self, keys: SessionKeys, task: "asyncio.Future[None]") -> None:
        if self.writing.get(keys) is task:
            del self.writing[keys]


class Verification:
    """The comparison of one call's history; a `Keeper` of the answer."""

    def __init__(self, verifier: Verifier, keys: SessionKeys, invocation: ChatInvocation, call: Call) -> None:
        self._verifier = verifier
        self._keys = keys
        self._invocation = invocation
        self._call = call
        self._batches: list[Sequence[StreamEvent]] = []
        self._settled = False
        self._whole: Completion | None = None
        self._request: Request | None = None
        self.facts = call.context = ContextFacts(id=keys.session, mode="verify", verdict="unverified")
        self._before = verifier.writing.get(keys)
        self._checking = verifier.aftercare.begin(self._check())

    async def _check(self) -> Outcome | None:
        """Compare, and note what was found; None where that cannot be done."""
        facts = self.facts
        try:
            outcome = await self._compared()
        except GatewayError as error:
            _log.debug("the history of call %s was not compared: %s", self._call.id, error.code)
            return None
        except Exception:  # noqa: BLE001  # logged, as no failure of this is the call's
            _log.exception("the history of call %s was not compared", self._call.id)
            return None
        else:
            facts.verdict, facts.score, facts.findings = outcome.verdict, outcome.score, outcome.findings
            facts.turns = len(self._request.history) if self._request is not None else 0
            return outcome
        finally:
            facts.final = True

    async def _compared(self) -> Outcome:
        sessions = self._verifier.sessions
        request = self._request = await self._read()
        if self._before is not None:
            await asyncio.wait([self._before])
        outcome = await sessions.check(self._keys, request)
        if outcome.verdict != "unverified" and any(each.code == "foreign" for each in outcome.findings):
            # The answer may be one that another worker is just writing down.
            await asyncio.sleep(_ELSEWHERE_S)
            outcome = await sessions.check(self._keys, request)
        return outcome

    async def _read(self) -> Request:
        invocation = self._invocation
        reading = self._verifier.sessions.canon(self._keys.tenant).reading(invocation.wire)
        messages = invocation.messages
        for at in range(0, len(messages), _SLICE):
            if at:
                await asyncio.sleep(0)
            reading.add(messages[at : at + _SLICE])
        history = reading.end()
        apart = invocation.wire == _APART and bool(messages) and messages[0].role == "system"
        return Request(
            history=history,
            pointing=Pointing(apart=apart),
            instructions=pointer_to("system") if invocation.wire == _APART else pointer_to("messages", 0),
        )

    def add(self, events: Sequence[StreamEvent]) -> None:
        """See `Keeper.add`."""
        self._batches.append(events)

    async def finish(self, raw: bytes, *, streamed: bool, whole: Completion | None = None) -> Details:
        """See `Keeper.finish`; the caller is told by headers alone."""
        del raw
        self._whole = whole
        self._write(broken=False)
        if not streamed:
            # Whoever gets a whole answer gets the verdict with it, unless the store is slower than the provider.
            await asyncio.wait([self._checking], timeout=_GRACE_S)
        return {}

    async def break_off(self, error: GatewayError) -> None:
        """See `Keeper.break_off`."""
        del error
        self._write(broken=True)

    def abandon(self) -> None:
        """See `Keeper.abandon`."""
        self._write(broken=True)

    async def remember(self, media_type: str, body: bytes) -> None:
        """See `Keeper.remember`; nothing is kept of what callers are sent."""

    def _write(self, *, broken: bool) -> None:
        if self._settled:
            return
        self._settled = True
        aftercare = self._verifier.aftercare
        self._verifier.write(self._keys, lambda: aftercare.begin(self._keep(broken=broken)))

    async def _keep(self, *, broken: bool) -> None:
        """Write down what was said and answered; never raises."""
        try:
            outcome, request = await self._checking, self._request
            if outcome is None or request is None or outcome.too_long:
                return
            answered = self._answered(request.history, broken=broken)
            if answered is not None:
                await self._verifier.sessions.keep(self._keys, request, outcome, answered, self._call.id)
        except GatewayError as error:
            _log.debug("the history of call %s was not written down: %s", self._call.id, error.code)
        except Exception:  # noqa: BLE001  # logged, as no failure of this is the call's
            _log.exception("the history of call %s was not written down", self._call.id)

    def _answered(self, history: History, *, broken: bool) -> Answered | None:
        """Digest the answer; None where nothing was answered, which leaves the history as it was before."""
        events = [event for batch in self._batches for event in batch]
        if broken and not any(map(is_content, events)):
            return None
        completion = self._whole or fold(events)
        canon = self._verifier.sessions.canon(self._keys.tenant)
        digests = tuple(
            digest
            for choice in completion.choices
            if (digest := canon.answer(choice.message, self._invocation.wire, history.ending)) is not None
        )
        return Answered(digests=digests[:1], others=digests[1:], broken=broken)


class Pointing:
    """Where the turns of a request stand in its body."""

    def __init__(self, *, apart: bool) -> None:
        self._first = 1 if apart else 0

    def __call__(self, place: Place) -> str:
        """The pointer to a turn."""
        message, part = place
        at = message - self._first
        return pointer_to("messages", at) if part is None else pointer_to("messages", at, "content", part)
