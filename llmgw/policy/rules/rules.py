"""Which limits and budgets are in force for a call, as far as this worker knows: asked of memory alone."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from llmgw.policy.rules.book import Book
from llmgw.policy.rules.rule_store import Change, Rule, RuleHistory, RuleStore, Stored, etag_of
from llmgw.policy.rules.terms import Bounds, Configured, Subject, SubjectLimits
from llmgw.policy.spending.values import Scope
from llmgw.state.audit_chain import FIRST, Tail
from llmgw.types.call import Caller
from llmgw.types.errors import GatewayError

CACHE_MAX: Final = 8192
"""Callers, with their tags, whose bounds are remembered."""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is set for one subject, and where; `by` and `at_ms` say who put a stored rule, and when."""

    tenant: str
    scope: Scope
    name: str
    source: Literal["settings", "store"]
    limits: SubjectLimits
    by: str = ""
    at_ms: int | None = None
    replaces_settings: bool = False
    """Whether the settings have an entry of the subject, which does not count."""

    @property
    def etag(self) -> str:
        """Its entity tag."""
        return etag_of(self.limits)


class Rules:
    """One worker's copy of all rules.

    `known` is False until the stored ones could be read once: then what is in force is the settings' alone, and
    calls cannot be let through on its word. `lost` says that the store has none of those that are in force.
    """

    def __init__(self, configured: Configured, store: RuleStore) -> None:
        self.known = False
        self.lost = False
        self.store = store
        self._stored = Stored(tail=Tail(0, FIRST), rules={})
        self._book = Book(configured, {})
        self._cache: dict[tuple[object, ...], Bounds] = {}
        self._looking = asyncio.Lock()

    @property
    def configured(self) -> Configured:
        """What the settings say."""
        return self._book.configured

    def in_force(self, caller: Caller, tags: Sequence[str] = ()) -> Bounds:
        """What a call with these tags, and those of its key, is held to.

        Raises:
            InvalidRequest: its tags bring more limits or budgets than one call can have.
        """
        key = (caller.tenant, caller.team, caller.key_id, caller.tags, tuple(tags))
        found = self._cache.get(key)
        if found is None:
            found = self._book.bounds(caller, (*caller.tags, *tags))
            if len(self._cache) >= CACHE_MAX:
                self._cache.clear()
            self._cache[key] = found
        return found

    def configure(self, configured: Configured) -> None:
        """Take over other settings."""
        self._renew(configured, self._stored)

    async def look(self) -> None:
        """Take over what is stored, if it has changed.

        A store without any change in its chain has lost it: what was known before stays in force until somebody
        puts a rule there again.

        Raises:
            StoreUnavailable: the store cannot be asked; what was known stays.
            InternalError: a rule cannot be read; what was known stays.
        """
        async with self._looking:
            if self.known and await self.store.tail() == self._stored.tail:
                return
            stored = await self.store.all()
            self.lost = stored.tail.events == 0 and self._stored.tail.events > 0
            if self.lost:
                return
            self._renew(self._book.configured, stored)
            self.known = True

    async def change(self, change: Change) -> Rule | None:
        """Put or take away a rule; felt here at once. Says what is stored of the subject then.

        Raises:
            LimitsChanged: something else is there than was expected.
            NotFound: there is no rule to take away.
            KeyConflict: there are too many rules.
            StoreUnavailable: it is not known whether it was done; do it again.
        """
        rule = await self.store.change(change)
        # It is made; what this worker misses now it looks for itself.
        with contextlib.suppress(GatewayError):
            await self.look()
        return rule

    async def entries(self) -> list[Entry]:
        """All that is set, read from the store anew, in order of tenants, scopes and names.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        stored = (await self.store.all()).rules
        subjects = {*stored, *self._subjects()}
        found = (self._entry(subject, stored.get(subject)) for subject in sorted(subjects))
        return [each for each in found if each is not None]

    async def find(self, subject: Subject) -> Entry | None:
        """What is set for exactly this subject.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return self._entry(subject, await self.store.find(subject))

    async def history(self, tenant: str | None) -> RuleHistory:
        """The changes of a tenant's rules, or of all, the newest first.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return await self.store.history(tenant)

    def of_settings(self, subject: Subject) -> SubjectLimits | None:
        """What the settings say of exactly this subject."""
        return self._book.configured.tenants.get(subject.tenant, {}).get((subject.scope, subject.name))

    def _subjects(self) -> list[Subject]:
        tenants = self._book.configured.tenants
        return [Subject(tenant, *place) for tenant, entries in tenants.items() for place in entries]

    def _entry(self, subject: Subject, rule: Rule | None) -> Entry | None:
        tenant, scope, name = subject
        configured = self.of_settings(subject)
        if rule is not None:
            return Entry(
                tenant=tenant,
                scope=scope,
                name=name,
                source="store",
                limits=rule.limits,
                by=rule.by,
                at_ms=rule.at_ms,
                replaces_settings=configured is not None,
            )
        if configured is None:
            return None
        return Entry(tenant=tenant, scope=scope, name=name, source="settings", limits=configured)

    def _renew(self, configured: Configured, stored: Stored) -> None:
        self._stored = stored
        self._book = Book(configured, {subject: rule.limits for subject, rule in stored.rules.items()})
        self._cache.clear()
