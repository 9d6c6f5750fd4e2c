"""The checks of a call with a context, C1 to C8: what was looked at, and what came of it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b, sha256
from typing import TypeAlias

from msgspec.structs import replace

from llmgw.context.contexts import Contexts
from llmgw.context.kept import encode_json
from llmgw.context.opened import Opened, Receipt
from llmgw.context.storage.names import REPORTS, TURNS
from llmgw.context.views.renders import Render, agrees, follow
from llmgw.gateway.telling import Telling
from llmgw.telemetry.trace_context import format_traceparent
from llmgw.types.call import ANYBODY, Call, Caller
from llmgw.types.errors import StoreUnavailable
from llmgw.types.operation import ContextOperation, OperationName
from llmgw.types.preservation import Check, CheckResult, ReportRecord
from llmgw.types.violation import Violation

Tell: TypeAlias = Callable[
    [OperationName, Caller, str, Mapping[str, str]], AbstractContextManager[ContextOperation]
]
"""Has an operation told of when the block ends: its name, whom it is for, the context, headers of its trace."""

_log = logging.getLogger(__name__)

_ALL = 1 << 64
_RENDER = "render:"


class Checks:
    """Gathers the checks of one call.

    C1 the chain holds up to its head: proven when the context was opened. C2 what a target was told before
    stands at the beginning of what it is told now. C3 calls and results pair up. C4 sealed parts go to who can
    read them, as they were. C5 turns fit their schema. C6 the provider counted what it was sent. C7 content
    kept apart is there. C8 what was stored reads back as it was written, for a sample.
    """

    def __init__(self, contexts: Contexts, opened: Opened, call: Call, tell: Tell) -> None:
        self._contexts = contexts
        self._opened = opened
        self._call = call
        self._tell = tell
        self._render: Render | None = None
        self.input_digest = ""
        """That of the body of the request."""
        self._found: dict[Check, CheckResult] = {}

    @property
    def render(self) -> tuple[str, str]:
        """The target that was told last, and what is stored of what it was told; empty where that is not known."""
        if self._render is None:
            return "", ""
        return f"{_RENDER}{self._target}", self._render.stored

    async def begin(self, telling: Telling, violations: Sequence[Violation]) -> None:
        """Make the checks of a request."""
        broken = bool(violations) and any(
            each.rule == "tool.pairing" and each.repaired is None for each in violations
        )
        view, opened = telling.view, self._opened
        sealed: CheckResult = "skip"
        media: CheckResult = "fail" if view.missing else "skip"
        if opened.history.course.special or opened.blobs:
            if any(each.sealed for each in view.turns):
                sealed = "pass"
            if not view.missing and any(each.media for each in view.turns):
                media = "pass"
        self._found = {
            "c1": "pass",
            "c2": await self._append_only(telling),
            "c3": "fail" if broken else "pass",
            "c4": sealed,
            "c5": "pass",
            "c6": "skip",
            "c7": media,
            "c8": "skip",
        }

    def answered(self, outcome: CheckResult) -> None:
        """Note check C6."""
        self._found["c6"] = outcome

    @property
    def found(self) -> Mapping[Check, CheckResult]:
        """The checks as far as they are known; those of the next request are others."""
        return self._found

    def committed(self) -> None:
        """What was told is now what was told last."""
        if self._render is not None:
            opened = self._opened
            self._contexts.histories.told(opened.keys, opened.history, self._target, self._render)

    def read_back_later(self, receipt: Receipt, frame: bytes, record: ReportRecord) -> None:
        """Make check C8 for a sample of revisions, the same whenever it is asked; behind the answer."""
        name = f"{receipt.context}/{receipt.rev}".encode()
        chance = int.from_bytes(blake2b(name, digest_size=8).digest())
        if chance < self._contexts.settings.sample * _ALL:
            self._contexts.aftercare.begin(self._read_back(receipt, frame, record))

    async def _append_only(self, telling: Telling) -> CheckResult:
        rendering = telling.rendering
        self._target = telling.target.name
        if rendering is None:
            self._render = None
            self.input_digest = f"sha256:{sha256(telling.request.body).hexdigest()}"
            return "skip"
        before = self._opened.history.renders.get(self._target)
        render, held = follow(before, rendering)
        self._render = render
        digest = render.digest if rendering.body else sha256(telling.request.body).hexdigest()
        self.input_digest = f"sha256:{digest}"
        if before is None:
            return await self._as_stored(render)
        # A view that was cut begins anew, and says so itself.
        return "pass" if held else "skip" if telling.fitted.how else "fail"

    async def _as_stored(self, render: Render) -> CheckResult:
        """Compare with what another worker told the target last."""
        if self._opened.stored.rev == 0:
            return "skip"
        try:
            stored = await self._contexts.store.command(
                self._opened.keys, "HGET", REPORTS, f"{_RENDER}{self._target}"
            )
        except StoreUnavailable:
            return "skip"
        if stored is None:
            return "skip"
        return "pass" if agrees(stored.decode(), render) else "fail"

    async def _read_back(self, receipt: Receipt, frame: bytes, record: ReportRecord) -> None:
        opened, call = self._opened, self._call
        place = opened.count - opened.stored.base
        trace = {
            "traceparent": format_traceparent(call.trace_id, call.span_id, sampled=call.sampled),
            "tracestate": call.trace_state,
        }
        try:
            with self._tell("read_back", call.caller or ANYBODY, receipt.context, trace) as operation:
                stored = await self._contexts.store.command(opened.keys, "LINDEX", TURNS, place)
                same = stored == frame
                operation.rev, operation.call = receipt.rev, call.id
                operation.checks = {"c8": "pass" if same else "fail"}
            if not same:
                _log.error("context %s: revision %d does not read back", receipt.context, receipt.rev)
            checks: dict[Check, CheckResult] = {**record.report.checks, "c8": "pass" if same else "fail"}
            verdict = record.report.verdict if same else "lost"
            report = replace(record.report, checks=checks, verdict=verdict)
            written = self._contexts.sealed_report(
                opened.keys, receipt.rev, encode_json(replace(record, report=report))
            )
            await self._contexts.store.command(opened.keys, "HSET", REPORTS, str(receipt.rev), written)
        except StoreUnavailable:
            return  # a sample may be missed
