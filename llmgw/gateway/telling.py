"""What one target is told of a stored conversation: fitted into its window, in what it reads, as policy allows."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgw.context.contexts import Contexts
from llmgw.context.kept import Kept
from llmgw.context.opened import Opened
from llmgw.context.views import fit
from llmgw.context.views.bindings import Maker, can_read
from llmgw.context.views.fit import DoesNotFit, Fitted
from llmgw.context.views.prefixes import Prefix, toolset_digest, whole_prefix
from llmgw.context.views.reach import leave_out
from llmgw.context.views.renders import Rendering
from llmgw.context.views.report import of_request
from llmgw.context.views.view import View, is_special, view_of, without_part
from llmgw.gateway.counting import Counting
from llmgw.gateway.preamble import preamble_of, stands_behind
from llmgw.gateway.summaries import Summaries
from llmgw.providers.base import Provider, UpstreamRequest
from llmgw.types import json
from llmgw.types.context import Rule
from llmgw.types.context_errors import ContextNotPreserved, ContextTooLong, MediaMissing
from llmgw.types.errors import GatewayError, UnsupportedParameter
from llmgw.types.feature import Feature
from llmgw.types.invocation import ChatInvocation
from llmgw.types.memo import Memo, PassingMemo
from llmgw.types.message import MediaKind, Message
from llmgw.types.preservation import PartLoss, TokenFacts
from llmgw.types.target import Target
from llmgw.types.violation import Violation, Weight, pointer_to

__all__ = ["Prefix", "Teller", "Telling", "toolset_digest"]

_NEEDED: Final[dict[MediaKind, Feature]] = {
    "image": Feature.IMAGES,
    "audio": Feature.AUDIO_IN,
    "video": Feature.VIDEO,
    "file": Feature.FILES,
}
"""What a target must be able to do to be told media; what the caller says now was held against it before."""
_MOST_REPLACED = 10_000
"""Parts of one view that a target may refuse before it counts as one that cannot be asked."""
_SPARE = 64
"""Messages that may be remembered beside twice those that are told: some are made anew for every call."""


class Telling(Struct, frozen=True, kw_only=True):
    """A request for one target, and all that is known of what it says of the context."""

    target: Target
    maker: Maker
    fitted: Fitted
    view: View
    request: UpstreamRequest
    losses: tuple[PartLoss, ...]
    violations: tuple[Violation, ...]
    tokens: TokenFacts
    size: int
    """Characters of the words and tools that are told."""
    prefix: str
    """The digest of what the answer follows, to which it may be bound."""
    before: tuple[Message, ...] = ()
    """What a prompt version says before the context."""
    rendering: Rendering | None = None
    """What is told of the context, without what a prompt version says before it; None where that stands there
    otherwise than it would alone."""


class Teller:
    """Tells one call's context to targets, each in what it can take."""

    def __init__(
        self,
        contexts: Contexts,
        counting: Counting,
        summaries: Summaries,
        opened: Opened,
        invocation: ChatInvocation,
    ) -> None:
        self._contexts = contexts
        self._counting = counting
        self._summaries = summaries
        self._opened = opened
        self._invocation = invocation
        self._preamble = preamble_of(invocation.preamble)
        self.tools = toolset_digest(invocation)
        self._tools_size = len(json.encode(invocation.tools)) if invocation.tools else 0

    @property
    def summary(self) -> str:
        """What came of summing up, as `Summaries.outcome` says it."""
        return self._summaries.outcome

    def say(self, invocation: ChatInvocation) -> None:
        """Ask with other bounds of the answer; the messages and tools are as they were."""
        self._invocation = invocation

    async def tell(self, provider: Provider, target: Target) -> Telling:
        """Write the request for one target.

        Raises:
            UnsupportedParameter: the target cannot be asked for what the caller says now.
            ContextTooLong: what must be told does not fit into the target's window.
            ContextNotPreserved: the policy forbids to leave out as much as the target cannot be told.
            MediaMissing: content is gone, and the policy forbids to go on without it.
        """
        opened = self._opened
        maker = self._maker(target)
        fitted, tokens = await self._fit(target, maker)
        tools = f"{self.tools}{self._preamble.digest}"
        course, said = opened.history.course, opened.said
        words = course.words + self._tools_size + self._preamble.words
        plain = course.plain and not fitted.how
        messages = [*course.messages] if plain else []
        for draft in said:
            words += draft.turn.words
            messages.append(draft.turn.message)
            plain = plain and not is_special(draft.turn)
        if plain:
            view = View(messages=messages, turns=opened.turns)
            prefix = whole_prefix(tools)
        else:
            view, prefix = await self._looked_at(target, maker, fitted, tools)
            turns = opened.turns
            words -= sum(turns[seq].words for seq in view.skipped if turns[seq].turn.compaction is None)
        request = self._written(provider, target, view)
        losses: tuple[PartLoss, ...] = ()
        if view.losses or request.losses:
            losses = (*view.losses, *of_request(self._preamble.without(request.losses), view))
        return Telling(
            target=target,
            maker=maker,
            fitted=fitted,
            view=view,
            request=request,
            losses=losses,
            violations=self._violations(view, fitted),
            tokens=tokens,
            size=words,
            prefix=prefix,
            before=self._preamble.messages,
            rendering=self._rendering(provider, target, view, request),
        )

    async def _looked_at(self, target: Target, maker: Maker, fitted: Fitted, tools: str) -> tuple[View, str]:
        """Make the view turn by turn, where some cannot just be told; and the digest of what it comes to."""
        opened = self._opened
        turns, course = opened.turns, opened.history.course
        special = [*course.special, *range(opened.stored.turns, len(turns))]
        contents = await self._contexts.contents(opened, [turns[seq] for seq in special])
        # What a provider's own summary covers is told all the same: the provider passes over it.
        prefix = Prefix(tools, sorted(fitted.dropped | fitted.cleared))
        view = view_of(turns, special, fitted, maker, contents, prefix)
        taken = [kind for kind, feature in _NEEDED.items() if feature in target.features]
        shown = {seq for kind, seqs in course.shown.items() if kind not in taken for seq in seqs}
        leave_out(view, shown, taken)
        return view, prefix(len(turns))

    def _maker(self, target: Target) -> Maker:
        key = target.endpoint.api_key
        return Maker(
            provider=target.provider,
            kind=target.kind,
            protocol=target.protocol,
            model=target.model,
            account=self._contexts.chain_keys.account(key.reveal()) if key else "",
        )

    async def _fit(self, target: Target, maker: Maker) -> tuple[Fitted, TokenFacts]:
        """Choose what is told: all of it if a bound of its tokens fits, else by counts."""
        opened = self._opened
        room = self._counting.room(self._invocation, target)
        native = self._native(maker)
        bound = opened.history.course.bound + self._preamble.bound
        for draft in opened.said:
            bound += draft.turn.bound
        if room is None or bound <= room:
            whole = self._whole(native, bound)
            return whole, TokenFacts(estimated=whole.tokens, window=target.window)
        turns = opened.turns
        counted = await self._counting.counted(opened, turns, target)
        before = await self._counting.apart(self._preamble.messages, target)
        fitted = await self._cut(turns, counted, max(0, room - before), target, native)
        facts = TokenFacts(estimated=fitted.tokens + before, exact=True, window=target.window)
        return fitted, facts

    def _native(self, maker: Maker) -> int:
        """The turn whose provider's own summary the target reads; -1 for none."""
        native = self._opened.history.course.native
        if native < 0:
            return -1
        made_by = self._opened.history.turns[native].turn.produced_by
        return native if made_by is not None and can_read(made_by, maker) else -1

    def _standing(self) -> Kept | None:
        """The summary that somebody asked for, where it is the last one: it is told from then on."""
        summaries = self._opened.history.course.summaries
        return summaries[-1] if summaries and summaries[-1].turn.source == "caller" else None

    def _whole(self, native: int, tokens: int) -> Fitted:
        if native < 0:
            standing = self._standing()
            if standing is None:
                return Fitted(tokens=tokens)
            return fit.whole(self._opened.turns, tokens, standing, lambda each: each.bound)
        covered = fit.before(self._opened.history.turns, native)
        return Fitted(tokens=tokens, native=native, covered=covered, how="provider_native")

    async def _cut(
        self, turns: list[Kept], counted: dict[int, int], room: int, target: Target, native: int
    ) -> Fitted:
        opened = self._opened
        policy = opened.policy
        mode = policy.fit or "error"
        now = opened.stored.turns

        def count(each: Kept) -> int:
            # Asked for each turn there is.
            return counted.get(each.turn.seq, each.bound)

        standing = self._standing()

        def cut(how: fit.Mode, summary: Kept | None = standing) -> Fitted:
            return fit.fitted(
                turns,
                now=now,
                room=room,
                count=count,
                mode=how,
                target=policy.fit_target or 1.0,
                keep_first=policy.keep_first or 0,
                summary=summary,
            )

        try:
            if mode == "provider_native" and native >= 0:
                return self._whole(native, sum(counted.values()))
            # What fits is told whole in every mode; only where a summary may be written is that asked first.
            return cut(mode if mode in {"drop_oldest", "middle_out"} else "error")
        except DoesNotFit as too_long:
            if mode not in {"summarise", "provider_native"}:
                raise _too_long(too_long, target) from None
        try:
            if mode == "summarise":
                summary = await self._summary(turns, room, count)
                if summary is not None:
                    return cut("drop_oldest", summary)
            return cut("drop_oldest")
        except DoesNotFit as too_long:
            raise _too_long(too_long, target) from None

    async def _summary(self, turns: list[Kept], room: int, count: fit.Counter) -> Kept | None:
        """The summary to be told: the last one where it does, else a new one; None where none can be had."""
        opened = self._opened
        policy = opened.policy
        latest = opened.history.course.summaries[-1] if opened.history.course.summaries else None
        if latest is not None and fit.fits_with(turns, latest, room, count, now=opened.stored.turns):
            return latest
        run = fit.oldest(
            turns, now=opened.stored.turns, room=room, count=count, target=policy.fit_target or 1.0
        )
        if run is None or policy.summary_alias is None:
            return latest
        return await self._summaries.add(opened, turns, run, latest, policy.summary_alias) or latest

    def _written(self, provider: Provider, target: Target, view: View) -> UpstreamRequest:
        """Write the request; parts of earlier turns that the target refuses are left out, one by one."""
        before = self._preamble.messages
        for _ in range(_MOST_REPLACED):
            try:
                return provider.build_request(self._stored(before, view, target), target)
            except UnsupportedParameter as refusal:
                place = None if refusal.pointer is None else self._preamble.place(refusal.pointer)
                if place is None or not self._is_stored(view, place) or not without_part(view, place):
                    raise
        raise UnsupportedParameter(f"{target.name} refuses too much of this conversation")

    def _rendering(
        self, provider: Provider, target: Target, view: View, request: UpstreamRequest
    ) -> Rendering | None:
        """What is told of the context without what is said before it, which each call may say otherwise."""
        told, at = request.history, request.history_at
        if not told:
            return None
        before = len(self._preamble.messages)
        if not before:
            return Rendering(request.history_head, told, request.body, at, request.history_own)
        behind = request.history_behind
        if behind is not None:
            said_before = sum(map(len, told[: behind.first]))
            # In the body the context begins behind what is said before it, each message of that with its comma.
            at = at + said_before + behind.first if at else 0
            own = max(0, request.history_own - said_before)
            return Rendering(behind.head, told[behind.first :], request.body, at, own)
        known = self._opened.history.renders.get(target.name)
        if known is not None and (settled := known.count) and known.head == request.history_head:
            one_each = len(told) == before + len(view.messages)
            if one_each and told[before : before + settled] == known.messages[:settled]:
                # What was settled stands there as it was told alone, and what follows looks no further back.
                own = max(0, request.history_own - sum(map(len, told[:before])))
                return Rendering(request.history_head, told[before:], own=own)
        try:
            alone = provider.build_request(self._stored((), view, target), target)
        except UnsupportedParameter:
            return None
        if not stands_behind(told, alone.history):
            return None
        return Rendering(alone.history_head, alone.history, own=alone.history_own)

    def _stored(self, before: tuple[Message, ...], view: View, target: Target) -> ChatInvocation:
        memo = self._memo(target, len(view.messages))
        return replace(
            self._invocation,
            messages=(*before, *view.messages),
            stored=True,
            before=len(before),
            memo=PassingMemo(memo, before) if before else memo,
            compact=self._opened.policy.fit == "provider_native",
        )

    def _memo(self, target: Target, messages: int) -> Memo:
        """What was written for the target before; anew where it has changed, or most of that is told no more."""
        history = self._opened.history
        known = history.memos.get(target.name)
        if known is None or known[0] is not target or known[1].count > 2 * messages + _SPARE:
            return history.begin_memo(target)
        return known[1]

    def _is_stored(self, view: View, pointer: str) -> bool:
        """Whether a place among the messages is one of an earlier turn, not of what the caller says now."""
        place = view.pointer(pointer)
        return place is not None and place[1].seq < self._opened.stored.turns

    def _violations(self, view: View, fitted: Fitted) -> tuple[Violation, ...]:
        """Hold what is told against the policy.

        Raises:
            GatewayError: the policy refuses it.
        """
        if not (view.unread or view.missing or fitted.dropped):
            return ()
        found: list[Violation] = []
        for pointer in view.unread:
            self._note(
                found, "opaque.binding", "minor", pointer, "sealed by another model, which alone reads it"
            )
        for digest in dict.fromkeys(view.missing):
            self._note(found, "media.resolvable", "major", pointer_to(digest), "content is no longer kept")
        if fitted.dropped - fitted.covered:
            gone = min(fitted.dropped - fitted.covered)
            self._note(
                found,
                "window.fit",
                "major",
                pointer_to("turns", gone),
                f"{len(fitted.dropped - fitted.covered)} turns do not fit into the window",
            )
        strict = [each for each in found if each.level == "strict"]
        if strict:
            raise self._refusal(strict)
        return tuple(found)

    def _note(self, found: list[Violation], rule: Rule, severity: Weight, pointer: str, message: str) -> None:
        level = self._opened.policy.level(rule)
        if level == "off":
            return
        mended = "left out, and reported" if level == "repair" else None
        found.append(
            Violation(
                rule=rule,
                level=level,
                severity=severity,
                pointer=pointer,
                message=message,
                repairable=True,
                repaired=mended,
            )
        )

    @staticmethod
    def _refusal(strict: Sequence[Violation]) -> GatewayError:
        rules = {each.rule for each in strict}
        if rules == {"media.resolvable"}:
            return MediaMissing("content of this context is no longer kept", strict)
        if rules == {"window.fit"}:
            return ContextTooLong(strict[0].message)
        return ContextNotPreserved(
            "the policy of this context forbids what the target cannot be told", strict
        )


def _too_long(failure: DoesNotFit, target: Target) -> ContextTooLong:
    return ContextTooLong(
        f"the conversation takes {failure.needed} tokens and {target.name} leaves room for {failure.room}; "
        "set the context's policy.fit, or send less"
    )
