"""One call and its context: the lease, what was said before, and what the call leaves."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from llmgw.context.aftercare import Aftercare
from llmgw.context.birth import new_fields
from llmgw.context.drafting import Draft, Place, draft, seal
from llmgw.context.history import Histories
from llmgw.context.ids import made_id
from llmgw.context.integrity import blobs
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.cipher import wrapped
from llmgw.context.integrity.lineage import Genesis
from llmgw.context.integrity.sealing import sealed, unsealed
from llmgw.context.kept import Kept, encode_json
from llmgw.context.leases import Leases, policy_over
from llmgw.context.opened import Asker, Opened, Receipt
from llmgw.context.settings import ContextSettings
from llmgw.context.storage.answers import Begin, Commit, Lease, Replay, Stored
from llmgw.context.storage.index import Index
from llmgw.context.storage.names import IN_FLIGHT, Keys, checked
from llmgw.context.storage.store import ContextStore
from llmgw.context.verifying.sessions import Sessions
from llmgw.state.connection import Argument, State
from llmgw.types.clock import Clock
from llmgw.types.completion import Choice, Completion
from llmgw.types.context import ContextOptions, Idempotency, Policy, plain_tag
from llmgw.types.context_errors import ContextNotFound, RevisionMismatch, RevisionRequired
from llmgw.types.errors import InvalidRequest, StoreUnavailable
from llmgw.types.message import Message, ToolCallPart
from llmgw.types.turn import RawAnswer, Turn

_log = logging.getLogger(__name__)

REPLAY: Final = "replay"
"""What an encrypted answer is bound to that is kept for an idempotency key."""
_RETRY_S: Final = 0.1


class Contexts:
    """Opens contexts for calls, one call at a time each.

    One per worker; the store is shared. `jitter` gives numbers in [0, 1) that spread those who wait.
    """

    def __init__(
        self,
        state: State,
        keys: ChainKeys,
        settings: ContextSettings,
        *,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self.store = ContextStore(state)
        self.index = Index(state)
        self.chain_keys = keys
        self.histories = Histories(self.store, keys, budget=settings.cache_bytes)
        self.settings = settings
        self.monotonic_ns: Callable[[], int] = clock.monotonic_ns
        """Nanoseconds that never go back."""
        self._clock = clock
        self._lease_ms = round(settings.lease_s * 1000)
        self.aftercare = Aftercare()
        self.sessions = Sessions(state, keys, settings.verify, self.now_ms)
        self._leases = Leases(self.store, settings, jitter)

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return self._clock.unix_ns() // 1_000_000

    async def open(
        self,
        asker: Asker,
        options: ContextOptions,
        messages: Sequence[Message],
        base: Policy,
        idempotency: Idempotency | None = None,
    ) -> Opened | Replay:
        """Take the context's lease, with all that was said before proven and at hand.

        `messages` are written ahead. `base` is what the context's own policy leaves open.

        Raises:
            ContextNotFound: there is none by that name, and `create` was not asked for.
            ContextErased, ContextQuarantined, ContextLocked: as their names say.
            RevisionMismatch, RevisionRequired: the caller expected another revision, or should have named one.
            IdempotencyReused, IdempotencyInFlight: as their names say.
            IntegrityFailed: stored bytes are not what was stored.
            InvalidRequest: no context can be called so.
            StoreUnavailable: the store cannot be asked.
        """
        keys = self._keys(asker, options, idempotency)
        known = self.histories.known(keys)
        fields = None
        # What this worker knows is there most likely: nothing need be prepared for making it.
        if options.create and known is None:
            await self.index.add(keys, options.subject, self.now_ms())
            fields = self._fields(keys, options, base)
        wish = Begin(
            op=asker.op,
            who=asker.who,
            trace=asker.trace,
            lease_ms=self._lease_ms,
            # Whether the context is encrypted is not known yet; what is written ahead is, whatever it is.
            input=wrapped(self.chain_keys, asker.tenant, keys.context, encode_json(messages), IN_FLIGHT),
            if_match=plain_tag(options.if_match),
            known=known.stored if known else None,
            idempotency=idempotency,
            fields=fields,
        )
        try:
            lease = await self._leases.take(keys, wish, options, base)
        except ContextNotFound:
            if known is None or not options.create:
                raise
            self.histories.forget(keys)
            return await self.open(asker, options, messages, base, idempotency)
        except (asyncio.CancelledError, StoreUnavailable):
            self.aftercare.begin(self._leases.give_back_unheard(keys, wish))
            raise
        if isinstance(lease, Replay):
            return await self._replayed(keys, lease, idempotency)
        try:
            opened = await self._opened(keys, asker, lease, options, base, idempotency)
        except BaseException:
            self.aftercare.begin(self._leases.give_back(keys, lease, idempotency, "refused"))
            raise
        self._leases.keep(opened)
        return opened

    def is_known(self, tenant: str, context: str | None) -> bool:
        """Whether this worker remembers a context, so that it most likely is there."""
        return context is not None and self.histories.known(checked(tenant, context)) is not None

    def draft(self, opened: Opened, message: Message, **more: Any) -> Draft:
        """Make the next turn of a context, without storing it; `more` are further members of `Turn`."""
        place = Place(opened.stored.turns + len(opened.said), opened.keys.context, opened.salt)
        return draft(message, place, self.now_ms(), opened.blobs, call=opened.asker.op, **more)

    async def contents(self, opened: Opened, wanted: Sequence[Kept]) -> Mapping[str, bytes]:
        """Fetch the blobs that turns need; those of this call are at hand.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        if not any(each.media for each in wanted):
            return {}
        needed = [each for each in wanted if any(digest not in opened.blobs for digest in each.media)]
        found = await self.histories.blobs(opened.keys, opened.history, needed) if needed else {}
        return {**found, **opened.blobs}

    def keep_raw(
        self,
        opened: Opened,
        raw: bytes,
        encoding: Literal["identity", "deflate"] = "identity",
        size: int = -1,
    ) -> RawAnswer:
        """Have the provider's own bytes of an answer stored with it; `size` is theirs as they came, if packed."""
        blob = blobs.written(opened.salt, "r", raw)
        digest = blobs.digest_of(blob)
        opened.blobs[digest] = blob
        return RawAnswer(blob=digest, size=len(raw) if size < 0 else size, encoding=encoding)

    async def commit(
        self,
        opened: Opened,
        drafts: Sequence[Draft],
        *,
        report: bytes = b"",
        toolset: str = "",
        render: tuple[str, str] = ("", ""),
    ) -> Receipt:
        """Store a call's turns, all or none; whoever reads the context from now on finds them.

        `report` is stored beside the revision. Repeats itself while the store is away, for as long as the lease
        lasts.

        Raises:
            ContextTooLarge: the policy does not allow so many bytes; nothing was stored.
            ContextFenced: the lease went to another writer; the turns were kept aside.
            ContextExpired, ContextErased: the context is gone.
            StoreUnavailable: it is not known whether the turns were stored.
        """
        opened.check_size(drafts)
        history, stored = opened.history, opened.blobs
        frames, link = seal(drafts, self.chain_keys, opened.keys.tenant, history.link, history.cipher)
        if history.cipher is not None:
            stored = {digest: self._at_rest(opened, digest, content) for digest, content in stored.items()}
        work = Commit(
            head=link.hex(),
            frames=frames,
            blobs=stored,
            turns=opened.stored.turns + len(drafts),
            size=opened.stored.facts.size + sum(map(len, (*frames, *stored.values()))),
            ttl_ms=(opened.policy.ttl_s or 0) * 1000,
            toolset=toolset,
            report=self.sealed_report(opened.keys, opened.stored.rev + 1, report) if report else b"",
            render=render,
            key=opened.idempotency.key if opened.idempotency else "",
        )
        try:
            return await self._write(opened, work, drafts, link)
        except asyncio.CancelledError:
            # Whoever waits may be cancelled; what was begun is brought to its end all the same: a commit that is
            # sent twice stores its turns once. A task for each, to outlive its caller, would cost every call.
            opened.left = True
            self.aftercare.begin(self._write(opened, work, drafts, link))
            raise

    async def release(self, opened: Opened, outcome: str) -> None:
        """Give a lease back and store nothing; never raises, and does nothing once a commit cannot be stopped."""
        if not opened.over:
            self._leases.settle(opened)
            await self._leases.give_back(opened.keys, opened.lease, opened.idempotency, outcome)

    def release_later(self, opened: Opened, outcome: str) -> "asyncio.Future[None]":
        """Give a lease back whether or not anybody waits for it."""
        return self.aftercare.begin(self.release(opened, outcome))

    async def remember(self, opened: Opened, media_type: str, body: bytes) -> None:
        """Keep the answer as it is about to be sent, for the next time the call's idempotency key comes.

        Never raises: the turn is stored, from which the answer can be told again.
        """
        if opened.idempotency is None:
            return
        try:
            await self.store.remember(
                opened.keys,
                opened.lease,
                opened.idempotency.key,
                media_type,
                sealed(
                    self.chain_keys,
                    opened.keys,
                    _replay_place(opened.idempotency, media_type),
                    self._at_rest(opened, REPLAY, body),
                ),
            )
        except StoreUnavailable:
            _log.warning("the answer of call %s was not kept for its repetition", opened.asker.op)

    def sealed_report(self, keys: Keys, rev: int, report: bytes) -> bytes:
        """Write the report on a revision so that it cannot be altered, nor be another one's."""
        return sealed(self.chain_keys, keys, f"report:{rev}", report)

    def report(self, keys: Keys, rev: int, stored: bytes) -> bytes:
        """Read the report on a revision.

        Raises:
            IntegrityFailed: it is not what was stored.
        """
        return unsealed(self.chain_keys, keys, f"report:{rev}", stored)

    def _fields(self, keys: Keys, options: ContextOptions, base: Policy) -> dict[str, Argument]:
        now = self.now_ms()
        policy = options.policy or Policy()
        return new_fields(
            self.chain_keys,
            keys,
            (Genesis(context=keys.context, created=now, key_id=self.chain_keys.current),),
            policy=policy,
            ttl_s=policy.over(base).ttl_s,
            encrypt=self.settings.encrypt,
            subject=options.subject,
            metadata=options.metadata,
        )

    def _keys(self, asker: Asker, options: ContextOptions, idempotency: Idempotency | None) -> Keys:
        if not options.create and (options.subject or options.metadata or options.policy is not None):
            # Were they left out in silence, a subject would not be found on the day it is to be erased.
            raise InvalidRequest(
                "subject, metadata and policy are given to a context as it is made: say create, too",
                param="llmgw.context",
            )
        if options.id is not None:
            return checked(asker.tenant, options.id)
        if not options.create:
            raise InvalidRequest("a context is named by its id, or made by create", param="llmgw.context")
        return checked(asker.tenant, made_id(asker.tenant, idempotency, self.now_ms()))

    async def _replayed(self, keys: Keys, replay: Replay, idempotency: Idempotency | None) -> Replay:
        """Open what was kept of an answer; where its bytes were not kept, find what was stored.

        Raises:
            IntegrityFailed: neither is what was stored.
        """
        stored = await self.store.read(keys, count=0)
        if not replay.body:
            turn = await self.histories.turn_at(keys, stored, replay.head)
            return msgspec.structs.replace(replay, completion=completion_of(turn))
        place = _replay_place(idempotency, replay.media_type)
        written = unsealed(self.chain_keys, keys, place, replay.body)
        return msgspec.structs.replace(replay, body=self.histories.opened(keys, stored, written, REPLAY))

    async def _opened(
        self,
        keys: Keys,
        asker: Asker,
        lease: Lease,
        options: ContextOptions,
        base: Policy,
        idempotency: Idempotency | None,
    ) -> Opened:
        stored = lease.stored
        history = self.histories.at_hand(keys, stored)
        if history is None:
            self._check_rollback(keys, stored, options)
            history = await self.histories.at(keys, stored)
        policy = policy_over(stored.facts.policy, base)
        if policy.require_if_match and not plain_tag(options.if_match) and stored.turns > stored.base:
            raise RevisionRequired("this context wants If-Match with the revision the call follows")
        return Opened(keys, asker, lease, history, policy, idempotency)

    def _check_rollback(self, keys: Keys, stored: Stored, options: ContextOptions) -> None:
        """Refuse to go on where the store has lost what it had acknowledged, unless the caller says from where."""
        known = self.histories.known(keys)
        if known is None or known.epoch != stored.epoch or known.rev <= stored.rev:
            return
        self.histories.forget(keys)
        if plain_tag(options.if_match):
            return
        _log.error(
            "context %s of tenant %s went back from revision %d to %d: acknowledged turns are lost",
            *(keys.context, keys.tenant, known.rev, stored.rev),
        )
        raise RevisionMismatch(
            f"the store went back from revision {known.rev} to {stored.rev}, so acknowledged turns are lost; "
            "to go on from there send If-Match",
            stored.etag,
            rolled_back=True,
        )

    def _at_rest(self, opened: Opened, place: str, content: bytes) -> bytes:
        cipher = opened.history.cipher
        return content if cipher is None else cipher.encrypt(content, place)

    async def _write(self, opened: Opened, work: Commit, drafts: Sequence[Draft], link: bytes) -> Receipt:
        try:
            try:
                rev = await self.store.commit(opened.keys, opened.lease, work)
            except StoreUnavailable:
                rev = await self._committed_again(opened, work)
        except Exception:
            # But for a cancellation, after which the commit is sent again under its lease.
            self._leases.settle(opened)
            raise
        self._leases.settle(opened)
        self._remember_turns(opened, drafts, link, opened.stored.after(work, rev))
        return Receipt(context=opened.keys.context, rev=rev, head=work.head, last=work.frames[-1])

    async def _committed_again(self, opened: Opened, work: Commit) -> int:
        """Commit again where it is not known whether it was done: the script knows its call."""
        deadline = asyncio.get_running_loop().time() + self.settings.lease_s
        while True:
            await asyncio.sleep(_RETRY_S)
            try:
                return await self.store.commit(opened.keys, opened.lease, work)
            except StoreUnavailable:
                if asyncio.get_running_loop().time() >= deadline:
                    raise

    def _remember_turns(self, opened: Opened, drafts: Sequence[Draft], link: bytes, stored: Stored) -> None:
        history = opened.history
        if len(history.turns) == opened.stored.turns and history.epoch == opened.stored.epoch:
            history.add([draft.turn for draft in drafts], link)
            history.rev, history.stored = stored.rev, stored
            for digest, content in opened.blobs.items():
                if blobs.kind_of(content) != "r":
                    history.keep_blob(digest, content)
            self.histories.keep(opened.keys, history)


def _replay_place(idempotency: Idempotency | None, media_type: str) -> str:
    return f"{REPLAY}:{idempotency.key if idempotency else ''}:{media_type}"


def completion_of(turn: Turn) -> Completion:
    """Make an answer of the turn it was stored as."""
    called = any(isinstance(part, ToolCallPart) for part in turn.parts)
    choice = Choice(
        index=0,
        message=turn.message,
        reason="tool_calls" if called else "stop",
        native_reason=turn.finish_reason,
    )
    return Completion(
        id=turn.call or turn.id,
        model=turn.produced_by.model if turn.produced_by is not None else "",
        created=0,
        protocol=turn.protocol,
        choices=(choice,),
    )
