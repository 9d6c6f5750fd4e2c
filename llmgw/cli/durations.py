"""Times on the command line: `90d`, `24h`, `30m`, `45s`, and dates."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import rich_click as click

_SPAN: Final = re.compile(r"([0-9]{1,7})([smhd])")
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _span_ms(written: str) -> int | None:
    match = _SPAN.fullmatch(written)
    return None if match is None else int(match[1]) * _UNIT_MS[match[2]]


class Span(click.ParamType[int]):
    """A length of time, in milliseconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        found = value if isinstance(value, int) else _span_ms(str(value))
        if found is None:
            self.fail(f"{value!r} is no length of time: write 45s, 30m, 24h or 90d", param, ctx)
        return found


class End(click.ParamType[int]):
    """A time to come, in unix milliseconds: a length of time from now, or a date, whose day begins in UTC."""

    name = "span|date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        now_ms = int(datetime.now(tz=UTC).timestamp() * 1000)
        span = _span_ms(str(value))
        if span is not None:
            return now_ms + span
        try:
            end = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither like 90d nor a date like 2030-01-31", param, ctx)
        whole = end if end.tzinfo is not None else end.replace(tzinfo=UTC)
        end_ms = int(whole.timestamp() * 1000)
        if end_ms <= now_ms:
            self.fail(f"{value} is over", param, ctx)
        return end_ms


def when(unix_ms: int) -> str:
    """A time as it is shown."""
    return datetime.fromtimestamp(unix_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
