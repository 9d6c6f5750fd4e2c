"""Contexts that begin in others: forked at once, merged with provenance, made to stand alone when a parent goes."""

from collections.abc import Sequence
from itertools import pairwise

from msgspec.structs import replace

from llmgw.context.birth import new_fields
from llmgw.context.contexts import Contexts
from llmgw.context.drafting import Draft, of_turn, seal
from llmgw.context.giving_back import given_back
from llmgw.context.ids import new_id
from llmgw.context.integrity.frame import decode as decode_frame
from llmgw.context.integrity.frame import meta_of
from llmgw.context.integrity.lineage import Genesis, link_of_genesis
from llmgw.context.integrity.lineage import decode as decode_lineage
from llmgw.context.integrity.lineage import encode as encode_lineage
from llmgw.context.kept import Kept
from llmgw.context.leases import decode_policy
from llmgw.context.library import Actor, Library, all_blobs
from llmgw.context.opened import Asker
from llmgw.context.states import States
from llmgw.context.storage.answers import Replay, Stored, facts_of
from llmgw.context.storage.names import BLOBS, FORKS, TURNS, Keys, checked
from llmgw.context.views.pairing import units
from llmgw.types.context import ContextInfo, ContextOptions
from llmgw.types.context_errors import ContextErased, ContextNotFound, MergeConflict
from llmgw.types.errors import InvalidRequest
from llmgw.types.turn import Origin, Turn
from llmgw.types.violation import Violation


