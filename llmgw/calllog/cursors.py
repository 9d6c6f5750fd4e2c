"""Where a page ends, as text that callers hand back unread."""

import base64
import binascii
import re
from typing import Final

from msgspec import Struct

from llmgw.calllog.filters import Order

_SAID: Final = re.compile(r"1 (newest|oldest) ([0-9]{1,19}) ([\x21-\x7e]{1,256})", re.ASCII)
_LONGEST: Final = 512
_MAX_US: Final = (1 << 63) - 1


class Cursor(Struct, frozen=True, kw_only=True):
    """The last row of a page, by what orders the log."""

    ended_us: int
    id: str

    def text(self, order: Order) -> str:
        """Write it down."""
        said = f"1 {order} {self.ended_us} {self.id}"
        return base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str, order: Order) -> "Cursor":
        """Read what `text` wrote for the same order.

        Raises:
            ValueError: it is none, or of the other order.
        """
        if len(text) > _LONGEST or not text.isascii():
            raise ValueError("it is no cursor")
        try:
            said = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode(
                "ascii"
            )
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError("it is no cursor") from error
        found = _SAID.fullmatch(said)
        if found is None or int(found[2]) > _MAX_US:
            raise ValueError("it is no cursor")
        if found[1] != order:
            raise ValueError("it belongs to the other order")
        return cls(ended_us=int(found[2]), id=found[3])
