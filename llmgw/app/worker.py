"""One worker: its parts, joined from the settings, its application, and its life."""

import asyncio
import gc
import logging
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar, Router

from llmgw.accounting.calibration import Calibration
from llmgw.accounting.tokens import TokenCounter
from llmgw.app.application import Application
from llmgw.app.books import Books
from llmgw.app.call_log import CallBook
from llmgw.app.callers import authenticator, shared_issuers
from llmgw.app.gauges import Lag, watch, watch_reloads
from llmgw.app.handover import Handover, HandoverError
from llmgw.app.life import stop_when_orphaned, supervisor, sweep
from llmgw.app.parts import (
    Secrets,
    open_archive,
    open_dispatch,
    open_keyring,
    open_metrics,
    open_recorder,
)
from llmgw.app.threads import SETTLED_S, let_the_loop_run_on
from llmgw.gateway.accounts.counting import Counting
from llmgw.gateway.conversations import Conversations
from llmgw.gateway.gateway import Gateway
from llmgw.gateway.prompting import Prompting
from llmgw.http.admin import admin_routes
from llmgw.http.data_plane import wire_route
from llmgw.http.errors import make_error_answer, make_request_id_stamp
from llmgw.http.front import Front
from llmgw.http.guard import make_guard
from llmgw.http.metrics import metrics_routes
from llmgw.http.models import model_routes
from llmgw.http.ops import ops_routes
from llmgw.http.own_routes import own_routes
from llmgw.http.prompt_admin import prompt_admin_routes
from llmgw.http.prompt_calls import prompt_call_routes, prompt_routes
from llmgw.http.runtime import Generation, Runtime
from llmgw.http.tokens import token_routes
from llmgw.policy.key_watch import KeyWatch
from llmgw.policy.keyring import Keyring
from llmgw.prompts.prompts import Prompts
from llmgw.routing.health import Health
from llmgw.settings import ConfigError, Loaded, Settings, load_snapshot
from llmgw.settings.rooms import exchange_limits, prompt_settings
from llmgw.settings.targets import build_catalog, provider_templates
from llmgw.state.connection import State
from llmgw.state.identity import StoreIdentity
from llmgw.telemetry.points import Known
from llmgw.telemetry.scraping import Scraping
from llmgw.telemetry.siblings import Place
from llmgw.types.clock import SystemClock
from llmgw.types.secret import Secret
from llmgw.upstream import Upstream
from llmgw.wire import WIRES

_log = logging.getLogger(__name__)


RELOAD_SIGNAL = signal.SIGHUP
"""Has a worker take over the configuration that was handed to it."""
DRAIN_SIGNAL = signal.SIGUSR1
"""Tells a worker that it is about to be stopped."""
COLLECTING: Final = (20_000, 10, 10)
"""When garbage is looked for. What calls make is gone with them, but for what is stored on; looked for at every 700
objects, as is usual, what is under way and remembered was looked through again and again."""


def create_app(
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    handover: Handover | None = None,
    state_url: Secret,
    secrets: Secrets,
    place: Place | None = None,
) -> Front:
    """Build one worker's application.

    `handover` is where other configurations come from, and numbers `loaded`; without one none ever comes.
    `state_url` is where Redis is, the embedded one's socket included. `place` is the worker's among its siblings;
    without one it has none.
    """
    alone = Place(directory=loaded.settings.state.dir, gateway="alone", workers=1)
    worker = Worker(
        loaded,
        environ,
        handover=handover,
        state_url=state_url,
        secrets=secrets,
        place=alone if place is None else place,
    )
    return worker.app()


