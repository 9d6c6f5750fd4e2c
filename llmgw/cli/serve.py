"""`llmgw serve`: reads the settings, starts what the workers need, says how to reach them."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import msgspec
import rich_click as click

from llmgw import __version__
from llmgw.app import Secrets, open_content_key
from llmgw.calllog.sealing import ContentKeyError
from llmgw.cli.address import base_url, free_port
from llmgw.cli.supervisor import Supervisor, configure_logs
from llmgw.context.integrity.chain_keys import FILE as KEYS_FILE
from llmgw.context.integrity.chain_keys import ChainKeysError, load_chain_keys
from llmgw.policy.keyring import Keyring
from llmgw.policy.pepper import PepperError, load_pepper
from llmgw.settings import ConfigError, Loaded, Settings, load, with_overrides
from llmgw.simulator.process import SimulatorError, SimulatorProcess
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedStateError, EmbeddedValkey
from llmgw.state.identity import StoreIdentity
from llmgw.state.url import StoreUrlError
from llmgw.types.errors import StoreUnavailable
from llmgw.types.limit_errors import StoreReset
from llmgw.types.secret import Secret

EXIT_CONFIG = 78
"""`EX_CONFIG` of sysexits.h: do not restart me before somebody has mended the configuration."""
MIN_ADMIN_KEY = 24

_NO_START = (
    ChainKeysError,
    ContentKeyError,
    EmbeddedStateError,
    OSError,
    PepperError,
    SimulatorError,
    StoreUrlError,
)


class StartError(Exception):
    """The gateway cannot start; the message says what to do."""


@click.command()
@click.option(
    "-c", "--config", type=click.Path(dir_okay=False), help="Configuration file [env: LLMGW_CONFIG]."
)
@click.option("--host", help="Address to listen on, instead of server.host.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port, instead of server.port; 0 picks a free one."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes, instead of server.workers.")
def serve(config: str | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Run the gateway until it is told to stop.

    With neither a file nor LLMGW_CONFIG it starts on defaults, with a simulated provider.
    """
    try:
        if port == 0:
            port = free_port(host or "127.0.0.1")
        loaded = load(config, os.environ)
        settings = with_overrides(loaded.settings, host=host, port=port, workers=workers)
        with ExitStack() as stack:
            _handle_early_signals()
            _start(msgspec.structs.replace(loaded, settings=settings), loaded.settings, os.environ, stack)
    except ConfigError as error:
        click.echo(f"The configuration cannot be used:\n{error}", err=True)
        sys.exit(EXIT_CONFIG)
    except (StartError, *_NO_START) as error:
        click.echo(f"llmgw did not start: {error}", err=True)
        sys.exit(1)


def _start(loaded: Loaded, written: Settings, environ: Mapping[str, str], stack: ExitStack) -> None:
    settings = loaded.settings
    configure_logs(settings, environ)
    _require_free_address(settings)
    bootstrap = admin_key(environ)
    state_url = stack.enter_context(_state_url(settings))
    if loaded.is_default:
        simulator = stack.enter_context(SimulatorProcess())
        settings = _with_simulator(settings, simulator.base_url)
        loaded = msgspec.structs.replace(loaded, settings=settings)
    pepper = settings.auth.pepper or load_pepper(settings.state.dir)
    context_keys = settings.contexts.keys or load_chain_keys(settings.state.dir)
    content_key = open_content_key(settings)
    first_key = None
    if settings.auth.mode == "keys" and bootstrap is None:
        first_key = asyncio.run(_first_admin_key(state_url, settings, pepper))
    _announce(loaded, first_key)
    secrets = Secrets(
        pepper=pepper,
        context_keys=context_keys,
        bootstrap=bootstrap,
        content_key=content_key,
    )
    Supervisor(loaded, environ, written=written, state_url=state_url, secrets=secrets).run()


