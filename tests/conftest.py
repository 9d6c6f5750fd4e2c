"""What every test shares: a real Valkey, no way out of this machine, and a word at the end of the run."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from llmgw.state.embedded import EmbeddedValkey
from redis import Redis
from tests.scheduling import ByFolder
from xdist.remote import Producer

TOLD: Final = "told"
"""The property of a test's report that has its line."""

# A busy machine is no fault of what is tested: examples are counted, not timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def only_this_machine() -> Iterator[None]:
    """Refuse every connection that would leave the machine, naming where it wanted to go."""
    real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex

    def connect(self: socket.socket, address: Any) -> None:
        _stay_here(self, address)
        real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _stay_here(self, address)
        return real_connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        yield


def _stay_here(sock: socket.socket, address: Any) -> None:
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    host = address[0]
    if host == "localhost":
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise AssertionError(f"a test tried to connect to {host}: tests stay on this machine")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One embedded Valkey for all gateways of the run; a test that freezes or kills a server starts its own."""
    with EmbeddedValkey(tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture(scope="session")
def bare_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """Another, which no gateway looks after: whatever is in it was put there by the test."""
    with EmbeddedValkey(tmp_path_factory.mktemp("bare")) as server:
        yield server


@pytest.fixture
def store_url(bare_valkey: EmbeddedValkey) -> str:
    """URL of a Valkey that is shared by tests alone, emptied for this one."""
    with Redis.from_url(bare_valkey.url) as client:
        client.flushall()
    return bare_valkey.url


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A directory of this test's own for an embedded store."""
    return tmp_path / "state"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a line printed at the end of every run, whichever process made it and however the test ends."""
    return partial(record_property, TOLD)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    """Share tests out between processes, where there are several."""
    return ByFolder(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests told."""
    ended = [each for of_kind in terminalreporter.stats.values() for each in of_kind]
    calls = [each for each in ended if isinstance(each, pytest.TestReport) and each.when == "call"]
    told = [str(line) for call in calls for name, line in call.user_properties if name == TOLD]
    if told:
        terminalreporter.section("told by tests")
    for line in told:
        terminalreporter.write_line(line)
