"""What a context is called in the store: one hash slot for all that belongs to it, and none of another tenant's."""

import re
from typing import Final

from msgspec import Struct

from llmgw.types.call import TENANT
from llmgw.types.errors import InvalidRequest

CONTEXT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
TAKEN: Final = frozenset({"import"})
"""What stands behind `/v1/contexts/` itself: a context called so could be made, and never be read or erased."""


class Keys(Struct, frozen=True):
    """The keys of one context. Their names hold nothing but letters that cannot end the hash tag."""

    tenant: str
    context: str

    def of(self, part: str) -> str:
        """The key of one part."""
        return f"llmgw:ctx:{{{self.tenant}/{self.context}}}:{part}"

    @property
    def of_a_call(self) -> list[str]:
        """The keys of what each call needs: hash, turns, in flight, orphans, audit to begin; reports and blobs."""
        head = f"llmgw:ctx:{{{self.tenant}/{self.context}}}:"
        # Said in one piece: each call needs them twice.
        return [head + "h", head + "t", head + "w", head + "o", head + "a", head + "r", head + "b"]

    def many(self, *parts: str) -> list[str]:
        """The keys of some parts, in the order a script wants them."""
        head = f"llmgw:ctx:{{{self.tenant}/{self.context}}}:"
        return [head + part for part in parts]


HASH: Final = "h"
TURNS: Final = "t"
STATE: Final = "s"
REPLAYS: Final = "i"
REPLAY_TIMES: Final = "j"
IN_FLIGHT: Final = "w"
ORPHANS: Final = "o"
AUDIT: Final = "a"
REPORTS: Final = "r"
BLOBS: Final = "b"
COUNTS: Final = "k"
FORKS: Final = "f"

ALL: Final = (
    HASH,
    TURNS,
    REPLAYS,
    REPLAY_TIMES,
    IN_FLIGHT,
    ORPHANS,
    AUDIT,
    REPORTS,
    BLOBS,
    COUNTS,
    STATE,
    FORKS,
)
"""Every part, in the order in which `erase` takes them."""
BEGUN: Final = 5
"""How many of the keys of a call its beginning needs."""


def checked(tenant: str, context: str, param: str = "llmgw.context") -> Keys:
    """Take a caller's name for a context, which `param` names in what it sent.

    Raises:
        InvalidRequest: no context can be called so.
    """
    if not CONTEXT_ID.fullmatch(context):
        raise InvalidRequest(
            "a context id is 1 to 128 letters, digits, '_', '.' or '-', and begins with a letter or digit",
            param=param,
        )
    if context in TAKEN:
        raise InvalidRequest(f"no context can be called {context}: that is a route's name", param=param)
    if not TENANT.fullmatch(tenant):
        raise ValueError(f"{tenant!r} is no tenant's name")
    return Keys(tenant, context)
