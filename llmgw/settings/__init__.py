"""What the operator wrote, as values: one YAML file read once, checked whole, then handed to the rooms."""

from llmgw.settings.change import restart_needed, with_overrides
from llmgw.settings.check import warnings
from llmgw.settings.load import Loaded, defaults, load
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
    "State",
    "Telemetry",
    "defaults",
    "json_schema",
    "json_schema_text",
    "load",
    "restart_needed",
    "to_yaml",
    "warnings",
    "with_overrides",
]
