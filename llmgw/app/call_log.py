"""Everything in a worker that is about the call log: who writes it, who reads it, and what was said in calls."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from llmgw.app.parts import capture_of
from llmgw.calllog.cache import Cache
from llmgw.calllog.datasets import CALLS, CONTENT, FEEDBACK, ContentEvent
from llmgw.calllog.engine.client import Engine, EngineLimits
from llmgw.calllog.known import LoggedCalls
from llmgw.calllog.log import CLOSING_S, CallLog, Means
from llmgw.calllog.reading import Reading
from llmgw.calllog.sealing import Sealer, load_content_key, parse_content_key
from llmgw.calllog.writer import EngineWriter
from llmgw.gateway.feedback import Feedbacks
from llmgw.redaction.contents import captured
from llmgw.settings import Settings
from llmgw.settings.call_log import call_log_dir, call_log_files, call_log_settings
from llmgw.state.connection import State
from llmgw.telemetry.recorder import Recorder
from llmgw.types.call import Call
from llmgw.types.clock import Clock
from llmgw.types.content import WITH_WORDS
from llmgw.types.secret import Secret

_WORK: Final = "call-log"
"""Below the state directory: what single workers need while they run."""
_MAX_SEALING: Final = 64
"""Calls whose words may wait to be sealed; of more they are lost, and counted."""
_REASONS: Final = ("full", "store", "disk", "size", "invalid")
_WRITING: Final = EngineLimits(threads=1, idle_s=900.0)


def open_content_key(settings: Settings) -> Secret | None:
    """Return what seals words, in hexadecimal, where any tenant's are kept, or were; else None.

    Raises:
        ContentKeyError: it cannot be used.
    """
    telemetry, given, here = settings.telemetry, settings.call_log.content_key, settings.state.dir
    if not settings.call_log.enabled:
        return None
    if given is not None and given.reveal():
        return Secret(parse_content_key(given.reveal(), "call_log.content_key").hex())
    levels = {telemetry.capture, *telemetry.capture_by_tenant.values()}
    if levels & WITH_WORDS or (here / "content-key").exists():
        return Secret(load_content_key(here).hex())
    return None


class CallBook:
    """The parts, which begin and end together."""

    def __init__(self, settings: Settings, state: State, clock: Clock, content_key: Secret | None) -> None:
        """Put them together; `content_key` seals words, without one none are kept."""
        log, here = settings.call_log, settings.state.dir
        files = call_log_files(log, here)
        self._work = here / _WORK / str(os.getpid())
        made, cached = self._work / "made", self._work / "cache"
        directories = (call_log_dir(log, here).absolute(), made.absolute(), cached.absolute())
        # A page shall not wait behind a segment that is written.
        self._writer = EngineWriter(Engine(self._work / "writing", directories, _WRITING), made)
        self._sealer = Sealer(bytes.fromhex(content_key.reveal())) if content_key is not None else None
        self._capture = capture_of(settings.telemetry)
        self._sealing = set[asyncio.Future[ContentEvent | None]]()
        self._unsealed = 0
        self.log = CallLog(
            Means(state, files, self._writer, clock),
            call_log_settings(log),
        )
        engine = Engine(self._work / "asking", directories)
        self.reading = Reading(self.log, files, engine, Cache(cached, files), tables=(CALLS, FEEDBACK))

    def told_by(self, recorder: Recorder) -> None:
        """Take what the recorder hands on, and have it report how the log is."""
        recorder.also_tell(self._record)
        recorder.watch_call_log(
            events=lambda: {"stored": self.log.state().stored, "written": self.log.state().written},
            lost=self._lost,
            behind_s=lambda: self.log.state().behind_s,
        )

    def feedbacks(self, state: State, clock: Clock, new_id: Callable[[], str]) -> Feedbacks:
        """Take judgements of calls that the log knows."""
        keep = partial(self.log.append, FEEDBACK)
        return Feedbacks(LoggedCalls(self.reading), keep, state, clock, new_id, self._capture)

    def unseal(self, tenant: str, call_id: str, sealed: bytes) -> Mapping[str, Any]:
        """Open what was said in a call.

        Raises:
            ValueError: it does not open here.
        """
        if self._sealer is None:
            raise ValueError("no content key")
        told: dict[str, Any] = msgspec.json.decode(self._sealer.unseal(tenant, call_id, sealed))
        return told

    def start(self) -> None:
        """Begin to send and to write, on ground that the dead have left."""
        _tidy(self._work.parent)
        self.log.start()

    async def aclose(self) -> None:
        """Send what waits, and end the processes."""
        if self._sealing:
            await asyncio.wait(self._sealing, timeout=CLOSING_S)
        await self.log.aclose()
        await self._writer.aclose()
        await self.reading.aclose()
        await asyncio.to_thread(shutil.rmtree, self._work, ignore_errors=True)

    def _record(self, call: Call) -> None:
        self.log.record(call)
        if self._sealer is not None:
            for each in (call, *call.inner):
                if each.content is not None and each.capture in WITH_WORDS:
                    self._keep_words(each, self._sealer)

    def _keep_words(self, call: Call, sealer: Sealer) -> None:
        """Seal beside the calls: to look through words for secrets takes milliseconds."""
        if len(self._sealing) >= _MAX_SEALING:
            self._unsealed += 1
            return
        sealing = asyncio.get_running_loop().run_in_executor(None, _sealed, call, sealer)
        self._sealing.add(sealing)
        sealing.add_done_callback(self._keep)

    def _keep(self, sealing: "asyncio.Future[ContentEvent | None]") -> None:
        self._sealing.discard(sealing)
        if sealing.cancelled() or sealing.exception() is not None:
            self._unsealed += 1
        elif (event := sealing.result()) is not None:
            self.log.append(CONTENT, event)

    def _lost(self) -> dict[str, int]:
        lost = dict.fromkeys(_REASONS, 0)
        for dataset in (CALLS, CONTENT, FEEDBACK):
            for reason, number in self.log.state(dataset).lost.items():
                lost[reason] = lost.get(reason, 0) + number
        lost["full"] += self._unsealed
        return lost


def _sealed(call: Call, sealer: Sealer) -> ContentEvent | None:
    """What was said in a call, as it is kept."""
    words = captured(call)
    if words is None:
        return None
    told = {
        **msgspec.structs.asdict(words),
        "request": words.request.decode("utf-8", "replace"),
        "answer": words.answer.decode("utf-8", "replace"),
    }
    tenant = call.caller.tenant if call.caller else ""
    sealed = sealer.seal(tenant, call.id, msgspec.json.encode(told))
    ended_us = (call.started_unix_ns + call.total_ns) // 1000
    return ContentEvent(id=call.id, tenant=tenant, ended_us=ended_us, sealed=sealed)


def _tidy(work: Path) -> None:
    """Delete what workers left that are no more."""
    for each in work.iterdir() if work.is_dir() else ():
        if each.name.isdigit() and not _lives(int(each.name)):
            shutil.rmtree(each, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OverflowError, PermissionError):
        pass
    return True
