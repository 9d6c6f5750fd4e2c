"""What the operator wrote, as values: one YAML file read once, checked whole, then handed to the rooms."""

from llmgw.settings.change import restart_needed, taken_over, with_overrides
from llmgw.settings.check import warnings
from llmgw.settings.load import Loaded, defaults, load, load_snapshot
from llmgw.settings.model import (
    Alias,
    AliasTarget,
    Auth,
    Contexts,
    Provider,
    Server,
    Settings,
    State,
    Telemetry,
)
from llmgw.settings.problem import ConfigError, Problem
from llmgw.settings.schema import json_schema, json_schema_text
from llmgw.settings.show import to_yaml
from llmgw.settings.snapshot import Snapshot

__all__ = [
    "Alias",
    "AliasTarget",
    "Auth",
    "ConfigError",
    "Contexts",
    "Loaded",
    "Problem",
    "Provider",
    "Server",
    "Settings",
    "Snapshot",
    "State",
    "Telemetry",
    "defaults",
    "json_schema",
    "json_schema_text",
    "load",
    "load_snapshot",
    "restart_needed",
    "taken_over",
    "to_yaml",
    "warnings",
    "with_overrides",
]
