"""WHAT VENDORS SPEAK: types <-> bytes, one file per protocol, one row per vendor, no I/O."""

from collections.abc import Mapping

from llmgw.providers.base import Provider
from llmgw.providers.openai_compatible import PROVIDER as OPENAI_COMPATIBLE

PROVIDERS: Mapping[str, Provider] = {provider.name: provider for provider in (OPENAI_COMPATIBLE,)}
"""Every protocol by the name that registry rows know it by."""
