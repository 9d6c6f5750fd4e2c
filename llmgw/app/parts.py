"""Single parts of a worker, as the settings want them."""

import os
import random
import socket
import sys
from collections.abc import Mapping

from msgspec import Struct

from llmgw import __version__
from llmgw.accounting.calibration import Calibration
from llmgw.context.archive import Archive
from llmgw.context.contexts import Contexts
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.schemas import Schemas
from llmgw.gateway.dispatch import Dispatch
from llmgw.policy.keyring import Keyring
from llmgw.providers import PROVIDERS
from llmgw.routing.health import Health
from llmgw.settings import Settings, Telemetry
from llmgw.settings.rooms import context_settings
from llmgw.state.connection import State
from llmgw.state.identity import StoreIdentity
from llmgw.telemetry import logs
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.telemetry.trace_context import new_span_id
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.content import Capture
from llmgw.types.secret import Secret
from llmgw.upstream import Upstream


class Secrets(Struct, frozen=True, kw_only=True):
    """What the gateway must know and nobody else.

    `pepper` is mixed into the digests of API keys, `context_keys` sign stored turns, `bootstrap` is an admin key
    that is valid without being stored, `content_key` seals what is said in calls, where any of it is kept.
    """

    pepper: Secret
    context_keys: Mapping[str, Secret]
    bootstrap: Secret | None = None
    content_key: Secret | None = None


def open_archive(
    settings: Settings, state: State, keys: Mapping[str, Secret], clock: Clock | None = None
) -> Archive:
    """Put together all that can be done with stored conversations; `keys` sign them.

    Raises:
        ValueError: there are no keys, or one is too short.
    """
    contexts = Contexts(
        state,
        ChainKeys(keys, settings.contexts.trust),
        context_settings(settings),
        clock=clock or SystemClock(),
        jitter=random.random,
    )
    return Archive(contexts, Schemas(state))


def open_dispatch(
    settings: Settings, upstream: Upstream, health: Health, clock: Clock, calibration: Calibration
) -> Dispatch:
    """Open what tries targets until one answers."""
    return Dispatch(
        PROVIDERS,
        upstream,
        health,
        clock=clock,
        jitter=random.random,
        new_span_id=new_span_id,
        propagate=settings.telemetry.propagate_to_providers,
        calibration=calibration,
    )


def open_keyring(
    settings: Settings, state: State, secrets: Secrets, identity: StoreIdentity
) -> Keyring | None:
    """Open what knows who holds which key; None where nobody needs one.

    Raises:
        ValueError: the pepper or the bootstrap key cannot be used.
    """
    if settings.auth.mode != "keys":
        return None
    return Keyring(
        state,
        secrets.pepper,
        bootstrap=secrets.bootstrap,
        stale_auth_s=settings.auth.stale_auth_s,
        be_sure=identity.require,
    )


def open_metrics(telemetry: Telemetry, clock: Clock) -> Metrics:
    """Open what is measured, and what tells a collector of it."""
    return Metrics(
        telemetry.otlp_endpoint,
        every_s=telemetry.metrics_s,
        version=__version__,
        clock=clock,
        resource=_process(),
    )


def capture_of(telemetry: Telemetry) -> Capture:
    """How much is told of whose calls."""
    return Capture(
        level=telemetry.capture,
        by_tenant=telemetry.capture_by_tenant,
        max_bytes=telemetry.content_max_bytes,
    )


def open_recorder(
    telemetry: Telemetry, environ: Mapping[str, str], clock: Clock, metrics: Metrics
) -> Recorder:
    """Open the one place where what is over is told."""
    tracing = Tracing(
        telemetry.otlp_endpoint,
        sample=telemetry.sample,
        slow_ms=telemetry.slow_ms,
        version=__version__,
        clock=clock,
        resource=_process(),
    )
    log = logs.configure(telemetry.log_level, sys.stderr, logs.style_for(sys.stderr, environ))
    return Recorder(tracing, metrics, log, clock, capture_of(telemetry))


def _process() -> Mapping[str, str]:
    return {"service.instance.id": f"{socket.gethostname()}:{os.getpid()}"}
