"""The only room that knows every room: builds the application of one worker from the settings."""

import asyncio
import gc
import logging
import multiprocessing
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from msgspec import Struct

from llmgw import __version__
from llmgw.accounting.calibration import Calibration
from llmgw.accounting.journal.journal import Journal
from llmgw.accounting.tokens import TokenCounter
from llmgw.context.archive import Archive
from llmgw.context.contexts import Contexts
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.schemas import Schemas
from llmgw.gateway.accounts.accounts import Accounts
from llmgw.gateway.accounts.counting import Counting
from llmgw.gateway.conversations import Conversations
from llmgw.gateway.dispatch import Dispatch
from llmgw.gateway.gateway import Gateway
from llmgw.gateway.prompting import Prompting
from llmgw.http.admin import admin_routes
from llmgw.http.data_plane import wire_route
from llmgw.http.errors import make_error_answer, make_request_id_stamp
from llmgw.http.front import Front
from llmgw.http.guard import make_guard
from llmgw.http.models import model_routes
from llmgw.http.ops import ops_routes
from llmgw.http.own_routes import own_routes
from llmgw.http.prompt_admin import prompt_admin_routes
from llmgw.http.prompt_calls import prompt_call_routes, prompt_routes
from llmgw.http.runtime import Generation, Runtime
from llmgw.policy.key_watch import KeyWatch
from llmgw.policy.keyring import Keyring
from llmgw.policy.rules.rule_store import RuleStore
from llmgw.policy.rules.rules import Rules
from llmgw.policy.rules.watch import RuleWatch
from llmgw.policy.spending.spending import Spending
from llmgw.prompts.prompts import Prompts
from llmgw.providers import PROVIDERS
from llmgw.routing.health import Health
from llmgw.settings import ConfigError, Loaded, Settings, Telemetry, load
from llmgw.settings.limits import configured_limits
from llmgw.settings.rooms import context_settings, exchange_limits, prompt_settings
from llmgw.settings.targets import build_catalog, provider_templates
from llmgw.state.connection import State
from llmgw.state.identity import StoreIdentity
from llmgw.telemetry import logs
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.telemetry.trace_context import new_span_id
from llmgw.types.clock import Clock, SystemClock
from llmgw.types.secret import Secret
from llmgw.upstream import Upstream
from llmgw.wire import WIRES

_log = logging.getLogger(__name__)


RELOAD_SIGNAL = signal.SIGHUP
"""Has a worker read its configuration file again."""
DRAIN_SIGNAL = signal.SIGUSR1
"""Tells a worker that it is about to be stopped."""


class Secrets(Struct, frozen=True, kw_only=True):
    """What the gateway must know and nobody else.

    `pepper` is mixed into the digests of API keys, `context_keys` sign stored turns, `bootstrap` is an admin key
    that is valid without being stored.
    """

    pepper: Secret
    context_keys: Mapping[str, Secret]
    bootstrap: Secret | None = None


def create_app(
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    generation: int = 1,
    state_url: Secret,
    secrets: Secrets,
) -> Front:
    """Build one worker's application.

    `generation` numbers the configuration, from 1; `state_url` is where Redis is, the embedded one's socket
    included.
    """
    return Worker(loaded, environ, generation=generation, state_url=state_url, secrets=secrets).app()


