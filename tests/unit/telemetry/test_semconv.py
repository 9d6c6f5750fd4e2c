"""Names of attributes, in one place."""

import re

import pytest
from llmgw.providers.registry import ROWS
from llmgw.telemetry import semconv

NAMES = {name: value for name, value in vars(semconv).items() if name.isupper() and not name.startswith("_")}


def test_a_constant_is_called_as_the_name_it_holds() -> None:
    """`GEN_AI_REQUEST_MODEL` is `gen_ai.request.model`: no constant can hold another's name."""
    assert {name: re.sub(r"[._]", "_", value).upper() for name, value in NAMES.items()} == {
        name: name for name in NAMES
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [("openai", "openai"), ("azure", "azure.ai.openai"), ("gemini", "gcp.gemini"), ("vllm", "vllm")],
)
def test_providers_go_by_their_well_known_name(kind: str, name: str) -> None:
    """The conventions' word where they have one, ours otherwise."""
    assert semconv.provider_name(kind) == name


def test_only_kinds_that_exist_are_renamed() -> None:
    """A row that is renamed takes its well-known name along."""
    assert set(semconv._WELL_KNOWN_PROVIDERS) <= set(ROWS)
