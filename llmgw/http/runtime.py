"""What the door works with: the parts that live as long as the process, and those a reload swaps."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from llmgw.calllog.reading import Reading
from llmgw.context.archive import Archive
from llmgw.gateway.accounts.accounts import Accounts
from llmgw.gateway.feedback import Feedbacks
from llmgw.gateway.gateway import Gateway
from llmgw.http.auth import Authenticator
from llmgw.http.exchanges import Exchanges
from llmgw.http.streaming import StreamWriter
from llmgw.policy.issuers import SharedIssuers
from llmgw.policy.keyring import Keyring
from llmgw.policy.rules.rules import Rules
from llmgw.policy.signals.signals import Signals
from llmgw.policy.signals.webhooks import Webhooks
from llmgw.prompts.prompts import Prompts
from llmgw.routing.health import Health
from llmgw.state.connection import State
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.scraping import Scraping
from llmgw.types.clock import Clock
from llmgw.types.errors import Draining


class Generation(Struct, frozen=True, kw_only=True):
    """One configuration at work; a reload puts a whole new one in its place."""

    number: int
    source: str | None
    loaded_unix_ns: int
    gateway: Gateway


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one exchange: bytes and seconds."""

    max_body: int
    max_in_flight: int
    body_timeout_s: float
    drain_s: float
    hold_s: float
    ping_s: float

    @property
    def stall_s(self) -> float:
        """How long a caller may take nothing of its answer before it counts as gone."""
        return StreamWriter.STALLS * self.ping_s


class Runtime:
    """Everything the routes need; `generation` is replaced as a whole."""

    def __init__(
        self,
        *,
        state: State,
        keyring: Keyring | None,
        authenticator: Authenticator,
        issuers: SharedIssuers | None,
        rules: Rules,
        health: Health,
        recorder: Recorder,
        archive: Archive,
        prompts: Prompts,
        accounts: Accounts,
        signals: Signals,
        webhooks: Webhooks,
        clock: Clock,
        limits: Limits,
        generation: Generation,
        new_id: Callable[[], str],
        scraping: Scraping | None = None,
        open_metrics: bool = False,
        feedbacks: Feedbacks | None = None,
        calls: Reading | None = None,
        unseal: Callable[[str, str, bytes], Mapping[str, Any]] | None = None,
    ) -> None:
        self.state = state
        self.keyring = keyring
        self.authenticator = authenticator
        self.issuers = issuers
        self.rules = rules
        self.health = health
        self.recorder = recorder
        self.archive = archive
        self.prompts = prompts
        self.accounts = accounts
        self.signals = signals
        self.webhooks = webhooks
        self.clock = clock
        self.limits = limits
        self.generation = generation
        self.new_id = new_id
        self.scraping = scraping
        self.open_metrics = open_metrics
        """Whether what is measured is shown without a key."""
        self.feedbacks = feedbacks
        """Takes judgements of answers; None where nobody remembers calls."""
        self.calls = calls
        """What reads the call log, where there is one."""
        self.unseal = unseal
        """Opens what was said in a call of a tenant, by its id, where words are kept."""
        self.draining = False
        self.exchanges = Exchanges()
        """Calls at work."""

    def drain(self) -> None:
        """Take no more calls, and end those that are still at work after `drain_s`."""
        if not self.draining:
            self.draining = True
            asyncio.get_running_loop().call_later(self.limits.drain_s, self._end_exchanges)

    def _end_exchanges(self) -> None:
        for exchange in self.exchanges:
            exchange.interrupt(Draining("the gateway is stopping", retry_after_s=1))
