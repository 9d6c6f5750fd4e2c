"""What starting need not read."""

import subprocess
import sys

import pytest

_RARE = "aiohttp anthropic duckdb grpc jinja2 jsonschema jwt numpy openai pandas pyarrow pytest requests tiktoken valkey"
_HEAVY = "cryptography jsonschema jsonschema_rs litestar llmgw.app llmgw.settings opentelemetry redis requests yaml"


@pytest.mark.parametrize(
    ("module", "unread"),
    [("llmgw.app", _RARE), ("llmgw.cli.serve", _RARE), ("llmgw.cli", f"{_RARE} {_HEAVY}")],
)
def test_starting_reads_nothing_that_only_rare_paths_need(module: str, unread: str) -> None:
    """A worker, the command that starts it and the command line's own help load none of the modules named."""
    code = f"import sys, {module}; print(*(set({unread.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_an_application_loads_no_models_that_it_does_not_take() -> None:
    """Libraries of models that are installed beside the gateway stay unread when a worker's routes are made."""
    code = (
        "import importlib.util, sys; from tests.route_table import application; application(); "
        "print(importlib.util.find_spec('pydantic') is not None, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"]
