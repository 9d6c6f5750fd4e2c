"""From settings to settings: what the command line overrides, what a running server cannot take over."""

import msgspec

from llmgw.settings.call_log import CallLog
from llmgw.settings.check import check
from llmgw.settings.convert import Converter
from llmgw.settings.model import Auth, Contexts, Ledger, Prompts, Server, Settings, State, Telemetry
from llmgw.settings.problem import ConfigError, located

_FIXED: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "state": State,
    "auth": Auth,
    "contexts": Contexts,
    "prompts": Prompts,
    "ledger": Ledger,
    "telemetry": Telemetry,
    "call_log": CallLog,
}
"""Sections that the workers were built with; a reload takes over all others."""


def with_overrides(
    settings: Settings, *, host: str | None = None, port: int | None = None, workers: int | None = None
) -> Settings:
    """Put the given values in the place of `server`'s own; None keeps one.

    Raises:
        ConfigError: the result is not valid, for example open to the network with `auth.mode: none`.
    """
    given = {"host": host, "port": port, "workers": workers}
    server = msgspec.structs.asdict(settings.server)
    server.update({name: value for name, value in given.items() if value is not None})
    converter = Converter()
    changed = msgspec.structs.replace(settings, server=converter.struct(Server, server, ("server",)))
    if findings := converter.findings or list(check(changed, settings.providers)):
        raise ConfigError(located(findings, {}), "command line")
    return changed


def taken_over(running: Settings, fresh: Settings) -> Settings:
    """Join what a reload changes, of `fresh`, with what only a restart does, of `running`."""
    return msgspec.structs.replace(fresh, **{section: getattr(running, section) for section in _FIXED})


def restart_needed(old: Settings, new: Settings) -> list[str]:
    """Name what differs but is fixed while a server runs, such as `server.port`; a reload takes the rest."""
    return [
        f"{section}.{field.name}"
        for section, struct in _FIXED.items()
        for field in msgspec.structs.fields(struct)
        if getattr(getattr(old, section), field.name) != getattr(getattr(new, section), field.name)
    ]