class Worker:
    """One worker process: the parts that live as long as it does, and the configuration at work."""

    def __init__(
        self,
        loaded: Loaded,
        environ: Mapping[str, str],
        *,
        generation: int,
        state_url: Secret,
        secrets: Secrets,
    ) -> None:
        settings = loaded.settings
        self._environ = environ
        self._loaded = loaded
        self._clock = SystemClock()
        self._upstream = Upstream()
        self._health = Health()
        self._calibration = Calibration()
        self._dispatch = Dispatch(
            PROVIDERS,
            self._upstream,
            self._health,
            clock=self._clock,
            jitter=random.random,
            new_span_id=new_span_id,
            propagate=settings.telemetry.propagate_to_providers,
            calibration=self._calibration,
        )
        self._state = State(state_url.reveal(), timeout_s=settings.state.timeout_s)
        self._identity = StoreIdentity(self._state, settings.state.dir)
        keyring = None
        if settings.auth.mode == "keys":
            keyring = Keyring(
                self._state,
                secrets.pepper,
                bootstrap=secrets.bootstrap,
                stale_auth_s=settings.auth.stale_auth_s,
                be_sure=self._identity.require,
            )
        self._key_watch = KeyWatch(self._state, keyring) if keyring is not None else None
        self._rules = Rules(configured_limits(settings.limits), RuleStore(self._state, self._clock))
        self._rule_watch = RuleWatch(self._state, self._rules, self._identity)
        self._recorder = _recorder(settings.telemetry, environ, self._clock)
        self._counter = TokenCounter()
        self._archive = open_archive(settings, self._state, secrets.context_keys, self._clock)
        self._contexts = self._archive.library.contexts
        self._conversations = Conversations(
            self._archive, self._counter, self._recorder.operation, self._calibration
        )
        self._prompts = Prompts(self._state, prompt_settings(settings), self._clock)
        self._prompting = Prompting(self._prompts, self._clock)
        self._accounts = Accounts(
            Spending(self._state),
            Journal(settings.state.dir / "journal"),
            self._rules,
            Counting(self._counter, self._calibration),
            self._clock,
            self._identity,
            workers=settings.server.workers,
        )
        self._recorder.watch_prompts(lambda: self._prompts.snapshot.age_s)
        self._runtime = Runtime(
            state=self._state,
            keyring=keyring,
            rules=self._rules,
            health=self._health,
            recorder=self._recorder,
            archive=self._archive,
            prompts=self._prompts,
            accounts=self._accounts,
            clock=self._clock,
            limits=exchange_limits(settings),
            generation=self._generation(loaded, number=generation),
            new_id=self._new_id,
        )

    def app(self) -> Front:
        """Put the routes together."""
        runtime = self._runtime
        guarded = [
            *model_routes(runtime),
            *own_routes(runtime),
            *prompt_routes(runtime),
            *prompt_admin_routes(runtime),
            *ops_routes(runtime),
            *admin_routes(runtime),
        ]
        control_plane = Router(
            "/",
            route_handlers=guarded,
            guards=[make_guard(runtime.authenticator)],
            after_request=make_request_id_stamp(self._new_id),
        )
        litestar = Litestar(
            [
                control_plane,
                *(wire_route(wire, runtime) for wire in WIRES),
                *prompt_call_routes(runtime),
            ],
            exception_handlers={Exception: make_error_answer(self._new_id)},
            lifespan=[self._lifespan],
            openapi_config=None,
            logging_config=None,
        )
        open_to_all = runtime.keyring is None
        return Front(litestar, loopback_hosts_only=open_to_all)  # type: ignore[arg-type]  # Litestar types ASGI more narrowly than the specification

    @asynccontextmanager
    async def _lifespan(self, _app: Litestar) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(RELOAD_SIGNAL, self._reload)
        loop.add_signal_handler(DRAIN_SIGNAL, self._runtime.drain)
        orphaned = loop.create_task(_stop_when_orphaned(_supervisor()))
        sweeping = loop.create_task(_sweep(self._contexts))
        await self._state.connect()
        await self._identity.start()
        await self._prompts.start()
        await self._rule_watch.start()
        await self._accounts.start()
        if self._key_watch is not None:
            self._key_watch.start()
        # What start-up made stays for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # The thread that encodes spans would else keep the loop from running for 5 ms at a time.
        sys.setswitchinterval(0.0005)
        try:
            yield
        finally:
            for number in (RELOAD_SIGNAL, DRAIN_SIGNAL):
                loop.remove_signal_handler(number)
            orphaned.cancel()
            sweeping.cancel()
            if self._key_watch is not None:
                await self._key_watch.aclose()
            await self._rule_watch.aclose()
            await self._prompts.aclose()
            await self._contexts.aftercare.aclose()
            await self._accounts.aclose()
            await self._identity.aclose()
            await self._upstream.aclose()
            await self._state.aclose()
            await loop.run_in_executor(None, self._recorder.shutdown)

    def _reload(self) -> None:
        """Take over the file as it is now, or keep what is at work and say why."""
        number = self._runtime.generation.number + 1
        try:
            if self._loaded.source is None:
                return
            fresh = load(self._loaded.source, self._environ)
        except ConfigError as error:
            _log.error("reload refused, the old configuration stays: %s", error)
            return
        self._rules.configure(configured_limits(fresh.settings.limits))
        self._runtime.generation = self._generation(fresh, number)
        self._retaining = asyncio.get_running_loop().create_task(
            self._upstream.retain(
                [each.target("any") for each in provider_templates(fresh.settings).values()]
            )
        )
        _log.info("configuration %d is at work", number)

    def _generation(self, loaded: Loaded, number: int) -> Generation:
        catalog = build_catalog(loaded.settings)
        self._recorder.know(frozenset(target.model for target in catalog.targets()))
        return Generation(
            number=number,
            source=loaded.source,
            loaded_unix_ns=self._clock.unix_ns(),
            gateway=Gateway(
                catalog,
                self._dispatch,
                self._health,
                self._counter,
                random.random,
                self._conversations,
                self._prompting,
                self._accounts,
            ),
        )

    def _new_id(self) -> str:
        """Draw an id whose text sorts by time."""
        return f"{self._clock.unix_ns() // 1_000_000:011x}{random.getrandbits(52):013x}"


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


def _recorder(telemetry: Telemetry, environ: Mapping[str, str], clock: Clock) -> Recorder:
    process = {"service.instance.id": f"{socket.gethostname()}:{os.getpid()}"}
    return Recorder(
        Tracing(
            telemetry.otlp_endpoint,
            sample=telemetry.sample,
            slow_ms=telemetry.slow_ms,
            version=__version__,
            clock=clock,
            resource=process,
        ),
        Metrics(
            telemetry.otlp_endpoint,
            every_s=telemetry.metrics_s,
            version=__version__,
            clock=clock,
            resource=process,
        ),
        logs.configure(telemetry.log_level, sys.stderr, logs.style_for(sys.stderr, environ)),
        clock,
    )


async def _sweep(contexts: Contexts) -> None:
    """Have what nobody asks for forgotten, as long as the worker lives."""
    while True:
        await asyncio.sleep(60)
        contexts.histories.sweep()


def _supervisor() -> int:
    """The process that started this one, dead or alive: whoever has only now become its parent is another."""
    starter = multiprocessing.parent_process()
    started_by = starter.pid if starter is not None else None
    return os.getppid() if started_by is None else started_by


async def _stop_when_orphaned(supervisor: int) -> None:
    """End a worker whose supervisor was killed: nobody would restart its store or pass on a signal."""
    while os.getppid() == supervisor:  # noqa: ASYNC110  # a parent's end raises no event
        await asyncio.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
