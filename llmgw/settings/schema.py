"""The JSON Schema of `llmgw.yaml`, generated from the structs and their docstrings."""

from typing import Any

import msgspec
from msgspec import Struct

from llmgw.policy.rules.terms import SubjectLimits
from llmgw.providers.registry import ROWS
from llmgw.settings.call_log import CallLog
from llmgw.settings.issuers import Issuer, IssuerRoles, IssuerTenant
from llmgw.settings.limits import Limits, TenantLimits
from llmgw.settings.model import (
    Alias,
    AliasTarget,
    Auth,
    Contexts,
    Features,
    Ledger,
    Prices,
    Prompts,
    Provider,
    Server,
    Settings,
    State,
    Telemetry,
    Verify,
)
from llmgw.settings.signals import Signals, SignalSpikes, SignalWebhook
from llmgw.types.context import Policy
from llmgw.types.member_docs import describe
from llmgw.types.money import LongPrices, ModelPrices, TokenPrices
from llmgw.types.target import Timeouts

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID = "urn:llmgw:schema:config"
_STRUCTS: tuple[type[Struct], ...] = (
    Settings,
    Server,
    State,
    Auth,
    Issuer,
    IssuerRoles,
    IssuerTenant,
    Provider,
    Timeouts,
    Features,
    Alias,
    AliasTarget,
    Contexts,
    Prompts,
    Prices,
    Ledger,
    ModelPrices,
    LongPrices,
    TokenPrices,
    Limits,
    TenantLimits,
    SubjectLimits,
    Verify,
    Policy,
    Signals,
    SignalSpikes,
    SignalWebhook,
    Telemetry,
    CallLog,
)
_REFERENCE = {
    "title": "Reference",
    "description": "Text that expands to the value: `${VAR}`, `${VAR:-default}` or `${file:path}`.",
    "type": "string",
    "pattern": r"\$\{[^{}]+\}",
}
_ANNOTATIONS = ("title", "description", "default")


def json_schema() -> dict[str, Any]:
    """Describe the file as it is written, before expansion, in JSON Schema 2020-12."""
    (root,), definitions = msgspec.json.schema_components(
        [Settings], schema_hook=lambda _: {"type": "string"}, ref_template="#/$defs/{name}"
    )
    for cls in _STRUCTS:
        describe(definitions[cls.__name__], cls)
    for inheriting in (ModelPrices, LongPrices):
        describe(definitions[inheriting.__name__], TokenPrices)
    describe(definitions["TenantLimits"], SubjectLimits)
    definitions["Provider"]["properties"]["kind"]["enum"] = sorted(ROWS)
    definitions = {name: _or_reference(definition) for name, definition in definitions.items()}
    target = definitions["AliasTarget"]
    definitions["AliasTarget"] = {
        **_lifted(target),
        "anyOf": [{"type": "string", "pattern": r"/|\$\{"}, _bare(target)],
    }
    definitions["Reference"] = _REFERENCE
    return {"$schema": _DIALECT, "$id": _ID, "title": "llmgw.yaml", **root, "$defs": definitions}


def json_schema_text() -> str:
    """Give `json_schema()` as indented JSON, byte for byte what `schemas/config.json` holds."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"


def _or_reference(node: Any) -> Any:
    """Let every number, truth value and choice also be written as a reference."""
    match node:
        case {"type": "integer" | "number" | "boolean"} | {"enum": list()}:
            return {**_lifted(node), "anyOf": [_bare(node), {"$ref": "#/$defs/Reference"}]}
        case dict():
            return {key: value if key == "default" else _or_reference(value) for key, value in node.items()}
        case list():
            return [_or_reference(item) for item in node]
        case _:
            return node


def _lifted(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key in _ANNOTATIONS}


def _bare(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in _ANNOTATIONS}
