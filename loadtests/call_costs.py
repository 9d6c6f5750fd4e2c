"""`python -m loadtests.call_costs`: what a call costs gateway and store: CPU, commands, keys, bytes, memory.

One worker with everything on answers calls of each kind; the kernel and the store count what they took.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from llmgw.state.data_dir import DataDir
from msgspec import Struct
from redis import Redis
from tests.running import RunningGateway

from loadtests import machine
from loadtests.accounting import family_of, usage_of
from loadtests.soak.client import Callers
from loadtests.soak.stage import KEYS, config, prepared
from loadtests.soak.traffic import CHAT
from loadtests.soak.upstream import SoakUpstream

CALLS: Final = 600
AT_ONCE: Final = 6
TURNS: Final = 10


class Kind(Struct, frozen=True):
    """A kind of call: whose key, and whether a conversation is stored."""

    name: str
    paid: bool
    context: bool


KINDS: Final = (
    Kind("nothing limits it", paid=False, context=False),
    Kind("limits and budgets", paid=True, context=False),
    Kind(f"the same, and a stored conversation of up to {TURNS} turns", paid=True, context=True),
)


class Found(Struct, frozen=True):
    """What the calls of a kind took, each."""

    kind: Kind
    gateway_ms: float
    store_ms: float
    scripts: float
    commands: float
    received: float
    sent: float
    keys: float
    memory: float

    def row(self) -> str:
        """Draw it."""
        return (
            f"| {self.kind.name} | {self.gateway_ms:.2f} | {self.store_ms:.3f} | {self.scripts:.1f} | "
            f"{self.commands:.1f} | {self.received:,.0f} | {self.sent:,.0f} | {self.keys:.1f} | "
            f"{self.memory:,.0f} |"
        )


def _counted(store: Any) -> dict[str, float]:
    stats = store.info("commandstats")
    net = store.info("stats")
    return {
        "scripts": sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval")),
        "commands": sum(each["calls"] for each in stats.values()),
        "received": net["total_net_input_bytes"],
        "sent": net["total_net_output_bytes"],
        "keys": store.dbsize(),
        "memory": store.info("memory")["used_memory"],
    }


async def _measure(gateway: RunningGateway, store: Any, keys: list[str], kind: Kind, prefix: str) -> Found:
    callers = Callers(gateway.port)
    key = keys[0] if kind.paid else keys[2 * KEYS]
    numbers = iter(range(CALLS))

    async def caller() -> None:
        for number in numbers:
            text = f"{'How does a fox jump over a dog? ' * 20}plan:{number}:all;"
            body: dict[str, object] = {"model": "soak", "messages": [{"role": "user", "content": text}]}
            if kind.context:
                body["llmgw"] = {"context": {"id": f"{prefix}-{number * 2 // TURNS}", "create": True}}
            reply = await callers.ask(CHAT, key, body)
            if reply.status != 200:
                raise RuntimeError(f"a call failed: {reply.status} {reply.body!r}")

    # A conversation has one writer, so its calls come one after the other.
    at_once = 1 if kind.context else AT_ONCE
    process = gateway.process
    if process is None:
        raise RuntimeError("the gateway does not run")
    family = family_of(process.pid)
    before, counts = usage_of(family), _counted(store)
    await asyncio.gather(*(caller() for _ in range(at_once)))
    # What follows a call belongs to it: its settling, its row of the call log, its trace.
    await asyncio.sleep(3)
    used, grown = usage_of(family).since(before), _counted(store)
    callers.close()
    each = {name: (grown[name] - counts[name]) / CALLS for name in counts}
    return Found(kind, used.members_s * 1000 / CALLS, used.store_s * 1000 / CALLS, **each)


async def _run(home: Path) -> None:
    upstream = SoakUpstream()
    async with await upstream.start():
        whole = config(upstream.port)
        whole["server"] = {"workers": 1}
        whole["telemetry"]["sample"] = 0.01
        gateway = RunningGateway(home, whole)
        try:
            await asyncio.to_thread(gateway.start)
            keys = await asyncio.to_thread(prepared, gateway)
            store: Any = Redis(unix_socket_path=str(DataDir(home / "state").socket))
            # The first round is for everything to come to speed.
            for kind in KINDS:
                await _measure(gateway, store, keys, kind, "warm")
            rows = [(await _measure(gateway, store, keys, kind, "cost")).row() for kind in KINDS]
        finally:
            await asyncio.to_thread(gateway.__exit__, None, None, None)
            upstream.hang_up()
    print(
        "| a call | gateway, ms of CPU | store, ms of CPU | scripts | commands, those in scripts too | "
        "bytes to the store | from it | keys kept | bytes kept |\n|-|-|-|-|-|-|-|-|-|"
    )
    print("\n".join(rows))


def main() -> int:
    """Measure and print."""
    print("\n".join(machine.described(machine.Place.here())[:-1]), "\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="llmgw-costs-") as home:
        asyncio.run(_run(Path(home)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
