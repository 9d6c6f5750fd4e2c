"""The settings in effect, as an operator may paste them into a ticket."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from llmgw.providers.registry import ROWS
from llmgw.settings.model import Provider, Settings
from llmgw.state.url import redact
from llmgw.types.secret import Secret


def to_yaml(settings: Settings) -> str:
    """Write valid settings as YAML; a secret is `***`, an empty one `''`, an unset one `null`.

    Providers show the base URL and credential scheme they really use, also where the registry gives them.
    """
    providers = {name: _effective(provider) for name, provider in settings.providers.items()}
    tree = msgspec.to_builtins(msgspec.structs.replace(settings, providers=providers), enc_hook=_shown)
    url = settings.state.url.reveal()
    tree["state"]["url"] = url if settings.state.embedded else redact(url)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)


def _effective(provider: Provider) -> Provider:
    row = ROWS[provider.kind]
    return msgspec.structs.replace(
        provider, base_url=provider.base_url or row.base_url, auth=provider.auth or row.auth
    )


def _shown(value: Any) -> str:
    match value:
        case Secret():
            return str(value) if value else ""
        case Path():
            return str(value)
        case _:
            raise NotImplementedError(type(value).__name__)
