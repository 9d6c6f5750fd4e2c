"""From the settings to what single rooms are told."""

from pathlib import Path
from typing import Final

from llmgw.context.settings import ContextSettings
from llmgw.context.verifying.settings import VerifySettings
from llmgw.http.runtime import Limits
from llmgw.policy.spending.upkeep import Keep
from llmgw.prompts.settings import PromptSettings
from llmgw.settings.model import Settings

_DAY_MS: Final = 86_400_000


def context_settings(settings: Settings) -> ContextSettings:
    """How stored conversations are treated."""
    contexts = settings.contexts
    return ContextSettings(
        policy=contexts.policy,
        tenants=contexts.tenants,
        encrypt=contexts.encrypt,
        lease_s=contexts.lease_s,
        queue_s=contexts.queue_s,
        cache_bytes=contexts.cache_mib * 1024 * 1024,
        sample=contexts.read_back,
        verify=VerifySettings(enabled=contexts.verify.enabled, ttl_s=contexts.verify.ttl_s),
    )


def prompt_settings(settings: Settings) -> PromptSettings:
    """How prompts are published and followed."""
    prompts = settings.prompts
    return PromptSettings(
        protected=prompts.protected,
        approvals=prompts.approvals,
        min_cases=prompts.min_cases,
        poll_s=prompts.poll_s,
        state_dir=settings.state.dir,
    )


def ledger_archive(settings: Settings) -> Path:
    """Where rows of the ledger go."""
    return settings.ledger.archive_dir or settings.state.dir / "ledger"


def ledger_keep(settings: Settings) -> Keep:
    """Which rows of the ledger stay in the store, and where the others go."""
    ledger = settings.ledger
    return Keep(
        ms=ledger.keep_days * _DAY_MS,
        slack_ms=_DAY_MS,
        rows=ledger.keep_rows,
        archive=ledger_archive(settings) if ledger.archive else None,
        rest_ms=ledger.prove_s * 400,
    )


def exchange_limits(settings: Settings) -> Limits:
    """Bounds of one exchange with a caller."""
    server = settings.server
    return Limits(
        max_body=server.max_body_mib * 1024 * 1024,
        max_in_flight=server.max_in_flight,
        body_timeout_s=server.body_timeout_s,
        drain_s=server.drain_s,
        hold_s=server.hold_s,
        ping_s=server.ping_s,
    )
