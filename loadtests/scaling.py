"""`python -m loadtests.scaling`: what more workers bring, on paper and by simulation, from the costs of one call.

A call is visits of its worker's CPU and of the store's in turns, with a wait for the provider before the last ones.
The simulation draws arrivals and visits at random from a seed; on paper, whatever is busiest sets the limit. Costs
are milliseconds of CPU, as `python -m loadtests.call_costs` measures them.
"""

import argparse
import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct

WORKERS: Final = (1, 2, 4, 10, 20)
MILLION_PER_HOUR: Final = 1_000_000 / 3600
FULL: Final = 0.6
"""The share of a core that is planned for: above, waiting grows faster than calls do."""


class Costs(Struct, frozen=True, kw_only=True):
    """What one call takes, in milliseconds; `trips` are round trips to one of the `stores`.

    Without other words: a call with limits, budgets and a stored conversation, of which docs/scaling.md tells.
    """

    gateway_ms: float = 1.07
    store_ms: float = 0.483
    trips: int = 4
    net_ms: float = 0.2
    provider_ms: float = 500.0
    stores: int = 1


class Outcome(Struct, frozen=True):
    """What a simulated system did: calls a second, and milliseconds added to the provider's by queues and CPU."""

    rate: float
    p50_ms: float
    p99_ms: float
    worker_busy: float
    store_busy: float


class _Server:
    """One server with a queue; visits are served in the order in which they come."""

    def __init__(self) -> None:
        self.free_at = 0.0
        self.busy = 0.0

    def visit(self, now: float, takes: float) -> float:
        """Return when a visit that comes now is over."""
        self.free_at = max(now, self.free_at) + takes
        self.busy += takes
        return self.free_at


def waiting_mmc(rate: float, service: float, servers: int) -> float:
    """Tell the mean wait in a queue of M/M/c by Erlang's formula; `service` is the mean time of a visit.

    Raises:
        ValueError: more comes than can be served.
    """
    offered = rate * service
    if offered >= servers:
        raise ValueError("more comes than can be served")
    inverse = sum(
        math.prod((servers - step) / offered for step in range(number)) for number in range(servers + 1)
    )
    blocked = 1 / inverse
    share = offered / servers
    return blocked / (1 - share * (1 - blocked)) * service / (servers - offered)


def simulate_mmc(rate: float, service: float, servers: int, calls: int, seed: int) -> float:
    """Tell the mean wait of so many simulated visits to M/M/c: what the formula above is held against."""
    drawn = random.Random(seed)  # noqa: S311  # a simulation is to be repeated
    free = [0.0] * servers
    now = waited = 0.0
    for _ in range(calls):
        now += drawn.expovariate(rate)
        begins = max(now, heapq.heappop(free))
        waited += begins - now
        heapq.heappush(free, begins + drawn.expovariate(1 / service))
    return waited / calls


def simulate(costs: Costs, workers: int, rate: float, *, calls: int = 40_000, seed: int = 1) -> Outcome:
    """Run so many calls through workers that share the stores; a new call goes to a worker drawn at random."""
    drawn = random.Random(seed)  # noqa: S311  # a simulation is to be repeated
    servers, stores = [_Server() for _ in range(workers)], [_Server() for _ in range(costs.stores)]
    added: list[float] = []
    events: list[tuple[float, int, Callable[[float], None]]] = []
    numbers = iter(range(10**9))

    def at(moment: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(events, (moment, next(numbers), happens))

    def steps_of(began: float) -> Callable[[float], None]:
        server, store = drawn.choice(servers), drawn.choice(stores)
        cpu, visit = costs.gateway_ms / (costs.trips + 1), costs.store_ms / max(costs.trips, 1)
        left = deque(["cpu", *(["store", "cpu"] * costs.trips)])
        left.insert(max(1, len(left) - 2), "provider")
        provider = drawn.expovariate(1 / costs.provider_ms)

        def go_on(now: float) -> None:
            if not left:
                added.append(now - began - provider)
                return
            match left.popleft():
                case "cpu":
                    at(server.visit(now, drawn.expovariate(1 / cpu)), go_on)
                case "store":
                    half = costs.net_ms / 2
                    at(store.visit(now + half, drawn.expovariate(1 / visit)) + half, go_on)
                case _:
                    at(now + provider, go_on)

        return go_on

    arrival = 0.0
    for _ in range(calls):
        arrival += drawn.expovariate(rate / 1000)
        at(arrival, lambda now: steps_of(now)(now))
    while events:
        now, _, happens = heapq.heappop(events)
        happens(now)
    added.sort()
    return Outcome(
        rate=calls / arrival * 1000,
        p50_ms=added[len(added) // 2],
        p99_ms=added[len(added) * 99 // 100],
        worker_busy=sum(server.busy for server in servers) / workers / arrival,
        store_busy=sum(store.busy for store in stores) / costs.stores / arrival,
    )


def most(costs: Costs, workers: int) -> float:
    """Calls a second at which the workers or the store are as busy as is planned for, whichever comes first."""
    store = math.inf if costs.store_ms == 0 else costs.stores * 1000 / costs.store_ms
    return FULL * min(workers * 1000 / costs.gateway_ms, store)


def described(costs: Costs) -> str:
    """Write the arithmetic and the tables."""
    cores = MILLION_PER_HOUR * costs.gateway_ms / 1000
    share = MILLION_PER_HOUR * costs.store_ms / 1000
    rows = []
    for workers in WORKERS:
        rate = most(costs, workers)
        found = simulate(costs, workers, rate)
        rows.append(
            f"| {workers} | {rate:,.0f} | {rate * 3600 / 1e6:.1f} | {rate / most(costs, 1):.2f} | "
            f"{found.p50_ms:.1f} | {found.p99_ms:.1f} | {found.worker_busy:.0%} | {found.store_busy:.0%} |"
        )
    per_second, full = f"{MILLION_PER_HOUR:.0f}", f"{FULL:.0%}"
    plan, known = FULL * 1000 / costs.store_ms, costs.gateway_ms / costs.store_ms
    lines = (
        f"One call: {costs.gateway_ms:g} ms of a worker, {costs.store_ms:g} ms of the store in {costs.trips}",
        f"trips, {costs.net_ms:g} ms for each on the net, {costs.provider_ms:g} ms of the provider.",
        f"A million calls an hour are {per_second} a second:",
        f"{per_second} x {costs.gateway_ms:g} ms = {cores:.2f} cores of workers, {cores / FULL:.2f} at {full};",
        f"{per_second} x {costs.store_ms:g} ms = {share:.2f} cores of stores, {share / FULL:.2f} at {full}.",
        f"One store bears {plan:,.0f} calls a second, from {known:.1f} workers. Stores here: {costs.stores}.",
        "",
        "| workers | calls/s | million/h | times one | added p50, ms | p99, ms | worker busy | store busy |",
        "|-|-|-|-|-|-|-|-|",
    )
    return "\n".join([*lines, *rows])


def main() -> None:
    """Write it for the costs of the command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.scaling", description=__doc__)
    for name in Costs.__struct_fields__:
        default = getattr(Costs(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    print(described(Costs(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