class Worker:
    """One worker process: the parts that live as long as it does, and the configuration at work."""

    def __init__(
        self,
        loaded: Loaded,
        environ: Mapping[str, str],
        *,
        handover: Handover | None,
        state_url: Secret,
        secrets: Secrets,
        place: Place,
    ) -> None:
        settings = loaded.settings
        number = handover.last.generation if handover is not None else 1
        self._environ = environ
        self._handover = handover
        self._clock = SystemClock()
        self._upstream = Upstream()
        self._health = Health()
        self._calibration = Calibration()
        self._dispatch = open_dispatch(settings, self._upstream, self._health, self._clock, self._calibration)
        self._state = State(state_url.reveal(), timeout_s=settings.state.timeout_s)
        self._identity = StoreIdentity(self._state, settings.state.dir)
        keyring = open_keyring(settings, self._state, secrets, self._identity)
        self._issuers = shared_issuers(settings, self._upstream, self._state, self._clock)
        self._key_watch = KeyWatch(self._state, keyring) if keyring is not None else None
        metrics = open_metrics(settings.telemetry, self._clock)
        self._recorder = open_recorder(settings.telemetry, environ, self._clock, metrics)
        self._scraping = Scraping(metrics, place)
        self._counter = TokenCounter(place.counting if place.counting.exists() else None)
        self._archive = open_archive(settings, self._state, secrets.context_keys, self._clock)
        self._contexts = self._archive.library.contexts
        self._conversations = Conversations(
            self._archive, self._counter, self._recorder.operation, self._calibration
        )
        self._prompts = Prompts(self._state, prompt_settings(settings), self._clock)
        self._prompting = Prompting(self._prompts, self._clock)
        counting = Counting(self._counter, self._calibration)
        self._books = Books(
            settings,
            self._state,
            self._identity,
            upstream=self._upstream,
            clock=self._clock,
            counting=counting,
        )
        self._recorder.watch_prompts(lambda: self._prompts.snapshot.age_s)
        self._books.watched_by(self._recorder)
        self._calls: CallBook | None = None
        if settings.call_log.enabled:
            self._calls = CallBook(settings, self._state, self._clock, secrets.content_key)
            self._calls.told_by(self._recorder)
        self._runtime = self._opened(settings, keyring, self._generation(loaded, number))
        watch(self._recorder, self._runtime, self._upstream)
        if handover is not None and place.worker == 1:
            watch_reloads(self._recorder, self._runtime, handover)
        self._lag = Lag(self._recorder)

    def _opened(self, settings: Settings, keyring: Keyring | None, generation: Generation) -> Runtime:
        """Put together what the routes need."""
        calls = self._calls
        return Runtime(
            state=self._state,
            keyring=keyring,
            authenticator=authenticator(settings, keyring, self._issuers, self._clock),
            issuers=self._issuers,
            rules=self._books.rules,
            health=self._health,
            recorder=self._recorder,
            archive=self._archive,
            prompts=self._prompts,
            accounts=self._books.accounts,
            signals=self._books.signals,
            webhooks=self._books.webhooks,
            clock=self._clock,
            limits=exchange_limits(settings),
            generation=generation,
            new_id=self._new_id,
            scraping=self._scraping,
            open_metrics=settings.server.metrics == "public",
            calls=calls.reading if calls is not None else None,
            unseal=calls.unseal if calls is not None else None,
            feedbacks=calls.feedbacks(self._state, self._clock, self._new_id) if calls is not None else None,
        )

    def app(self) -> Front:
        """Put the routes together."""
        runtime = self._runtime
        guarded = [
            *model_routes(runtime),
            *own_routes(runtime),
            *token_routes(runtime),
            *prompt_routes(runtime),
            *prompt_admin_routes(runtime),
            *ops_routes(runtime),
            *metrics_routes(runtime),
            *admin_routes(runtime),
        ]
        control_plane = Router(
            "/",
            route_handlers=guarded,
            guards=[make_guard(runtime.authenticator)],
            after_request=make_request_id_stamp(self._new_id),
        )
        litestar = Application(
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
        return Front(litestar, loopback_hosts_only=open_to_all, new_id=self._new_id)

    @asynccontextmanager
    async def _lifespan(self, _app: Litestar) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(RELOAD_SIGNAL, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RELOAD_SIGNAL})
        loop.add_signal_handler(DRAIN_SIGNAL, self._runtime.drain)
        orphaned = loop.create_task(stop_when_orphaned(supervisor()))
        sweeping = loop.create_task(sweep(self._contexts))
        await self._state.connect()
        await self._identity.start()
        await self._prompts.start()
        await self._books.start()
        if self._key_watch is not None:
            self._key_watch.start()
        self._issuers.start()
        await self._scraping.start()
        if self._calls is not None:
            self._calls.start()
        # What start-up made stays for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTING)
        # The thread that encodes spans would else keep the loop from running for 5 ms at a time.
        sys.setswitchinterval(0.0005)
        if self._handover is not None:
            # The process is this worker's own, and so are its threads.
            loop.call_later(SETTLED_S, let_the_loop_run_on)
        self._lag.start()
        try:
            yield
        finally:
            for number in (RELOAD_SIGNAL, DRAIN_SIGNAL):
                loop.remove_signal_handler(number)
            orphaned.cancel()
            sweeping.cancel()
            self._lag.stop()
            await self._scraping.aclose()
            if self._key_watch is not None:
                await self._key_watch.aclose()
            await self._issuers.aclose()
            await self._prompts.aclose()
            await self._contexts.aftercare.aclose()
            if self._calls is not None:
                await self._calls.aclose()
            await self._books.aclose()
            await self._identity.aclose()
            await self._upstream.aclose()
            await self._state.aclose()
            self._counter.close()
            await loop.run_in_executor(None, self._recorder.shutdown)

    def _reload(self) -> None:
        """Take over what was handed over, unless it is at work already."""
        if self._handover is None:
            return
        try:
            handed = self._handover.read()
            if handed.snapshot is None or handed.generation == self._runtime.generation.number:
                return
            fresh = load_snapshot(handed.snapshot, self._environ)
        except (ConfigError, HandoverError) as error:
            _log.error("reload refused, the old configuration stays: %s", error)
            return
        self._runtime.generation = self._generation(fresh, handed.generation)
        self._configuring = asyncio.get_running_loop().create_task(self._books.configure(fresh.settings))
        self._retaining = asyncio.get_running_loop().create_task(
            self._upstream.retain(
                [each.target("any") for each in provider_templates(fresh.settings).values()]
            )
        )
        _log.info("configuration %d is at work", handed.generation)

    def _generation(self, loaded: Loaded, number: int) -> Generation:
        catalog = build_catalog(loaded.settings)
        targets = catalog.targets()
        self._recorder.know(
            Known(
                models=frozenset(target.model for target in targets),
                targets=frozenset(target.name for target in targets),
                providers=frozenset(loaded.settings.providers),
            )
        )
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
                self._books.accounts,
            ),
        )

    def _new_id(self) -> str:
        """Draw an id whose text sorts by time."""
        return f"{self._clock.unix_ns() // 1_000_000:011x}{random.getrandbits(52):013x}"
