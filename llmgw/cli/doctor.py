"""`llmgw doctor`: what stands between this machine and a working gateway, each line with its fix."""

import asyncio
import os
import resource
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec
import rich_click as click
from rich.console import Console

from llmgw import __version__
from llmgw.cli.address import free_port
from llmgw.cli.runfile import RunFile
from llmgw.context.integrity.chain_keys import FILE as KEYS_FILE
from llmgw.context.integrity.chain_keys import ChainKeysError, load_chain_keys
from llmgw.providers import PROVIDERS
from llmgw.providers.base import UpstreamRequest
from llmgw.routing.catalog import ProviderTemplate
from llmgw.settings import ConfigError, Loaded, Settings, load
from llmgw.settings.targets import provider_templates
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedStateError, attach_or_start
from llmgw.state.identity import StoreIdentity
from llmgw.types.errors import GatewayError, ProviderAuth, ProviderTlsError
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import Message, TextPart
from llmgw.types.target import Endpoint, Target
from llmgw.upstream import Upstream, UpstreamResponse

FEW_FILES = 4096
PROVIDER_WITHIN_S = 10.0
MAX_ANSWER = 256 * 1024
"""Bytes of an error answer that are read for its message."""
MAX_QUOTE = 300
"""Characters of a provider's text that are shown."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the examination; `fix` says what to do where it is not good."""

    what: str
    verdict: Literal["good", "doubtful", "bad"] = "good"
    says: str
    fix: str = ""


