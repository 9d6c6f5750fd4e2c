"""What is told about money, and to whom: the section `signals`, its checks, and what it makes."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from llmgw.policy.signals.signals import SignalRules
from llmgw.policy.signals.spikes import SpikeRule
from llmgw.policy.signals.webhook import Webhook, secret_bytes
from llmgw.settings.address import http_url_problem
from llmgw.settings.problem import Finding, Path
from llmgw.types.call import TENANT
from llmgw.types.money import NANO
from llmgw.types.secret import Secret
from llmgw.types.signal import EventKind

_PATH: Final = "signals"


class SignalWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One address that events are sent to, signed as Standard Webhooks says."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    """Where to post; private addresses are allowed, redirects are not followed."""
    secret: Secret
    """24 to 64 random bytes as base64, with or without `whsec_` before them; receivers check signatures by it."""
    kinds: Annotated[tuple[EventKind, ...], Meta(max_length=100)] = ()
    """Kinds of events that are sent; all by default."""
    tenants: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=63)], ...], Meta(max_length=1000)
    ] = ()
    """Tenants whose events are sent; those of all by default."""


class SignalSpikes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When spend is out of the ordinary: an hour against the same hour of earlier days."""

    factor: Annotated[float, Meta(gt=1, le=1_000_000)] = 3.0
    """How many times the usual cost or tokens make a spike."""
    least_usd: Annotated[float, Meta(ge=0, le=1_000_000_000)] = 1.0
    """US dollars below which an hour is no spike."""


class Signals(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told about money, and to whom."""

    thresholds: Annotated[tuple[Annotated[int, Meta(ge=1, le=100)], ...], Meta(max_length=20)] = (50, 80, 100)
    """Percentages of each budget that are told when they are reached."""
    spikes: SignalSpikes = SignalSpikes()
    """When spend is out of the ordinary."""
    webhooks: Annotated[tuple[SignalWebhook, ...], Meta(max_length=50)] = ()
    """Addresses that events are sent to."""


def signal_rules(signals: Signals) -> SignalRules:
    """What is told of."""
    return SignalRules(
        thresholds=signals.thresholds,
        spikes=SpikeRule(factor=signals.spikes.factor, least_nano=round(signals.spikes.least_usd * NANO)),
    )


def webhooks(signals: Signals) -> Sequence[Webhook]:
    """Whom it is told to."""
    return [
        Webhook(url=each.url, secret=each.secret, kinds=each.kinds, tenants=each.tenants)
        for each in signals.webhooks
    ]


def check_signals(signals: Signals) -> Iterator[Finding]:
    """Yield what does not hold, in words that repeat neither URL nor secret."""
    if len(set(signals.thresholds)) < len(signals.thresholds):
        yield Finding(path=(_PATH, "thresholds"), message="has a percentage twice")
    urls: set[str] = set()
    for number, hook in enumerate(signals.webhooks):
        path: Path = (_PATH, "webhooks", number)
        problem = http_url_problem(hook.url)
        if problem is None and "#" in hook.url:
            problem = "must not hold a fragment"
        if problem is None and hook.url in urls:
            problem = "is that of another webhook: give one both their kinds and tenants"
        if problem is not None:
            yield Finding(path=(*path, "url"), message=problem)
        urls.add(hook.url)
        if not hook.secret:
            yield Finding(
                path=(*path, "secret"), message="is empty: receivers could not tell our events from others"
            )
        else:
            try:
                secret_bytes(hook.secret.reveal())
            except ValueError as error:
                yield Finding(path=(*path, "secret"), message=str(error))
        for place, tenant in enumerate(hook.tenants):
            if not TENANT.fullmatch(tenant):
                yield Finding(path=(*path, "tenants", place), message="is not a tenant's name")
