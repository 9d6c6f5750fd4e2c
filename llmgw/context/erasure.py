"""Forgetting: a context, or all of somebody's, with a receipt that says what there was and that it is gone."""

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.context.branches import Branches
from llmgw.context.clock import moment
from llmgw.context.kept import encode_json
from llmgw.context.library import Actor, Library
from llmgw.context.storage.names import HASH, Keys
from llmgw.types.context_errors import ContextErased, ContextHasForks, ContextNotFound

Forks: TypeAlias = Literal["refuse", "keep", "erase"]
"""What becomes of contexts that begin in one that is erased: they stand in the way, get a copy, or go with it."""

_PAGE: Final = 100
_NAMED: Final = 10


class Receipt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was erased: what there was of it, by number, and the head its chain had come to.

    `forks` says what became of the contexts that began in it: by their ids, `kept` or `erased`.
    """

    id: str
    erased_at: str
    rev: int
    head: str
    turns: int
    bytes: int
    blobs: int
    reports: int
    orphans: int
    replays: int
    state: int
    encrypted: bool = False
    forks: dict[str, str] = {}


class Erasure:
    """Erases contexts."""

    def __init__(self, library: Library, branches: Branches) -> None:
        self._library = library
        self._branches = branches
        self._store = library.store

    async def erase(self, actor: Actor, context: str, forks: Forks = "refuse") -> Receipt:
        """Erase one context; what is left of it for a month is that it was erased.

        Raises:
            ContextNotFound: it is not there.
            ContextErased: it was erased before.
            ContextHasForks: others begin in it, and `forks` is `refuse`.
        """
        keys = self._library.keys(actor, context)
        stored = await self._store.read(keys, count=0)
        children = await self._branches.children(keys)
        if children and forks == "refuse":
            named = ", ".join(children[:_NAMED]) + (", …" if len(children) > _NAMED else "")
            raise ContextHasForks(
                f"contexts begin in this one, {len(children)} in number ({named}): say forks=keep or forks=erase"
            )
        # From here on no call takes its lease and nothing is forked from it.
        before = await self._store.mark(keys, actor.who, "erasing")
        try:
            fates = await self._see_to(actor, children, forks)
        except BaseException:
            await self._store.mark(keys, actor.who, before or "active")
            raise
        answer = await self._store.erase(keys, actor.who)
        self._library.contexts.histories.forget(keys)
        await self._library.contexts.index.remove(keys, stored.facts.subject)
        if answer[0] == b"ERASED":
            raise ContextErased("this context was erased")
        rev, head, turns, size, blobs, reports, orphans, replays, state = answer[1:]
        receipt = Receipt(
            id=context,
            erased_at=moment(self._library.contexts.now_ms()),
            rev=int(rev),
            head=head.decode(),
            turns=int(turns),
            bytes=int(size),
            blobs=int(blobs),
            reports=int(reports),
            orphans=int(orphans),
            replays=int(replays),
            state=int(state),
            encrypted=stored.facts.dek is not None,
            forks=fates,
        )
        await self._store.command(keys, "HSET", HASH, "receipt", encode_json(receipt))
        return receipt

    async def erase_subject(self, actor: Actor, subject: str) -> list[Receipt]:
        """Erase all that is stored about a subject, forks included whoever they are about.

        Raises:
            StoreUnavailable: the store cannot be asked; what was not erased yet is still found.
        """
        receipts: list[Receipt] = []
        while True:
            names = await self._library.contexts.index.find(actor.tenant, subject, after=None, limit=_PAGE)
            if not names:
                return receipts
            for name in names:
                try:
                    receipts.append(await self.erase(actor, name, "erase"))
                except (ContextNotFound, ContextErased):
                    await self._library.contexts.index.remove(Keys(actor.tenant, name), subject)

    async def _see_to(self, actor: Actor, children: list[str], forks: Forks) -> dict[str, str]:
        fates: dict[str, str] = {}
        for child in children:
            try:
                if forks == "erase":
                    receipt = await self.erase(actor, child, "erase")
                    fates |= receipt.forks
                    fates[child] = "erased"
                else:
                    await self._branches.detach(actor, child)
                    fates[child] = "kept"
            except (ContextNotFound, ContextErased):
                continue
        return fates
