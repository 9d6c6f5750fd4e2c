"""Everything in a worker that is about money: what may be spent, what was, and who is told."""

import random
from functools import partial

from llmgw.accounting.journal.journal import Journal
from llmgw.gateway.accounts.accounts import Accounts
from llmgw.gateway.accounts.counting import Counting
from llmgw.policy.rules.rule_store import RuleStore
from llmgw.policy.rules.rules import Rules
from llmgw.policy.rules.watch import RuleWatch
from llmgw.policy.signals.delivery import Means
from llmgw.policy.signals.signals import Signals
from llmgw.policy.signals.webhooks import Webhooks
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.upkeep import Upkeep
from llmgw.settings import Settings
from llmgw.settings.limits import configured_limits
from llmgw.settings.rooms import ledger_keep
from llmgw.settings.signals import signal_rules, webhooks
from llmgw.state.connection import State
from llmgw.state.identity import StoreIdentity
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.service_definitions import BOOKS_VIOLATIONS
from llmgw.types.clock import Clock
from llmgw.upstream import Upstream
from llmgw.upstream.posting import post


class Books:
    """The parts, which begin, take over other settings and end together."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        identity: StoreIdentity,
        *,
        upstream: Upstream,
        clock: Clock,
        counting: Counting,
    ) -> None:
        self.rules = Rules(configured_limits(settings.limits), RuleStore(state, clock))
        self.signals = Signals(state, clock, signal_rules(settings.signals))
        self._rule_watch = RuleWatch(state, self.rules, identity)
        self._spending = Spending(state, thresholds=settings.signals.thresholds)
        self.accounts = Accounts(
            self._spending,
            Journal(settings.state.dir / "journal"),
            self.rules,
            counting,
            clock,
            identity,
            signals=self.signals,
            workers=settings.server.workers,
        )
        self._upkeep = Upkeep(
            state,
            clock,
            ledger_keep(settings),
            every_s=settings.ledger.prove_s,
            jitter=random.random,
        )
        means = Means(state, self.signals.log, partial(post, upstream), clock, random.random)
        self.webhooks = Webhooks(webhooks(settings.signals), means, self.signals.bell)

    def watched_by(self, recorder: Recorder) -> None:
        """Have what the journal and the ledger are waiting for reported."""
        journal, settler = self.accounts.journal, self.accounts.settler
        recorder.watch_ledger(
            waiting=lambda: journal.state.counts.open_operations,
            lost=lambda: settler.lost,
            ready=lambda: float(journal.state.ready),
        )
        recorder.watch(
            BOOKS_VIOLATIONS, lambda: {(name,): count for name, count in self._upkeep.violations.items()}
        )

    async def start(self) -> None:
        """Learn what is in force, settle what dead workers left, and begin to look after the books."""
        await self._rule_watch.start()
        await self.accounts.start()
        self._upkeep.start()
        self.signals.start()
        self.webhooks.start()

    async def configure(self, settings: Settings) -> None:
        """Take over other settings."""
        self.rules.configure(configured_limits(settings.limits))
        self.signals.rules = signal_rules(settings.signals)
        self._spending.thresholds = settings.signals.thresholds
        await self.webhooks.apply(webhooks(settings.signals))

    async def aclose(self) -> None:
        """End all of it; what calls cost is settled first, as far as the store takes it."""
        await self._upkeep.aclose()
        await self.webhooks.aclose()
        await self._rule_watch.aclose()
        await self.accounts.aclose()
        await self.signals.aclose()
