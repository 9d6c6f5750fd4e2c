"""A call that continues a stored conversation: what its targets are told, and what it leaves when it ends."""

import asyncio
import logging
import zlib
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from llmgw.accounting.estimate import Before
from llmgw.context.clock import moment
from llmgw.context.contexts import Contexts
from llmgw.context.drafting import Draft
from llmgw.context.integrity.blobs import media_in
from llmgw.context.kept import encode_json
from llmgw.context.opened import Opened, Receipt
from llmgw.context.views.report import answered, report_of, shortfall
from llmgw.gateway.checks import Checks, Tell
from llmgw.gateway.counting import Counting
from llmgw.gateway.echoes import ECHOING, echoed
from llmgw.gateway.telling import Teller, Telling
from llmgw.providers.base import Provider, UpstreamRequest
from llmgw.types.call import Call, ContextFacts
from llmgw.types.completion import Completion, Folding
from llmgw.types.context_errors import ContextFenced, ContextNotPreserved
from llmgw.types.errors import ClientGone, GatewayError
from llmgw.types.event import StreamEvent
from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import Json
from llmgw.types.loss import SEVERITY, LossCode
from llmgw.types.message import Details, Message, OpaquePart, ToolCallPart
from llmgw.types.preservation import CheckResult, PartLoss, Report, ReportRecord, TokenFacts
from llmgw.types.target import Target
from llmgw.types.turn import RawAnswer
from llmgw.types.violation import Violation

_log = logging.getLogger(__name__)

_LONGEST_NAME: Final = 256
_BIG: Final = 64 * 1024
"""Bytes from which packing is worth a thread."""


