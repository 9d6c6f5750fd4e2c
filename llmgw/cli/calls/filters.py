"""The options by which calls are chosen, the same for every command."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import rich_click as click

_OPTIONS: Final = (
    ("tenant", "Only this tenant's."),
    ("key-id", "Only of the key of this id."),
    ("alias", "Only of this alias."),
    ("target", "Only of this target, tried last."),
    ("provider", "Only of this provider."),
    ("model", "Only of this model."),
    ("prompt", "Only of this prompt, or of one version of it: name@7."),
    ("context", "Only of this stored conversation."),
    ("verdict", "Only with this verdict: preserved, degraded, lost, unverified."),
    ("outcome", "Only ok, refused, failed or gone."),
    ("status", "Only with this HTTP status."),
    ("error", "Only with this error code."),
    ("tag", "Only with this tag."),
    ("trace-id", "Only of this trace."),
    ("endpoint", "Only of this endpoint."),
    ("min-ms", "Only those that took so many milliseconds or more."),
    ("min-cost", "Only those that cost so many USD or more."),
)
_NAMES: Final = {"key_id": "key"}
"""Where the gateway's word is another: `--key` is what opens it."""


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options."""
    for name, doc in reversed(_OPTIONS):
        command = click.option(f"--{name}", help=doc)(command)
    return command


def query(asked: dict[str, Any], **more: Any) -> str:
    """The options that were given as a query, with what is given beside them."""
    given = {_NAMES.get(name, name): value for name, value in {**asked, **more}.items() if value is not None}
    return urlencode(given)
