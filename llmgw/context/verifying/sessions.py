"""Sessions: what became of a caller's history since its last call, and what is known of it.

A history is known again by a digest of all turns of a branch: where one fits, nothing but the index is read and
nothing but the new turns is written. Only where none fits are the turns themselves looked at.
"""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llmgw.context.clock import moment
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.kept import encode_json
from llmgw.context.verifying.alignment import common_prefix
from llmgw.context.verifying.branch import Branch, Tip, packed, packed_history
from llmgw.context.verifying.canonical import ANSWER, ANSWERS, BROKEN, Canon, History
from llmgw.context.verifying.findings import (
    Known,
    Pointing,
    adopted,
    changed_instructions,
    compare,
    judge,
    strangers,
)
from llmgw.context.verifying.remembered import Remembered
from llmgw.context.verifying.settings import VerifySettings
from llmgw.context.verifying.store import Index, Keeping, SessionKeys, SessionStore
from llmgw.state.connection import State
from llmgw.types.context_errors import SessionNotFound
from llmgw.types.errors import StoreUnavailable
from llmgw.types.preservation import Verdict
from llmgw.types.verification import (
    MAX_FINDINGS,
    Finding,
    SessionBranch,
    SessionCheck,
    SessionReceipt,
    SessionReport,
)

MAX_TURNS: Final = 4096
"""Turns of a history up to which it is compared."""
MAX_NAME: Final = 256
"""Characters of a session's name."""


