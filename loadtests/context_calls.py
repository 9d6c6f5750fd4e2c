"""What a stored conversation costs a caller: the same one sent whole by the client, and continued by its id.

Both go through one gateway to the static upstream, which is told the same messages either way: what differs is that
the one is decoded from the caller's body, and the other leased, rendered from what is stored, checked, reported on
and stored on. One call at a time, as a context has one writer.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from loadtests.accounting import Family, family_of, usage_of
from loadtests.context_store import SIZES
from loadtests.generator import Lane, Shot
from loadtests.requests import WORDS, written
from loadtests.scenarios import CHAT
from loadtests.subjects import Gateway, StartError, Subject, exchange
from loadtests.upstream_wire import MARKER

Way: TypeAlias = Literal["upstream direct", "stateless", "context", "context, cut"]
WAYS: Final[tuple[Way, ...]] = ("upstream direct", "stateless", "context", "context, cut")
WINDOW: Final = 20_000
"""Tokens that the model of the last way takes."""

_PAGE: Final = 1_000
"""Turns that are added at a time."""
_CREATED: Final = 201


class Served(Struct, kw_only=True):
    """Calls of one way after so many turns; seconds."""

    way: Way
    turns: int
    sent: int = 0
    """Bytes of the last request."""
    latencies: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    store_s: float = 0.0
    errors: int = 0


async def _ask(port: int, shot: Shot, times: int, served: Served) -> None:
    """Send a request again and again on one kept connection, and note how long each answer took.

    Raises:
        OSError: nobody listens on the port.
    """
    loop = asyncio.get_running_loop()
    ends: asyncio.Queue[str | None] = asyncio.Queue()
    _, lane = await loop.create_connection(
        lambda: Lane(shot, lambda _, error: ends.put_nowait(error)), "127.0.0.1", port
    )
    try:
        for _ in range(times):
            began = time.monotonic()
            lane.fire(began)
            error = await ends.get()
            served.latencies.append(time.monotonic() - began)
            if error is not None:
                served.errors += 1
                return
    finally:
        lane.close()


def gateway_config(upstream_port: int) -> Mapping[str, Any]:
    """Give the configuration of a gateway whose static upstream has a model with a window, and one without."""
    provider = {
        "kind": "openai_compatible",
        "base_url": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "static-upstream-key",
        "windows": {"static-window": WINDOW},
    }
    return {
        "auth": {"mode": "keys"},
        "providers": {"static": provider},
        "aliases": {
            "bench": {"targets": ["static/static"]},
            "bench-window": {"targets": ["static/static-window"]},
        },
    }


async def measure(upstream: Subject, gateway: Gateway, *, rounds: int) -> list[Served]:
    """Measure every way after every number of turns; all take turns in each round."""
    found = [Served(way=way, turns=turns) for turns in SIZES for way in WAYS]
    for number in range(rounds + 1):
        for served in found:
            # The first round is for the servers to come to speed.
            into = served if number else Served(way=served.way, turns=served.turns)
            await _round(upstream, gateway, into, number)
    return found


async def _round(upstream: Subject, gateway: Gateway, served: Served, number: int) -> None:
    """Some calls in a row. A context grows by two turns with each, so that the others are sent the mean of it."""
    each, contexts = (3, 4) if served.turns == 0 else (12, 1)
    ours = served.way != "upstream direct"
    subject, key = (gateway, gateway.key) if ours else (upstream, "none")
    model = "bench-window" if served.way == "context, cut" else "bench" if ours else "static"
    body: dict[str, Any] = {"model": model}
    names = [f"{model}-{served.turns}-{number}-{n}" for n in range(contexts)]
    continues = served.way.startswith("context")
    if continues:
        for name in names:
            _fill(gateway, name, served.turns)
        body["messages"] = [_message(0)]
        shots = [_shot({**body, "llmgw": {"context": {"id": name}}}, key) for name in names]
    else:
        body["messages"] = [_message(n) for n in range(served.turns + each)]
        shots = [_shot(body, key)] * contexts
    if continues:
        # The first call counts the tokens of all there is, where that matters.
        for shot in shots:
            await _ask(subject.port, shot, 1, Served(way=served.way, turns=served.turns))
    served.sent = len(shots[0].payload)
    found = family_of(subject.pid)
    # A store that writes its file anew has a child for as long as that takes.
    family = Family(found.members, found.store[:1])
    before = usage_of(family)
    for shot in shots:
        await _ask(subject.port, shot, each, served)
    used = usage_of(family).since(before)
    served.cpu_s += used.members_s
    served.store_s += used.store_s
    if continues:
        served.errors += _missing(gateway, names, served.turns + 2 * (each + 1))


def _fill(gateway: Gateway, name: str, turns: int) -> None:
    """Make a context of so many turns."""
    _post(gateway, "/v1/contexts", {"id": name, "policy": {"fit": "drop_oldest"}})
    for first in range(0, turns, _PAGE):
        page = [_message(n) for n in range(first, min(turns, first + _PAGE))]
        _post(gateway, f"/v1/contexts/{name}/turns", {"messages": page})


def _missing(gateway: Gateway, names: Sequence[str], turns: int) -> int:
    """How many contexts do not hold as many turns as they should."""
    found = [exchange(gateway.port, "GET", f"/v1/contexts/{name}", key=gateway.key)[1] for name in names]
    return sum(msgspec.json.decode(body).get("turns") != turns for body in found)


def _post(gateway: Gateway, path: str, body: object) -> None:
    written = msgspec.json.encode(body)
    status, answer = exchange(gateway.port, "POST", path, key=gateway.key, body=written)
    if status != _CREATED:
        raise StartError(f"{gateway.name} took no turns: status {status}, {answer[:200]!r}")


def _message(number: int) -> dict[str, str]:
    return {"role": "assistant" if number % 2 else "user", "content": WORDS}


def _shot(body: object, key: str) -> Shot:
    return Shot(payload=written(CHAT, body, key), marker=MARKER, markers=1, ending=b"}")