class Conversation:
    """One call with a context, under its lease; ends once, by `finish`, `break_off` or `abandon`."""

    def __init__(
        self,
        contexts: Contexts,
        counting: Counting,
        teller: Teller,
        opened: Opened,
        invocation: ChatInvocation,
        call: Call,
        facts: ContextFacts,
        tell: Tell,
    ) -> None:
        self.invocation = invocation
        self.opened = opened
        self.facts = facts
        self._contexts = contexts
        self._counting = counting
        self._teller = teller
        self._call = call
        self._telling: Telling | None = None
        self._asked: Report | None = None
        """What was reported of that, before it was answered."""
        self._folding: Folding | None = None
        """What comes of the answer, where it is read in pieces."""
        self._whole: Completion | None = None
        """The answer, where it was read in one piece."""
        self._violations: tuple[Violation, ...] = facts.violations
        self._checks = Checks(contexts, opened, call, tell)

    @property
    def keeps_raw(self) -> bool:
        """Whether the provider's own bytes are wanted."""
        return self.opened.policy.keep_raw is True

    async def request(self, provider: Provider, target: Target) -> UpstreamRequest:
        """Write the request that tells one target of the context what it can be told.

        Raises:
            GatewayError: as `Teller.tell` lists, or the policy's least preservation cannot be had here.
        """
        telling = await self._tell(provider, target)
        await self._checks.begin(telling, self._violations)
        self._telling = telling
        if self._call.content is not None:
            self._call.content.told = (*telling.before, *telling.view.messages)
        self._folding = self._asked = None
        floor = self.opened.policy.min_preservation
        # Of a whole answer the caller is told once it is there, and then all of it.
        if self.invocation.stream or floor is not None:
            report = self._note_asked(telling)
            if floor is not None and report.score < floor:
                self._refuse_below(floor, report.score, target)
        return telling.request

    def _refuse_below(self, floor: float, score: float, target: Target) -> None:
        """Hold what can be told against the least that the policy wants.

        Raises:
            ContextNotPreserved: it is less, and the rule is in force.
        """
        level = self.opened.policy.level("preservation.min")
        if level in {"strict", "repair"}:
            violation = Violation(
                rule="preservation.min",
                level=level,
                severity="major",
                pointer="",
                message=f"{target.name} can be told {score:.2f} of the context, less than {floor:.2f}",
            )
            raise ContextNotPreserved(violation.message, [violation])

    def _note_unanswered(self) -> None:
        """Report on what was asked, where that was left until it would be answered."""
        if self._telling is not None and self._asked is None and not self.facts.final:
            self._note_asked(self._telling)

    def _note_asked(self, telling: Telling) -> Report:
        """Report on a request whose answer is not there."""
        report = self._asked = self._report(telling, telling.tokens, telling.losses)
        self._note(report, final=False)
        return report

    async def _tell(self, provider: Provider, target: Target) -> Telling:
        """Have the view made, and note how long that took and whether it needed a summary."""
        facts = self.facts
        facts.fit_started_ns = self._contexts.monotonic_ns()
        try:
            return await self._teller.tell(provider, target)
        finally:
            facts.fit_ended_ns = self._contexts.monotonic_ns()
            facts.summary = self._teller.summary

    def before(self) -> Before:
        """What is stored, as the estimate of a call that continues it must know it."""
        history = self.opened.history
        if not history.course.shown:
            return Before(history.course.bound)
        shown = {seq for seqs in history.course.shown.values() for seq in seqs}
        media = [part for seq in sorted(shown) for part in media_in(history.turns[seq].turn.parts)]
        return Before(history.course.bound, media)

    def say(self, invocation: ChatInvocation) -> None:
        """Ask with other bounds of the answer than the caller's."""
        self.invocation = invocation
        self._teller.say(invocation)

    def add(self, events: Sequence[StreamEvent]) -> None:
        """Take in what the provider says."""
        folding = self._folding
        if folding is None:
            folding = self._folding = Folding()
        folding.add(events)

    async def finish(self, raw: bytes, *, streamed: bool, whole: Completion | None = None) -> Details:
        """Store what was said and answered, and report on it; returns what the caller is told of that.

        Raises:
            ContextFenced, ContextExpired, ContextErased, ContextTooLarge: nothing was stored.
            StoreUnavailable: it is not known whether it was.
        """
        telling = self._telling
        if telling is None:
            raise RuntimeError("an answer came before anything was asked")
        self._whole = whole
        completion = whole or (self._folding or Folding()).completion(raw)
        kept_raw = None
        if raw and self.keeps_raw:
            kept_raw = await self._packed(raw) if streamed else self._contexts.keep_raw(self.opened, raw)
        answer = self._answer(telling, completion, kept_raw)
        losses = [*telling.losses]
        if completion.protocol == ECHOING:
            losses += echoed(completion, telling.view, telling.before)
        report = await self._settled(telling, completion, losses)
        receipt = await self._commit([*self.opened.said, answer], report)
        return self._told_caller(receipt, report)

    async def break_off(self, error: GatewayError) -> None:
        """End a call whose answer did not come to its end: what there is of it is stored as incomplete.

        Never raises. A call with an idempotency key will come again: of it nothing is stored, and its key is free.
        """
        if self.opened.over:
            return
        self._note_unanswered()
        telling = self._telling
        message = self._incomplete()
        if telling is None or message is None or self.opened.idempotency is not None:
            await self._contexts.release(self.opened, error.code)
            return
        answer = self._contexts.draft(
            self.opened,
            message,
            source="provider",
            status="incomplete",
            finish_reason=error.code,
            produced_by=telling.maker.binding(telling.prefix),
            prompt=self._prompt,
        )
        report = self._report(telling, telling.tokens, telling.losses)
        try:
            receipt = await self._commit([*self.opened.said, answer], report)
        except GatewayError as failure:
            _log.warning("the broken answer of call %s was not stored: %s", self._call.id, failure.code)
        else:
            self._told_caller(receipt, report)

    def abandon(self) -> None:
        """The caller is gone, and so may be whoever would wait: end the call behind its back."""
        if not self.opened.over:
            # What is told of the call does not wait for what goes on behind its back.
            self._note_unanswered()
            self._contexts.aftercare.begin(self.break_off(ClientGone("the client closed its connection")))

    async def remember(self, media_type: str, body: bytes) -> None:
        """Keep the answer's bytes for the next time the call's idempotency key comes."""
        await self._contexts.remember(self.opened, media_type, body)

    def _answer(self, telling: Telling, completion: Completion, raw: RawAnswer | None) -> Draft:
        choice = completion.choices[0] if completion.choices else None
        said = choice.message if choice is not None else Message(role="assistant", parts=())
        reason = choice.native_reason if choice is not None else None
        return self._contexts.draft(
            self.opened,
            replace(said, protocol=completion.protocol),
            source="provider",
            status="complete" if said.parts else "incomplete",
            finish_reason=reason[:_LONGEST_NAME] if reason else None,
            produced_by=telling.maker.binding(telling.prefix),
            prompt=self._prompt,
            raw=raw,
        )

    @property
    def _prompt(self) -> str | None:
        """The prompt version that the answer was asked for with."""
        return self._call.prompt.served if self._call.prompt is not None else None

    def _incomplete(self) -> Message | None:
        """What there is of an answer that broke off, without its calls of tools: half a call is none."""
        try:
            completion = self._whole or (self._folding or Folding()).completion()
        except ValueError:
            return None
        if not completion.choices:
            return None
        message = completion.choices[0].message
        parts = tuple(part for part in message.parts if not isinstance(part, ToolCallPart | OpaquePart))
        if not parts and not message.parts:
            return None
        return Message(role="assistant", parts=parts, protocol=completion.protocol)

    async def _packed(self, raw: bytes) -> RawAnswer:
        if len(raw) < _BIG:
            packed = zlib.compress(raw, 1)
        else:
            packed = await asyncio.get_running_loop().run_in_executor(None, zlib.compress, raw, 1)
        return self._contexts.keep_raw(self.opened, packed, "deflate", len(raw))

    async def _commit(self, drafts: Sequence[Draft], report: Report) -> Receipt:
        facts = self.facts
        facts.commit_started_ns = self._contexts.monotonic_ns()
        record = ReportRecord(call=self._call.id, at=moment(self._contexts.now_ms()), report=report)
        try:
            receipt = await self._contexts.commit(
                self.opened,
                drafts,
                report=encode_json(record),
                toolset=self._teller.tools,
                render=self._checks.render,
            )
        except ContextFenced:
            facts.conflict = "fenced"
            raise
        finally:
            facts.commit_ended_ns = self._contexts.monotonic_ns()
        self._checks.committed()
        self._checks.read_back_later(receipt, receipt.last, record)
        return receipt

    async def _settled(self, telling: Telling, completion: Completion, losses: list[PartLoss]) -> Report:
        """Report on a whole answer: with what the provider says of its input."""
        reported = completion.usage.input_tokens if completion.usage is not None else None
        calibration = self._counting.calibration
        estimated = telling.tokens.estimated
        if not telling.tokens.exact:
            estimated = calibration.estimate(telling.target.name, telling.size)
        outcome = shortfall(estimated, reported)
        if outcome == "fail":
            # An estimate raises suspicion; what is counted decides.
            estimated, outcome = await self._recounted(telling, estimated, reported)
        self._checks.answered(outcome)
        if outcome == "fail":
            losses.append(
                PartLoss(
                    code=LossCode.CONTEXT_SHORTFALL.value,
                    severity=SEVERITY[LossCode.CONTEXT_SHORTFALL],
                    pointer="/turns",
                    source="upstream",
                    detail=f"{reported} tokens reported of about {estimated} sent",
                )
            )
        elif reported is not None and not telling.view.skipped:
            calibration.learn(telling.target.name, telling.size, reported, len(telling.view.messages))
        tokens = TokenFacts(
            estimated=estimated,
            exact=telling.tokens.exact,
            reported=reported,
            window=telling.tokens.window,
        )
        report = self._report(telling, tokens, losses)
        self._note(report, final=True)
        return report

    async def _recounted(
        self, telling: Telling, estimated: int, reported: int | None
    ) -> tuple[int, CheckResult]:
        """Hold what a provider reported against what it was certainly sent, for a request that was estimated."""
        try:
            least = await self._counting.at_least(self.opened, telling.view, telling.target, telling.before)
        except GatewayError:
            return estimated, "skip"
        if shortfall(least, reported) == "fail":
            return least, "fail"
        # The estimate was wrong, and is not to be told as if so much had been sent.
        return max(least, reported or 0), "pass"

    def _report(self, telling: Telling, tokens: TokenFacts, losses: Sequence[PartLoss]) -> Report:
        opened, asked = self.opened, self._asked
        if asked is not None and asked.losses == tuple(losses):
            return answered(asked, self._checks.found, tokens, opened.policy.min_preservation)
        said = 0
        for draft in opened.said:
            if not draft.turn.summary:
                said += len(draft.turn.message.parts)
        return report_of(
            context=opened.keys.context,
            rev=opened.stored.rev + 1,
            target=telling.maker.binding(""),
            turns=opened.turns,
            parts=opened.history.course.parts + said,
            view=telling.view,
            losses=losses,
            checks=self._checks.found,
            violations=(*self._violations, *telling.violations),
            fitted=telling.fitted,
            tokens=tokens,
            input_digest=self._checks.input_digest,
            floor=opened.policy.min_preservation,
            before=self._asked,
        )

    def _note(self, report: Report, *, final: bool) -> None:
        facts = self.facts
        facts.verdict, facts.score, facts.final = report.verdict, report.score, final
        facts.losses, facts.violations = report.losses, report.violations
        facts.checks = report.checks
        facts.turns, facts.turns_sent = report.counts.turns, report.counts.turns_sent
        tokens = report.tokens
        if tokens is not None:
            facts.tokens, facts.window = tokens.estimated, tokens.window or 0
        facts.fit = report.fit or ""
        before = self.opened.maker
        if before is not None:
            facts.kind_before = before.kind
            facts.switched_from = before.provider if before.provider != report.target.provider else None

    def _told_caller(self, receipt: Receipt, report: Report) -> Details:
        facts = self.facts
        facts.rev, facts.etag = receipt.rev, receipt.etag
        told: dict[str, Json] = {
            "context": receipt.context,
            "etag": receipt.etag,
            "preservation": {
                "verdict": report.verdict,
                "score": report.score,
                "losses": sorted({loss.code for loss in report.losses}) if report.losses else [],
            },
        }
        if facts.forked_from is not None:
            told["forked_from"] = facts.forked_from
        if report.violations:
            told["violations"] = [
                {
                    "rule": each.rule,
                    "pointer": each.pointer,
                    "message": each.message,
                    "repaired": each.repaired,
                }
                for each in report.violations
            ]
        return told
