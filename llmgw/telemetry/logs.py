"""What the process says on stderr: one line per event, safe whatever the event quotes.

`configure` takes over the standard library's logging, so that the server, the framework and the SDKs speak in
the same lines as we do. A line has the fields listed here and no others.
"""

import contextlib
import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from typing import Literal, TextIO, TypeAlias

from msgspec import Struct
from msgspec.json import Encoder

from llmgw.redaction import hide_credentials
from llmgw.telemetry.call_log import DIM, RED, RESET, YELLOW, CallLog, Style
from llmgw.telemetry.lines import MAX_LINE, LineWriter, Rfc3339
from llmgw.types.text import printable

__all__ = ["CallLog", "Level", "Style", "configure", "style_for"]

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_MORE = 1024
"""Characters beyond the bound that are looked at, so that none of a secret is left where it is cut."""


class _Limits(Struct, frozen=True):
    """How much of a record a line may carry."""

    characters: int
    frames: int
    causes: int


_LIMITS = (_Limits(1000, 16, 4), _Limits(100, 4, 2), _Limits(40, 0, 0))
"""Tried in order until the line fits; the last always does."""


class Fault(Struct, kw_only=True):
    """An exception without its values: type, message and `file:line function`, innermost frame last."""

    type: str
    message: str
    frames: list[str]


class LogLine(Struct, kw_only=True, omit_defaults=True):
    """Everything a log line may say; the last five come from a record's `extra`."""

    ts: str
    level: str
    event: Literal["log"]
    logger: str
    message: str
    exception: list[Fault] = []
    request_id: str | None = None
    call_id: str | None = None
    trace_id: str | None = None
    target: str | None = None
    code: str | None = None


def configure(level: Level, stream: TextIO | None, style: Style) -> CallLog:
    """Send everything this process logs from `level` up to `stream`; return the log of calls beside it.

    Handlers that others installed are removed, so call it after the server has set itself up. Safe to repeat.
    `stream` may be closed or None: then lines are dropped.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    named = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    for logger in (root, *named):
        for handler in tuple(logger.handlers):
            logger.removeHandler(handler)
            if isinstance(handler, _Handler):
                handler.close()
        logger.propagate = True
        logger.disabled = False
    root.addHandler(_Handler(LineWriter(stream), style))
    root.setLevel(threshold)
    logging.captureWarnings(capture=True)
    return CallLog(LineWriter(stream), style, threshold=threshold)


def style_for(stream: TextIO | None, environ: Mapping[str, str]) -> Style:
    """Choose how to write: JSON but on terminals; colour there unless `NO_COLOR` or `TERM=dumb` objects."""
    terminal = False
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            terminal = os.isatty(stream.fileno())
    if not terminal:
        return "json"
    return "text" if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" else "colour"


class _Handler(logging.Handler):
    """Writes records as lines; drops what cannot be written and never makes the one who logs suffer."""

    def __init__(self, writer: LineWriter, style: Style) -> None:
        super().__init__()
        self._writer = writer
        self._style = style
        self._encode = Encoder().encode
        self._rfc3339 = Rfc3339()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        line = b""
        for limits in _LIMITS:
            line = self._render(record, limits)
            if len(line) <= MAX_LINE:
                break
        self._writer.write(line)

    def close(self) -> None:
        """Let go of the stream."""
        self._writer.close()
        super().close()

    def _render(self, record: logging.LogRecord, limits: _Limits) -> bytes:
        line = self._line(record, limits)
        if self._style == "json":
            return self._encode(line) + b"\n"
        return _one_liner(line, colour=self._style == "colour").encode() + b"\n"

    def _line(self, record: logging.LogRecord, limits: _Limits) -> LogLine:
        error = record.exc_info[1] if record.exc_info else None
        short = min(64, limits.characters)
        return LogLine(
            ts=self._rfc3339(int(record.created * 1e9)),
            level=printable(record.levelname.lower(), short),
            event="log",
            logger=printable(record.name, short),
            message=_safe(_message(record), limits),
            exception=[_fault(each, limits) for each in _chain(error, limits.causes)],
            request_id=_extra(record, "request_id", short),
            call_id=_extra(record, "call_id", short),
            trace_id=_extra(record, "trace_id", short),
            target=_extra(record, "target", short),
            code=_extra(record, "code", short),
        )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  whatever somebody's arguments raise, the reader learns where
        template = record.msg if isinstance(record.msg, str) else "message"
        return f"{template} (does not print, from {record.pathname[-64:]}:{record.lineno})"


def _safe(text: str, limits: _Limits) -> str:
    return printable(hide_credentials(text[: limits.characters + _MORE]), limits.characters)


def _extra(record: logging.LogRecord, name: str, limit: int) -> str | None:
    value = getattr(record, name, None)
    return printable(value, limit) if isinstance(value, str) else None


def _chain(error: BaseException | None, causes: int) -> Iterator[BaseException]:
    """The exception, what it came from, and so on; of a group, its first member."""
    for _ in range(causes):
        if error is None:
            return
        yield error
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        else:
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _fault(error: BaseException, limits: _Limits) -> Fault:
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  an exception that cannot print itself still has a type and a place
        message = "(no message)"
    frames = [
        printable(f"{frame.f_code.co_filename[-64:]}:{line} {frame.f_code.co_name}", limits.characters)
        for frame, line in list(traceback.walk_tb(error.__traceback__))[-limits.frames :]
    ]
    return Fault(type=printable(type(error).__name__, 64), message=_safe(message, limits), frames=frames)


def _one_liner(line: LogLine, *, colour: bool) -> str:
    """Write a record for a person: time, level, words, and for an exception where it came from."""
    paint = {"critical": RED, "error": RED, "warning": YELLOW}.get(line.level, "") if colour else ""
    dim, reset = (DIM, RESET) if colour else ("", "")
    parts = [f"{dim}{line.ts[11:23]}{reset} {paint}{line.level}{reset} {line.message}"]
    for fault in line.exception:
        place = f" at {' < '.join(fault.frames[:-4:-1])}" if fault.frames else ""
        parts.append(f"{paint}{fault.type}: {fault.message}{reset}{place}")
    parts.extend(f"{dim}{value}{reset}" for value in (line.target, line.code, line.request_id) if value)
    return "  ".join([*parts, f"{dim}{line.logger}{reset}"])
