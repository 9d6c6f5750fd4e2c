"""`llmgw doctor`: what stands between this machine and a working gateway, each line with its fix."""

import asyncio
import os
import resource
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import rich_click as click
from rich.console import Console

from llmgw import __version__
from llmgw.app import provider_templates
from llmgw.cli.runfile import RunFile
from llmgw.cli.serve import free_port
from llmgw.providers import PROVIDERS
from llmgw.providers.base import UpstreamRequest
from llmgw.routing.catalog import ProviderTemplate
from llmgw.settings import ConfigError, Loaded, Settings, load
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedStateError, attach_or_start
from llmgw.types.errors import GatewayError, ProviderTlsError
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import Message, TextPart
from llmgw.upstream import Upstream

FEW_FILES = 4096
PROVIDER_WITHIN_S = 10.0


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
    yield _address(settings)
    yield _open_files()
    if settings.telemetry.otlp_endpoint:
        yield _collector(settings.telemetry.otlp_endpoint)
    if not offline:
        yield from asyncio.run(_providers(settings))


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
            problems = asyncio.run(_health(url))
    except EmbeddedStateError as error:
        yield Finding(
            what="state", verdict="bad", says=str(error), fix="set state.dir to a directory of yours"
        )
        return
    if not problems:
        yield Finding(what="state", says=f"{where} answers")
    yield from problems


async def _health(url: str) -> list[Finding]:
    state = State(url)
    try:
        return [
            Finding(
                what="state",
                verdict="bad" if problem.fatal else "doubtful",
                says=problem.message,
                fix=problem.fix,
            )
            for problem in await state.health()
        ]
    finally:
        await state.aclose()


def _address(settings: Settings) -> Finding:
    server = settings.server
    where = f"{server.host}:{server.port}"
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


async def _providers(settings: Settings) -> list[Finding]:
    upstream = Upstream()
    try:
        templates = provider_templates(settings).values()
        return list(await asyncio.gather(*(_provider(upstream, template) for template in templates)))
    finally:
        await upstream.aclose()


async def _provider(upstream: Upstream, template: ProviderTemplate) -> Finding:
    """Ask for the list of models, with the credential a call would carry."""
    what = f"provider {template.name}"
    target = template.target("any")
    hello = Message(role="user", parts=(TextPart(text="hello"),))
    call = PROVIDERS[target.protocol].build_request(
        ChatInvocation(model="any", wire="openai", messages=(hello,)), target
    )
    request = UpstreamRequest(
        method="GET",
        url=f"{target.endpoint.base_url.rstrip('/')}/models",
        headers=call.headers,
        body=b"",
        framing="whole",
    )
    deadline = asyncio.get_running_loop().time() + PROVIDER_WITHIN_S
    try:
        answer = await upstream.open(request, target, deadline)
    except ProviderTlsError as error:
        return Finding(what=what, verdict="bad", says=error.message, fix="check base_url and its certificate")
    except GatewayError as error:
        return Finding(
            what=what,
            verdict="bad",
            says=error.message,
            fix="check base_url and that this machine may connect there",
        )
    answer.close()
    if answer.status in {401, 403}:
        key = "no api_key is set" if target.endpoint.api_key is None else "it refuses the api_key"
        return Finding(
            what=what, verdict="bad", says=f"reachable, but {key}", fix="set api_key, or its variable"
        )
    if answer.status >= 500:
        return Finding(
            what=what,
            verdict="doubtful",
            says=f"reachable, but answers {answer.status}",
            fix="see its status page",
        )
    return Finding(what=what, says=f"reachable at {target.endpoint.base_url}")


def _print(console: Console, finding: Finding) -> None:
    mark = {"good": "[green]✓[/]", "doubtful": "[yellow]![/]", "bad": "[red]✗[/]"}[finding.verdict]
    console.print(f"{mark} [bold]{finding.what}[/]  ", end="")
    console.print(finding.says, markup=False)
    if finding.fix:
        console.print(f"    fix: {finding.fix}", markup=False)
