"""A context under a call's lease, and what the call leaves."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from llmgw.context.drafting import Draft
from llmgw.context.kept import Kept
from llmgw.context.known import History
from llmgw.context.storage.answers import Lease, Stored
from llmgw.context.storage.names import Keys
from llmgw.types.context import Idempotency, Policy, etag
from llmgw.types.context_errors import ContextTooLarge
from llmgw.types.turn import Binding


class Asker(Struct, frozen=True, kw_only=True):
    """Who wants something of a context, and within which call.

    `trace` is the place of the call's span, as `SpanPlace.written` has it, to be found with what the call leaves
    behind.
    """

    tenant: str
    who: str
    op: str
    trace: str = ""


class Receipt(Struct, frozen=True, kw_only=True):
    """What a call left: the revision it made, and the last frame as it was stored."""

    context: str
    rev: int
    head: str
    last: bytes

    @property
    def etag(self) -> str:
        """The entity tag of the revision."""
        return etag(self.rev, self.head)


class Opened:
    """A context under a call's lease.

    `stored` is the context as the lease found it. `said` are the caller's new turns, ready to be told; they are
    stored with the answer or not at all. `maker` is who gave the answer before.
    """

    __slots__ = (
        "_turns",
        "asker",
        "blobs",
        "due",
        "history",
        "idempotency",
        "keys",
        "lease",
        "left",
        "maker",
        "policy",
        "renewal",
        "said",
        "salt",
        "settled",
        "stored",
        "toolset",
    )

    def __init__(
        self,
        keys: Keys,
        asker: Asker,
        lease: Lease,
        history: History,
        policy: Policy,
        idempotency: Idempotency | None,
    ) -> None:
        self.keys = keys
        self.asker = asker
        self.lease = lease
        self.stored: Stored = lease.stored
        self.history = history
        self.maker: Binding | None = history.course.maker
        self.policy = policy
        self.idempotency = idempotency
        self.salt = lease.stored.facts.salt
        self.toolset = lease.stored.facts.toolset
        self.said: list[Draft] = []
        self._turns: list[Kept] = []
        self.blobs: dict[str, bytes] = {}
        self.settled = False
        self.left = False
        """Whether its commit goes on without whoever began it."""
        self.due: asyncio.TimerHandle | None = None
        self.renewal: asyncio.Task[None] | None = None

    @property
    def turns(self) -> list[Kept]:
        """All turns by their numbers: those stored, then the caller's new ones. Not to be altered."""
        # Under the lease nothing comes but what is said, so that one list does for the whole call.
        if len(self._turns) != len(self.history.turns) + len(self.said):
            self._turns = [*self.history.turns, *(draft.turn for draft in self.said)]
        return self._turns

    @property
    def over(self) -> bool:
        """Whether there is nothing more to end: the call has ended, or its commit is brought to its end."""
        return self.settled or self.left

    def check_size(self, drafts: Sequence[Draft]) -> None:
        """Hold what is to be stored against the bytes that the policy allows.

        Raises:
            ContextTooLarge: it is too much.
        """
        most = self.policy.max_bytes
        if most is None:
            return
        size = self.stored.facts.size
        for draft in drafts:
            size += len(draft.body)
        for blob in self.blobs.values():
            size += len(blob)
        if size > most:
            raise ContextTooLarge(f"the context would take more than the {most} bytes its policy allows")

    @property
    def count(self) -> int:
        """How many turns there are so far."""
        return self.stored.turns + len(self.said)
