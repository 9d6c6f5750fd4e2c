"""What starting need not read."""

import platform
import subprocess
import sys

import pytest

_RARE = "aiohttp anthropic duckdb grpc jinja2 numpy openai pandas pyarrow pytest tiktoken"
_SELDOM = "jsonschema jwt opentelemetry.exporter requests valkey"
_HEAVY = "cryptography jsonschema jsonschema_rs litestar llmgw.app llmgw.settings opentelemetry redis requests yaml"


@pytest.mark.parametrize(
    ("module", "unread"),
    [
        ("llmgw.app", f"{_RARE} {_SELDOM}"),
        ("llmgw.cli.serve", f"{_RARE} {_SELDOM}"),
        ("llmgw.cli", f"{_RARE} {_HEAVY}"),
    ],
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


@pytest.mark.parametrize(("endpoint", "sends"), [("", "False"), ("http://127.0.0.1:4318", "True")])
def test_workers_share_what_they_are_configured_to_use(endpoint: str, sends: str) -> None:
    """The way to a collector is read before the fork where there is one, and no sweep writes on what is shared."""
    code = (
        "import gc, sys; from llmgw.app import prepare_to_fork; from llmgw.settings import defaults; "
        "from msgspec.structs import replace; s = defaults({}); "
        f"t = replace(s.telemetry, otlp_endpoint={endpoint!r}); "
        "prepare_to_fork(replace(s, telemetry=t)); print('requests' in sys.modules, gc.get_freeze_count() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [sends, "True"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries of C decide for themselves")
def test_workers_give_back_what_they_free() -> None:
    """After 8 MiB were freed, 2 MiB are still a piece of their own, which goes back to the system when freed."""
    code = """
import ctypes
from llmgw.app import prepare_to_fork
from llmgw.settings import defaults

class Info(ctypes.Structure):  # <malloc.h>: struct mallinfo2
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", *"abcde")]

def mapped():
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Info
    return libc.mallinfo2().hblkhd

prepare_to_fork(defaults({}))
bytes(8 << 20)
before = mapped()
held = bytes(2 << 20)
print(mapped() - before >> 20)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "2\n"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries of C decide for themselves")
def test_workers_give_back_what_is_free_in_between() -> None:
    """Pages of the heap that hold nothing any more are the system's again, though something lies behind them."""
    code = """
from llmgw.app.shared import give_back

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

pieces = [bytes(64 << 10) for _ in range(1000)]
last = pieces[-1]
del pieces[:]
before = resident()
give_back()
print(before - resident() > 32 << 20)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"