class Branches:
    """Forks and merges."""

    def __init__(self, library: Library, states: States) -> None:
        self._library = library
        self._states = states
        self._contexts: Contexts = library.contexts
        self._store = library.store

    async def fork(
        self, actor: Actor, parent: str, *, at: int | None, child: str | None = None
    ) -> ContextInfo:
        """Begin a context in another, before turn `at`, by default at its end: nothing is copied.

        Raises:
            ContextNotFound, ContextErased, ContextQuarantined: of the parent.
            ContextExists: there is one by the child's name.
            InvalidRequest: there is no such turn.
            IntegrityFailed: the turn before it is none, and the parent is quarantined.
        """
        keys = self._library.keys(actor, parent)
        now = self._contexts.now_ms()
        own = checked(actor.tenant, new_id("ctx", now) if child is None else child, "id")
        try:
            at_seq, before, answer = await self._store.note_fork(keys, actor.who, own.context, at)
        except IndexError:
            raise InvalidRequest("there is no such turn to fork before", param="at_seq") from None
        facts = facts_of(answer[5:])
        lineage = decode_lineage(facts.lineage)
        if at_seq <= lineage[-1].at:
            # Before the parent's own first turn: the fork leaves where the parent did, or before.
            head = await self._head_at(keys, at_seq)
        else:
            head = await self._contexts.histories.head_of(keys, before)
        ancestry = tuple(each for each in lineage if each.at < at_seq or each is lineage[0])
        genesis = Genesis(
            context=own.context,
            created=now,
            key_id=self._contexts.chain_keys.current,
            at=at_seq,
            parent=parent,
            head=head,
        )
        policy = decode_policy(facts.policy)
        ttl_s = policy.over(self._contexts.settings.base(actor.tenant)).ttl_s
        await self._contexts.index.add(own, facts.subject, now)
        fields = new_fields(
            self._contexts.chain_keys,
            own,
            (*ancestry, genesis) if at_seq else (replace(genesis, parent="", head=""),),
            policy=policy,
            ttl_s=ttl_s,
            encrypt=self._contexts.settings.encrypt,
            subject=facts.subject,
        )
        await self._store.create(own, actor.who, (ttl_s or 0) * 1000, fields)
        await self._states.copy(actor, keys, own)
        await self._unless_erased(keys, own, actor)
        return await self._library.info(actor, own.context, op="")

    async def merge(self, actor: Actor, context: str, source: str, strategy: str, op: str) -> ContextInfo:
        """Append the turns of a branch that are not in this context.

        `fast_forward` demands that nothing was added here since the two parted; `append` takes them in behind
        what was. Sealed parts lose what they were bound to where they come to stand behind something else. What
        the branch changed of the state since it began is changed here, too.

        Raises:
            ContextNotFound, ContextErased: of either.
            ContextLocked: a call with this context is under way.
            MergeConflict: the two have nothing in common, nothing is new, this one has gone on, too, or both
            changed
                the same of the state.
            SchemaViolation: the state that comes out does not fit its schema.
        """
        theirs, _ = await self._library.proven(self._library.keys(actor, source), actor, "merge")
        asker = Asker(tenant=actor.tenant, who=actor.who, op=op)
        base = self._contexts.settings.base(actor.tenant)
        opened = await self._contexts.open(asker, ContextOptions(id=context), (), base)
        if isinstance(opened, Replay):
            raise MergeConflict("this merge was made before")
        async with given_back(self._contexts, opened):
            ours = opened.history.turns
            common = _common(ours, theirs)
            moved = len(ours) > common
            known = {each.turn.id for each in ours}
            news = [each for each in theirs[common:] if each.turn.id not in known]
            new = [each for each in news if _is_taken_in(each, moved=moved)]
            self._check_merge(ours, theirs, common, strategy)
            changed = await self._states.merge(actor, self._library.keys(actor, source), opened.keys)
            if not new and not changed:
                raise _conflict("there is nothing new to merge", common)
            contents = await self._contents(actor, source, new)
            drafts: list[Draft] = []
            for each in new:
                turn = _merged(each.turn, opened.count + len(drafts), source, moved=moved)
                opened.blobs.update({digest: contents[digest] for digest in each.media if digest in contents})
                drafts.append(of_turn(turn, self._contexts.now_ms(), opened.keys.context))
            if drafts:
                await self._contexts.commit(opened, drafts)
            else:
                await self._contexts.release(opened, "merged")
        return await self._library.info(actor, context, op="")

    async def children(self, keys: Keys) -> list[str]:
        """The contexts that begin in one, those that are there."""
        names: set[bytes] = await self._store.command(keys, "SMEMBERS", FORKS)
        found: list[str] = []
        for name in sorted(each.decode() for each in names):
            try:
                stored = await self._store.read(Keys(keys.tenant, name), count=0)
            except (ContextNotFound, ContextErased):
                continue
            if decode_lineage(stored.facts.lineage)[-1].parent == keys.context:
                found.append(name)
        return found

    async def detach(self, actor: Actor, child: str) -> ContextInfo:
        """Copy into a fork what it has of its parents, so that it stands alone; so it is done with its own forks.

        Its turns keep their numbers and contents, its chain begins anew.

        Raises:
            ContextLocked: a call with it is under way.
            RevisionMismatch: it was changed meanwhile.
        """
        keys = self._library.keys(actor, child)
        for grandchild in await self.children(keys):
            await self.detach(actor, grandchild)
        kept, stored = await self._library.proven(keys, actor, "")
        genesis = Genesis(
            context=child, created=stored.facts.created, key_id=self._contexts.chain_keys.current
        )
        cipher = self._contexts.histories.own_cipher(keys, stored)
        await self._copy_blobs(keys, stored, kept)
        lineage = decode_lineage(stored.facts.lineage)
        drafts = [
            await self._still_redacted(keys, lineage, each)
            if each.turn.status == "redacted"
            else self._as_own(each, child)
            for each in kept
        ]
        link = link_of_genesis(self._contexts.chain_keys, keys.tenant, genesis)
        frames, head = seal(drafts, self._contexts.chain_keys, keys.tenant, link, cipher)
        await self._store.rewrite(
            keys,
            stored,
            frames,
            head=head.hex(),
            lineage=encode_lineage((genesis,)),
            who=actor.who,
            op="detach",
        )
        self._contexts.histories.forget(keys)
        return await self._library.info(actor, child, op="")

    def _as_own(self, each: Kept, child: str) -> Draft:
        turn = each.turn
        if each.home != child and turn.origin is None:
            turn = replace(turn, origin=Origin(context=each.home, seq=turn.seq))
        return of_turn(turn, self._contexts.now_ms(), child)

    async def _still_redacted(self, keys: Keys, lineage: Sequence[Genesis], each: Kept) -> Draft:
        """The draft of a turn whose content is gone: of that, its digest is taken along."""
        home = next(member for member in lineage if member.context == each.home)
        at = each.seq - home.at
        (written,) = await self._store.command(Keys(keys.tenant, each.home), "LRANGE", TURNS, at, at)
        found = decode_frame(written)
        own = replace(each, home=keys.context)
        return Draft(turn=own, body=b"", at=meta_of(found).at, digest=found.digest)

    async def _copy_blobs(self, keys: Keys, stored: Stored, kept: Sequence[Kept]) -> None:
        """Copy the blobs that a fork's turns find with its parents, encrypted as its own are."""
        histories = self._contexts.histories
        cipher = histories.own_cipher(keys, stored)
        copied = False
        for each in kept:
            if each.home == keys.context:
                continue
            async for digest, blob in histories.fetched(Keys(keys.tenant, each.home), all_blobs(each)):
                if blob is None:
                    raise await histories.without_content(keys, each.seq)
                written = blob if cipher is None else cipher.encrypt(blob, digest)
                await self._store.command(keys, "HSETNX", BLOBS, digest, written)
                copied = True
        if copied and stored.facts.expires:
            await self._store.command(keys, "PEXPIREAT", BLOBS, stored.facts.expires)

    async def _head_at(self, keys: Keys, at: int) -> str:
        """The link that a context's chain had come to before a turn of its parents'."""
        stored = await self._store.read(keys, count=0)
        lineage = decode_lineage(stored.facts.lineage)
        if at == 0:
            return link_of_genesis(self._contexts.chain_keys, keys.tenant, lineage[0]).hex()
        for each, after in pairwise(lineage):
            if after.at == at:
                return after.head
            if each.at < at < after.at:
                place = Keys(keys.tenant, each.context)
                (frame,) = await self._store.command(
                    place, "LRANGE", TURNS, at - 1 - each.at, at - 1 - each.at
                )
                return await self._contexts.histories.head_of(place, frame)
        raise InvalidRequest("there is no such turn to fork before", param="at_seq")

    async def _unless_erased(self, keys: Keys, own: Keys, actor: Actor) -> None:
        """Take a fork back whose parent was erased while it was made."""
        try:
            await self._store.read(keys, count=0)
        except (ContextErased, ContextNotFound):
            await self._store.erase(own, actor.who)
            raise

    async def _contents(self, actor: Actor, source: str, new: Sequence[Kept]) -> dict[str, bytes]:
        keys = self._library.keys(actor, source)
        history = self._contexts.histories.known(keys)
        if history is None or not any(each.media for each in new):
            return {}
        return await self._contexts.histories.blobs(keys, history, new)

    @staticmethod
    def _check_merge(ours: Sequence[Kept], theirs: Sequence[Kept], common: int, strategy: str) -> None:
        if not common and ours:
            raise _conflict("the two contexts have no turn in common", 0)
        if strategy == "fast_forward" and len(ours) > common:
            raise _conflict("this context has gone on since the two parted", common)
        parted = [unit for unit in units(theirs) if unit[0].seq < common <= unit[-1].seq]
        if len(ours) > common and parted:
            raise _conflict("the two parted between a call of a tool and its result", common)


def _is_taken_in(each: Kept, *, moved: bool) -> bool:
    """Whether a turn is merged: a redacted one says nothing, and a summary's numbers hold where it stands only."""
    return each.turn.status != "redacted" and not (moved and each.turn.compaction is not None)


def _common(ours: Sequence[Kept], theirs: Sequence[Kept]) -> int:
    """How many turns two contexts begin with alike: the same ones, by their ids."""
    for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one.turn.id != other.turn.id:
            return place
    return min(len(ours), len(theirs))


def _merged(turn: Turn, seq: int, source: str, *, moved: bool) -> Turn:
    """A turn of a branch as it is taken in; where other turns stand before it now, it is bound to none of them."""
    made_by = turn.produced_by
    if moved and made_by is not None:
        made_by = replace(made_by, prefix="")
    return replace(
        turn,
        seq=seq,
        source="merge",
        produced_by=made_by,
        raw=None,
        origin=Origin(context=source, seq=turn.seq),
    )


def _conflict(message: str, at: int) -> MergeConflict:
    return MergeConflict(message, [Violation(rule="merge", pointer=f"/turns/{at}", message=message)])