class Request(Struct, frozen=True, kw_only=True):
    """A history that came with a call, and how its places are pointed to."""

    history: History
    pointing: Pointing
    instructions: str


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a history.

    `onto` is the branch that it continues as it was; `answered` are the session's answers where they were read.
    """

    verdict: Verdict
    score: float
    findings: tuple[Finding, ...] = ()
    onto: Tip | None = None
    answered: Collection[bytes] | None = None
    history: History | None = None
    """The history as it was compared, where that was not as it was read."""
    too_long: bool = False


class Sessions:
    """The sessions of one store, as one worker sees them."""

    def __init__(
        self, state: State, keys: ChainKeys, settings: VerifySettings, now_ms: Callable[[], int]
    ) -> None:
        self.settings = settings
        self._store = SessionStore(state)
        self._now_ms = now_ms
        remembered = Remembered()
        self._canons = lru_cache(maxsize=1024)(lambda tenant: Canon(keys.history(tenant), remembered))
        self._away_ms = -1
        """When the store was last seen to be away: what was answered then may not have been written down."""

    def canon(self, tenant: str) -> Canon:
        """What makes the digests of a tenant's histories."""
        return self._canons(tenant)

    async def check(self, keys: SessionKeys, request: Request) -> Outcome:
        """Compare a history with what is known of its session.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        now = request.history
        if len(now) > MAX_TURNS:
            return Outcome(verdict="unverified", score=1.0, too_long=True)
        try:
            index = await self._store.index(keys)
            if index is None:
                return self._unknown(adopted(now, request.pointing))
            onto = self._continued(keys, index, now)
            if onto is not None:
                return self._outcome(request, index, onto, [], len(now), onto=onto)
            branches = await self._store.branches(keys, index)
        except StoreUnavailable:
            self._away_ms = self._now_ms()
            raise
        return self._compared(request, index, branches)

    def _unknown(self, findings: list[Finding]) -> Outcome:
        """A session that is new is as it was, unless answers came along with it."""
        verdict: Verdict = "unverified" if findings else "preserved"
        return Outcome(verdict=verdict, score=1.0, findings=tuple(findings), answered=())

    def _continued(self, keys: SessionKeys, index: Index, now: History) -> Tip | None:
        """Find the longest branch that this history goes on from, with nothing but questions behind it."""
        canon = self.canon(keys.tenant)
        for tip in sorted(index.tips, key=lambda each: (-each.turns, -each.used_ms)):
            if not 0 < tip.turns <= len(now) or canon.tip(now.digests[: tip.turns]) != tip.digest:
                continue
            if not any(map(now.is_answer, range(tip.turns, now.said))):
                return tip
        return None

    def _compared(self, request: Request, index: Index, branches: list[Branch]) -> Outcome:
        answered = set(index.others).union(*(branch.answered() for branch in branches))
        everything = answered.union(*(branch.digests for branch in branches))
        now = request.history.joined(everything)
        request = replace(request, history=now)
        branch = _closest(now, branches)
        if branch is not None:
            known = Known(branch=branch, answered=answered)
            findings = compare(now, known, request.pointing)
            return self._outcome(
                request, index, branch.tip, findings, max(len(now), len(branch.digests)), answered=answered
            )
        if index.forgotten or len(branches) < len(index.tips):
            return self._unknown(adopted(now, request.pointing))
        findings = strangers(now, answered, request.pointing)
        return self._outcome(request, index, None, findings, len(now), answered=answered)

    def _outcome(
        self,
        request: Request,
        index: Index,
        tip: Tip | None,
        findings: list[Finding],
        turns: int,
        *,
        onto: Tip | None = None,
        answered: Collection[bytes] | None = None,
    ) -> Outcome:
        if tip is not None and tip.instructions != request.history.instructions:
            findings = [changed_instructions(request.instructions), *findings]
        verdict, score = judge(findings, turns)
        if index.at_ms <= self._away_ms and any(each.code == "foreign" for each in findings):
            # It may have been answered here all the same, while that could not be written down.
            verdict, score = "unverified", 1.0
        return Outcome(
            verdict=verdict,
            score=score,
            findings=tuple(findings),
            onto=onto,
            answered=answered,
            history=request.history,
        )

    async def keep(
        self, keys: SessionKeys, request: Request, outcome: Outcome, answer: "Answered", call: str
    ) -> None:
        """Write down what was said and answered.

        Raises:
            StoreUnavailable: it may not be written down.
        """
        try:
            await self._keep(keys, request, outcome, answer, call)
        except StoreUnavailable:
            self._away_ms = self._now_ms()
            raise

    async def _keep(
        self, keys: SessionKeys, request: Request, outcome: Outcome, answer: "Answered", call: str
    ) -> None:
        onto = outcome.onto
        # An answer that goes on from the history's ending is one turn with it.
        if onto is not None and onto.turns > (outcome.history or request.history).said:
            onto = None
        if onto is None or not await self._add(keys, request, outcome, answer, call, onto):
            await self._add(keys, request, outcome, answer, call, None)

    async def _add(
        self,
        keys: SessionKeys,
        request: Request,
        outcome: Outcome,
        answer: "Answered",
        call: str,
        onto: Tip | None,
    ) -> bool:
        now, now_ms = outcome.history or request.history, self._now_ms()
        said = now.said
        answered = outcome.answered
        if onto is None and answered is None:
            answered = await self._answered(keys)
        digests = [*now.digests[:said], *answer.digests]
        if len(digests) > MAX_TURNS:
            return True
        kinds = [BROKEN if answer.broken else ANSWER] * len(answer.digests)
        first = 0 if onto is None else onto.turns
        turns = packed_history(now, first, said, set(answered or ())) + packed(kinds, answer.digests)
        check = SessionCheck(
            call=call,
            at=moment(now_ms),
            verdict=outcome.verdict,
            score=outcome.score,
            turns=len(now),
            findings=outcome.findings[:MAX_FINDINGS],
            more=max(0, len(outcome.findings) - MAX_FINDINGS),
        )
        written = encode_json(check)
        keeping = Keeping(
            onto=onto,
            tip=Tip(
                slot=-1,
                turns=len(digests),
                digest=self.canon(keys.tenant).tip(digests),
                instructions=now.instructions,
                used_ms=now_ms,
            ),
            turns=turns,
            last=written,
            found=written if outcome.findings else b"",
            others=answer.others,
        )
        return await self._store.keep(keys, keeping, now_ms=now_ms, ttl_s=self.settings.ttl_s)

    async def _answered(self, keys: SessionKeys) -> set[bytes]:
        index = await self._store.index(keys)
        if index is None:
            return set()
        branches = await self._store.branches(keys, index)
        return set(index.others).union(*(branch.answered() for branch in branches))

    async def report(self, tenant: str, session: str) -> SessionReport:
        """Say what is known of a session.

        Raises:
            SessionNotFound: nothing is known of it, or it is another tenant's.
            StoreUnavailable: the store cannot be asked.
        """
        keys = SessionKeys(tenant, session[:MAX_NAME])
        index = await self._store.index(keys)
        if index is None:
            raise SessionNotFound
        left_ms = await self._store.expires_in_ms(keys)
        tips = sorted(index.tips, key=lambda tip: (-tip.used_ms, -tip.turns))
        return SessionReport(
            id=session[:MAX_NAME],
            v=1,
            created_at=moment(index.made_ms),
            updated_at=moment(index.at_ms),
            expires_at=moment(self._now_ms() + left_ms),
            calls=index.calls,
            branches=tuple(SessionBranch(turns=tip.turns, used_at=moment(tip.used_ms)) for tip in tips),
            forgotten=index.forgotten,
            last=_check(index.last),
            found=_check(index.found),
        )

    async def erase(self, tenant: str, session: str) -> SessionReceipt:
        """Forget a session.

        Raises:
            SessionNotFound: nothing is known of it, or it is another tenant's.
            StoreUnavailable: it may be forgotten all the same.
        """
        keys = SessionKeys(tenant, session[:MAX_NAME])
        index = await self._store.index(keys)
        if index is None or not await self._store.erase(keys):
            raise SessionNotFound
        return SessionReceipt(
            id=session[:MAX_NAME],
            erased_at=moment(self._now_ms()),
            calls=index.calls,
            branches=len(index.tips),
            turns=sum(tip.turns for tip in index.tips),
        )


class Answered(Struct, frozen=True, kw_only=True):
    """Digests of what was answered: one turn or none.

    `others` are further answers to the same call, of which the caller may go on with one instead.
    """

    digests: tuple[bytes, ...]
    others: tuple[bytes, ...] = ()
    broken: bool = False


def _check(written: bytes) -> SessionCheck | None:
    return msgspec.json.decode(written, type=SessionCheck) if written else None


def _closest(now: History, branches: list[Branch]) -> Branch | None:
    """Choose the branch that a history comes from; None if it shares too little with any.

    It shares its beginning, or an answer, or several things said under the same instructions. A summary, which
    may be all that is left, comes from the last history under the same instructions, or else the longest one.
    """
    mine = set(now.digests)
    best: tuple[int, int, int, int] | None = None
    chosen: Branch | None = None
    for branch in branches:
        shared = mine.intersection(branch.digests)
        prefix = common_prefix(branch.digests, now.digests)
        same = branch.tip.instructions == now.instructions
        answers = any(
            digest in shared
            for kind, digest in zip(branch.kinds, branch.digests, strict=True)
            if kind in ANSWERS
        )
        if not (prefix or answers or (same and len(shared) > 1)):
            continue
        # Of two that share as much it is the one of which less would be gone.
        rank = (len(shared), prefix, -len(branch.digests), branch.tip.used_ms)
        if best is None or rank > best:
            best, chosen = rank, branch
    if chosen is None and now.summary is not None and branches:
        under_same = [branch for branch in branches if branch.tip.instructions == now.instructions]
        if under_same:
            return max(under_same, key=lambda branch: branch.tip.used_ms)
        return max(branches, key=lambda branch: len(branch.digests))
    return chosen