@click.command()
@click.option(
    "-c", "--config", type=click.Path(dir_okay=False), help="Configuration file [env: LLMGW_CONFIG]."
)
@click.option("--offline", is_flag=True, help="Ask no provider.")
def doctor(config: str | None, *, offline: bool) -> None:
    """Examine configuration, state, address, providers and limits; exit code 1 if anything is bad."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"llmgw {__version__}, Python {sys.version.split()[0]}")
    bad = 0
    for finding in examine(config, os.environ, offline=offline):
        _print(console, finding)
        bad += finding.verdict == "bad"
    sys.exit(1 if bad else 0)


def examine(config: str | None, environ: Mapping[str, str], *, offline: bool) -> Iterator[Finding]:
    """Yield findings, from what everything needs to what only some calls need."""
    try:
        loaded = load(config, environ)
    except ConfigError as error:
        yield Finding(what="config", verdict="bad", says=str(error), fix="mend the lines named above")
        return
    yield from _configuration(loaded)
    settings = loaded.settings
    yield from _state(settings)
    yield _context_keys(settings)
    yield _address(settings)
    yield _open_files()
    if settings.telemetry.otlp_endpoint:
        yield _collector(settings.telemetry.otlp_endpoint)
    if not offline:
        yield from asyncio.run(_providers(loaded))


def _configuration(loaded: Loaded) -> Iterator[Finding]:
    yield Finding(what="config", says=loaded.source or "none: defaults, with a simulated provider")
    for warning in loaded.warnings:
        yield Finding(
            what="config", verdict="doubtful", says=str(warning), fix="set it in the file or its variable"
        )


def _state(settings: Settings) -> Iterator[Finding]:
    server: AbstractContextManager[str] = nullcontext(settings.state.url.reveal())
    where = "the store of state.url"
    if settings.state.embedded:
        server = attach_or_start(settings.state.dir)
        where = f"embedded Valkey in {settings.state.dir}"
    try:
        with server as url:
            problems = asyncio.run(_health(url, settings))
    except EmbeddedStateError as error:
        yield Finding(
            what="state", verdict="bad", says=str(error), fix="set state.dir to a directory of yours"
        )
        return
    if not problems:
        yield Finding(what="state", says=f"{where} answers")
    yield from problems


async def _health(url: str, settings: Settings) -> list[Finding]:
    state = State(url, timeout_s=settings.state.timeout_s)
    try:
        problems = [*await state.health(), *await StoreIdentity(state, settings.state.dir).diagnosis()]
        return [
            Finding(
                what="state",
                verdict="bad" if problem.fatal else "doubtful",
                says=problem.message,
                fix=problem.fix,
            )
            for problem in problems
        ]
    finally:
        await state.aclose()


def _context_keys(settings: Settings) -> Finding:
    """Where the keys are that prove stored conversations; none are made here."""
    if settings.contexts.keys:
        keys = ", ".join(settings.contexts.keys)
        return Finding(what="context keys", says=f"{keys}, of contexts.keys; the last signs")
    path = settings.state.dir / KEYS_FILE
    if not path.exists():
        return Finding(
            what="context keys", says=f"none yet: llmgw serve makes one in {path}; back it up then"
        )
    try:
        keys = ", ".join(load_chain_keys(settings.state.dir))
    except ChainKeysError as error:
        return Finding(
            what="context keys", verdict="bad", says=str(error), fix=f"restore {path} from your backup"
        )
    says = f"{keys}, in {path}; the last signs. Nothing stored can be proven without it: keep a backup"
    if not settings.state.embedded:
        return Finding(
            what="context keys",
            verdict="doubtful",
            says=says,
            fix="set contexts.keys: other machines on the same store need the same keys",
        )
    return Finding(what="context keys", says=says)


def _address(settings: Settings) -> Finding:
    server = settings.server
    where = f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"
    running = RunFile(settings.state.dir).read()
    if running is not None:
        return Finding(what="address", says=f"a gateway (process {running.pid}) serves at {running.url}")
    try:
        free_port(server.host, server.port)
    except OSError as error:
        return Finding(
            what="address",
            verdict="bad",
            says=f"cannot listen on {where}: {error.strerror}",
            fix="stop what listens there, or set server.port to another",
        )
    return Finding(what="address", says=f"{where} is free")


def _open_files() -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_FILES:
        return Finding(
            what="limits",
            verdict="doubtful",
            says=f"at most {soft} open files: each call under way needs two",
            fix=f"raise it before starting: ulimit -n {FEW_FILES}",
        )
    return Finding(what="limits", says=f"{soft} open files allowed")


def _collector(endpoint: str) -> Finding:
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=3).close()
    except OSError as error:
        return Finding(
            what="telemetry",
            verdict="doubtful",
            says=f"the collector at {parts.hostname}:{port} does not answer ({error.strerror or error})",
            fix="start it, or empty telemetry.otlp_endpoint; calls are served either way",
        )
    return Finding(what="telemetry", says=f"the collector at {parts.hostname}:{port} accepts connections")


async def _providers(loaded: Loaded) -> list[Finding]:
    settings = loaded.settings
    # Without a file the simulator is a child of `llmgw serve`: nobody is to be asked before that runs.
    own = {
        name for name, each in settings.providers.items() if loaded.is_default and each.kind == "simulator"
    }
    asked = [each for each in provider_templates(settings).values() if each.name not in own]
    upstream = Upstream(max_body=MAX_ANSWER)
    try:
        return [
            *(Finding(what=f"provider {name}", says="simulated: llmgw serve starts it") for name in own),
            *await asyncio.gather(*(_provider(upstream, template) for template in asked)),
        ]
    finally:
        await upstream.aclose()


async def _provider(upstream: Upstream, template: ProviderTemplate) -> Finding:
    """Ask for the list of models, with the credential a call would carry."""
    what = f"provider {template.name}"
    target = template.target("any")
    deadline = asyncio.get_running_loop().time() + PROVIDER_WITHIN_S
    try:
        answer = await upstream.open(_models_request(target), target, deadline)
    except ProviderTlsError as error:
        return Finding(what=what, verdict="bad", says=error.message, fix="check base_url and its certificate")
    except GatewayError as error:
        return Finding(
            what=what,
            verdict="bad",
            says=error.message,
            fix="check base_url and that this machine may connect there",
        )
    try:
        return await _judged(what, answer, target)
    finally:
        answer.close()


def _models_request(target: Target) -> UpstreamRequest:
    hello = Message(role="user", parts=(TextPart(text="hello"),))
    call = PROVIDERS[target.protocol].build_request(
        ChatInvocation(model="any", wire="openai", messages=(hello,)), target
    )
    query = f"?{urlencode(target.endpoint.query)}" if target.endpoint.query else ""
    return UpstreamRequest(
        method="GET", url=_models_url(target) + query, headers=call.headers, body=b"", framing="whole"
    )


def _models_url(target: Target) -> str:
    return PROVIDERS[target.protocol].models_url(target)


async def _judged(what: str, answer: UpstreamResponse, target: Target) -> Finding:
    """Say what a status means for the calls to come; only a list of models proves address and credential."""
    status = answer.status
    if 200 <= status < 300:
        return Finding(what=what, says=f"reachable at {target.endpoint.base_url}")
    verdict: Literal["doubtful", "bad"] = "doubtful"
    if status < 400:
        place = _quoted(answer.headers.get("location", "").partition("?")[0], target.endpoint)
        says = f"reachable, but it redirects to {place or 'somewhere else'} ({status})"
        fix = "base_url is probably wrong: redirects are not followed; set it to where the API is"
    elif status == 404:
        says = f"reachable, but there is no list of models at {_models_url(target)}: check base_url"
        fix = "set base_url to what the provider names for OpenAI clients; some hosts have no such list"
    else:
        error = await _error_in(answer, target)
        says = f"reachable, but it answers {status}: {_quoted(error.message, target.endpoint)}"
        fix = "see what it says, and its status page" if status >= 500 else "see what it says; check base_url"
        if status == 429:
            fix = "wait, or ask the provider for a higher limit; calls would be refused the same way now"
        if isinstance(error, ProviderAuth):
            key = "no api_key is set" if target.endpoint.api_key is None else "it refuses the api_key"
            verdict, says, fix = "bad", f"reachable, but {key}", "set api_key, or its variable"
    return Finding(what=what, verdict=verdict, says=says, fix=fix)


async def _error_in(answer: UpstreamResponse, target: Target) -> GatewayError:
    body = b""
    # An answer too long or cut still has its status.
    with suppress(GatewayError):
        body = await answer.read()
    return PROVIDERS[target.protocol].parse_error(answer.status, answer.headers, body)


def _quoted(text: str, endpoint: Endpoint) -> str:
    """Make a provider's text one bounded printable line that does not repeat our credential."""
    if endpoint.api_key is not None:
        text = text.replace(endpoint.api_key.reveal(), "***")
    text = "".join(char if char.isprintable() else " " for char in text[: 2 * MAX_QUOTE])
    return text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 1]}…"


def _print(console: Console, finding: Finding) -> None:
    mark = {"good": "[green]✓[/]", "doubtful": "[yellow]![/]", "bad": "[red]✗[/]"}[finding.verdict]
    console.print(f"{mark} [bold]{finding.what}[/]  ", end="")
    console.print(finding.says, markup=False)
    if finding.fix:
        console.print(f"    fix: {finding.fix}", markup=False)
