"""Where sessions are kept: an index and a few branches each, in one hash slot, with nothing that was said."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

from msgspec import Struct

from llmgw.context.verifying.branch import TURN, Branch, Tip
from llmgw.context.verifying.canonical import SIZE
from llmgw.state.connection import State
from llmgw.state.scripts import Script

BRANCHES: Final = 16
"""Most courses of one session that are kept."""

_KEEP: Final = Script(
    "session_keep",
    f"{Script.HEADER}\n{(files('llmgw.context.verifying') / 'lua' / 'keep.lua').read_text(encoding='utf-8')}",
)
_NAME_DIGITS: Final = 40


class SessionKeys(Struct, frozen=True):
    """The keys of one session of one tenant; its name, which is the caller's, is not among their letters."""

    tenant: str
    session: str

    def all(self) -> list[str]:
        """The index, then the branches by their slots."""
        name = hashlib.sha256(f"{self.tenant}/{self.session}".encode("utf-8", "surrogatepass")).hexdigest()
        head = f"llmgw:ses:{{{self.tenant}/{name[:_NAME_DIGITS]}}}:"
        return [f"{head}i", *(f"{head}{slot}" for slot in range(BRANCHES))]


class Index(Struct, frozen=True, kw_only=True):
    """What is known of a session but the turns; times in unix milliseconds, `last` and `found` as JSON."""

    made_ms: int
    at_ms: int
    calls: int
    forgotten: int
    tips: list[Tip]
    others: frozenset[bytes]
    last: bytes
    found: bytes


class Keeping(Struct, frozen=True, kw_only=True):
    """What a call adds to its session: `turns` go behind `onto`, or are a branch of their own without it."""

    onto: Tip | None
    tip: Tip
    turns: bytes
    last: bytes
    found: bytes
    others: Sequence[bytes] = ()


class SessionStore:
    """Reads and writes sessions, each in at most two round trips."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def index(self, keys: SessionKeys) -> Index | None:
        """Read what is known of a session but its turns; None if that is nothing.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        flat: Any = await self._state.command("HGETALL", keys.all()[0])
        fields: dict[bytes, bytes] = (
            flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
        )
        if b"made" not in fields:
            return None
        others = fields.get(b"others", b"")
        return Index(
            made_ms=int(fields[b"made"]),
            at_ms=int(fields[b"at"]),
            calls=int(fields[b"calls"]),
            forgotten=int(fields.get(b"evicted", 0)),
            tips=[
                Tip.read(slot, written)
                for slot in range(BRANCHES)
                if (written := fields.get(b"b%d" % slot)) is not None
            ],
            others=frozenset(others[at : at + SIZE] for at in range(0, len(others), SIZE)),
            last=fields.get(b"last", b""),
            found=fields.get(b"found", b""),
        )

    async def branches(self, keys: SessionKeys, index: Index) -> list[Branch]:
        """Read the turns; a branch whose turns have expired is left out.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        if not index.tips:
            return []
        names = keys.all()[1:]
        found = await self._state.command("MGET", *(names[tip.slot] for tip in index.tips))
        return [
            Branch.read(tip, turns)
            for tip, turns in zip(index.tips, found, strict=True)
            if turns is not None and len(turns) == tip.turns * TURN
        ]

    async def keep(self, keys: SessionKeys, keeping: Keeping, *, now_ms: int, ttl_s: int) -> bool:
        """Add a call; False where the branch it continues is not as it was any more.

        Raises:
            StoreUnavailable: it may have been added all the same.
        """
        onto = keeping.onto
        slot = await self._state.script(
            _KEEP,
            keys.all(),
            [
                now_ms,
                ttl_s * 1000,
                -1 if onto is None else onto.slot,
                "" if onto is None else onto.key,
                0 if onto is None else onto.turns * TURN,
                keeping.tip.key,
                keeping.tip.written(now_ms),
                keeping.turns,
                keeping.last,
                keeping.found,
                b"".join(keeping.others),
            ],
        )
        return int(slot) >= 0

    async def erase(self, keys: SessionKeys) -> bool:
        """Delete a session.

        Raises:
            StoreUnavailable: it may be deleted all the same.
        """
        return bool(await self._state.command("DEL", *keys.all()))

    async def expires_in_ms(self, keys: SessionKeys) -> int:
        """How long a session still lives."""
        return max(0, int(await self._state.command("PTTL", keys.all()[0])))