def admin_key(environ: Mapping[str, str]) -> Secret | None:
    """Read the bootstrap key of containers and tests.

    Raises:
        StartError: it is too short to be safe.
    """
    value = environ.get("LLMGW_ADMIN_KEY", "")
    if not value:
        return None
    if len(value) < MIN_ADMIN_KEY:
        raise StartError(f"LLMGW_ADMIN_KEY must have at least {MIN_ADMIN_KEY} characters")
    return Secret(value)


@contextmanager
def _state_url(settings: Settings) -> Iterator[Secret]:
    """Give the store's URL, with the embedded server running behind it where that is configured."""
    if not settings.state.embedded:
        yield settings.state.url
        return
    with EmbeddedValkey(settings.state.dir, fsync=settings.state.fsync) as embedded:
        yield Secret(embedded.url)


def _with_simulator(settings: Settings, base_url: str) -> Settings:
    providers = {
        name: msgspec.structs.replace(provider, base_url=base_url)
        if provider.kind == "simulator"
        else provider
        for name, provider in settings.providers.items()
    }
    return msgspec.structs.replace(settings, providers=providers)


def _handle_early_signals() -> None:
    """Until the server has handlers of its own, a stop unwinds what was started and a reload has nothing to do."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


async def _first_admin_key(state_url: Secret, settings: Settings, pepper: Secret) -> Secret | None:
    """Mint the first admin key of an empty store; None where there are keys, no store, or one that lost them."""
    state = State(state_url.reveal(), timeout_s=settings.state.timeout_s)
    try:
        await state.connect()
        await StoreIdentity(state, settings.state.dir).require()
        created = await Keyring(state, pepper).create_first_admin()
    except StoreUnavailable:
        click.echo(
            "  warning    no admin key was made, because the store does not answer; "
            "when it does: llmgw keys create --name admin --role admin",
            err=True,
        )
        return None
    except StoreReset as error:
        click.echo(f"  warning    {error.message}: llmgw store status", err=True)
        return None
    finally:
        await state.aclose()
    return created.token if created else None


def _require_free_address(settings: Settings) -> None:
    server = settings.server
    try:
        free_port(server.host, server.port)
    except OSError as error:
        raise StartError(
            f"cannot listen on {server.host}:{server.port} ({error.strerror}); "
            "stop what listens there, or choose another with --port"
        ) from None


def _announce(loaded: Loaded, first_key: Secret | None) -> None:
    settings = loaded.settings
    state = f"embedded Valkey in {settings.state.dir}" if settings.state.embedded else "external"
    click.echo(f"llmgw {__version__}")
    click.echo(f"  API        {base_url(settings.server)}/v1")
    click.echo(f"  config     {loaded.source or 'none: defaults, with a simulated provider (alias: demo)'}")
    click.echo(f"  providers  {', '.join(settings.providers) or 'none'}")
    click.echo(f"  aliases    {', '.join(settings.aliases) or 'none'}")
    click.echo(f"  state      {state}")
    if settings.auth.mode == "none":
        click.echo("  keys       not asked for (auth.mode: none)")
    if first_key is not None:
        click.echo(f"  admin key  {first_key.reveal()}")
        click.echo("             Keep it: it is shown this once. More with 'llmgw keys create'.")
    _announce_context_keys(settings)
    if not settings.state.embedded and settings.auth.pepper is None:
        click.echo(
            "  warning    auth.pepper is not set: other machines on the same store will not know this one's keys",
            err=True,
        )
    for warning in loaded.warnings:
        click.echo(f"  warning    {warning}", err=True)
    sys.stdout.flush()


def _announce_context_keys(settings: Settings) -> None:
    if settings.contexts.keys:
        return
    click.echo(f"  contexts   signed by the keys in {settings.state.dir / KEYS_FILE}")
    click.echo(
        "             Back that file up, apart from the store: nothing stored can be proven without it."
    )
    if not settings.state.embedded:
        click.echo(
            "  warning    contexts.keys is not set: other machines cannot prove the contexts this one stores",
            err=True,
        )
