"""One fake provider and one gateway for all fault rows that need no settings of their own."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from llmgw.providers.registry import ROWS
from tests.faults.dialects import DIALECTS, Dialect
from tests.faults.provider import FakeProvider
from tests.faults.proxy import Fault
from tests.running import RunningGateway
from tests.scripted import Peer, ScriptedServer

CERTIFICATES = Path(__file__).parents[1] / "fixtures" / "tls"

KINDS = {"openai": "openai_compatible", "anthropic": "anthropic", "gemini": "gemini"}
"""Protocol -> the kind of provider that speaks it."""
PROTOCOLS = tuple(protocol for protocol, kind in KINDS.items() if ROWS[kind].protocol == protocol)

HASTY = {"connect_s": 0.2, "first_byte_s": 0.2, "idle_s": 0.2, "total_s": 10}

LINES = {
    "split": Fault(split=7),
    "slow": Fault(bytes_per_s=1, full_speed=120),
    "late": Fault(delay_s=0.05),
    "mute": Fault(mute=True),
    "cut": Fault(cut_after=40),
    "reset": Fault(cut_after=40, how="reset"),
}
"""Lines with a fault, by the name that providers behind them end in."""

CERTIFICATES_OF = {"expired": "expired.pem", "elsewhere": "elsewhere.pem"}

PAIRED = ("p03_seconds", "p04_500", "p04_503", "p04_529", "p05_401", "p08_begun", "p10_500", "p12_html")
"""Cases that also stand first in aliases whose second target is good."""
PAIRS = 2 * len(DIALECTS)
"""Aliases of each kind: their targets rest after a few failures."""


def alias_number(dialect: Dialect, *, stream: bool) -> int:
    """Each wire and mode has an alias of its own."""
    return 2 * DIALECTS.index(dialect) + stream


def base_url(protocol: str, port: int, scheme: str = "http") -> str:
    """Where a provider of this protocol is, with the path its vendor has."""
    path = "/v1" if protocol == "openai" else urlsplit(ROWS[KINDS[protocol]].base_url).path
    return f"{scheme}://127.0.0.1:{port}{path}"


def providers_of(fake: FakeProvider, protocol: str) -> dict[str, Any]:
    """One provider for each place trouble can come from."""
    plain = {"kind": KINDS[protocol], "api_key": "key-of-the-operator"}
    hasty = {**plain, "timeouts": HASTY}
    good = base_url(protocol, fake.ports[protocol])
    found = {
        protocol: {**plain, "base_url": good},
        f"{protocol}-hasty": {**hasty, "base_url": good},
        f"{protocol}-refused": {**plain, "base_url": base_url(protocol, fake.refusing())},
        f"{protocol}-unknown": {**plain, "base_url": "http://no-such-host.invalid/v1"},
        f"{protocol}-blackhole": {**hasty, "base_url": base_url(protocol, fake.unreachable().port)},
    }
    for name, fault in LINES.items():
        port = fake.proxied(protocol, fault).port
        found[f"{protocol}-{name}"] = {
            **(hasty if name == "mute" else plain),
            "base_url": base_url(protocol, port),
        }
    for name, certificate in CERTIFICATES_OF.items():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATES / certificate)
        port = fake.secure(protocol, context).port
        found[f"{protocol}-{name}"] = {**plain, "base_url": base_url(protocol, port, "https")}
    port = fake.opened(ScriptedServer(_no_tls)).port
    found[f"{protocol}-plain"] = {**plain, "base_url": base_url(protocol, port, "https")}
    return found


async def _no_tls(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await peer.gone()


def aliases_of(protocol: str) -> dict[str, Any]:
    """Aliases in which another target stands behind one that fails."""
    aliases = {}
    for number in range(PAIRS):
        good = f"{protocol}/good--{number}"
        for name in ("refused", "unknown", "blackhole"):
            aliases[f"{protocol}-{name}-{number}"] = [f"{protocol}-{name}/any--{number}", good]
        for case in PAIRED:
            aliases[f"{protocol}-{case}-{number}"] = [f"{protocol}/{case}--{protocol}-pair{number}", good]
        aliases[f"{protocol}-twins-{number}"] = [
            f"{protocol}/p04_500--{protocol}-twin{n}{number}" for n in "ab"
        ]
    return {name: {"targets": targets} for name, targets in aliases.items()}


def config_for(fake: FakeProvider, **server: Any) -> dict[str, Any]:
    """A configuration with every trouble of every protocol."""
    providers: dict[str, Any] = {}
    aliases: dict[str, Any] = {}
    for protocol in PROTOCOLS:
        providers |= providers_of(fake, protocol)
        aliases |= aliases_of(protocol)
    first = PROTOCOLS[0]
    aliases["ten-that-fail"] = {"targets": [f"{first}/p04_500--ten{number}" for number in range(10)]}
    return {"providers": providers, "aliases": aliases, "server": server}


ENVIRON: Mapping[str, str] = {"SSL_CERT_FILE": str(CERTIFICATES / "authority.pem")}


@pytest.fixture(scope="session")
def fake() -> Iterator[FakeProvider]:
    """A provider that plays scripts."""
    with FakeProvider(PROTOCOLS) as playing:
        yield playing


@pytest.fixture(scope="session")
def gateway(fake: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway in front of it."""
    config = config_for(fake, header_timeout_s=1, body_timeout_s=1)
    with RunningGateway(tmp_path_factory.mktemp("faults"), config, environ=ENVIRON) as running:
        yield running


@pytest.fixture(params=DIALECTS, ids=lambda dialect: f"from-{dialect.name}")
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each wire a caller may speak."""
    found = request.param
    assert isinstance(found, Dialect)
    return found


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: f"to-{protocol}")
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol a provider may speak."""
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Whole answers and streams."""
    return bool(request.param)


@pytest.fixture
def either(dialect: Dialect, protocol: str) -> bool:
    """Whole answers and streams in turns: every wire and every protocol meets both, in half the time."""
    return (DIALECTS.index(dialect) + PROTOCOLS.index(protocol)) % 2 == 1
