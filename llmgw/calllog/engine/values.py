"""Values of a database as JSON has them: times and numbers too wide for 64 bits are text."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

_WIDEST: Final = (1 << 63) - 1
LONGEST: Final = 64 * 1024
"""Characters of one text of a caller's table."""


def plain(value: Any) -> Any:
    """A value that JSON and msgpack take, NaN and the infinities as null; texts are cut after `LONGEST`."""
    match value:
        case None | bool():
            return value
        case int():
            return value if -_WIDEST <= value <= _WIDEST else str(value)
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value if len(value) <= LONGEST else value[:LONGEST]
        case Decimal():
            return plain(float(value))
        case bytes() | bytearray() | memoryview():
            return bytes(value[:LONGEST]).hex()
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case Mapping():
            return {str(plain(name)): plain(each) for name, each in value.items()}
        case Sequence() | set() | frozenset():
            return [plain(each) for each in value]
    return str(value)[:LONGEST]
