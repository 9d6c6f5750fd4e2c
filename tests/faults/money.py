"""Calls that cost money, what their callers were told, and the store's books held against that."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pytest
import yaml
from tests.faults.ledger import Books, Ledger, doubled, drifting, ledger_of
from tests.running import Answer, RunningGateway
from tests.waiting import until

PLENTY: Final = 1_000_000.0
"""US dollars that no test spends."""
TENANTS: Final = ("paid", "lent", "free", "slow")
"""With a budget; with one that may be spent unseen; with nothing; with 60 requests a minute."""
PRICE: Final = {"input": 1000, "output": 2000}
"""US dollars for a million tokens."""
TALK: Final = 60
"""Calls of a caller in traffic, its plain ones included, after which it begins another conversation."""
TIMEOUT_S: Final = 0.5
"""What the store may take, as in production: the waiting is a part of what these tests are about."""
_NUMBERS: Final = count(1)

Kind = Literal["whole", "stream", "context"]
KINDS: Final[tuple[Kind, ...]] = ("whole", "stream", "context")


def money_config(base_url: str, store_url: str, **members: Any) -> dict[str, Any]:
    """A gateway of two workers before one provider, in which some tenants have limits and budgets."""
    state = {"url": store_url, "timeout_s": TIMEOUT_S, **members.pop("state", {})}
    tenants = {
        "paid": {"budgets": {"total": PLENTY, "hour": PLENTY}, "concurrent": 500},
        "lent": {"budgets": {"day": PLENTY}, "degraded": "allow", "lapse": "release"},
        "slow": {"requests_per_minute": 60},
        "mean": {"budgets": {"total": 2.0}},
    }
    return {
        "providers": {"sim": {"kind": "openai_compatible", "base_url": base_url, "api_key": "key-upstream"}},
        "prices": {"models": {"sim/*": PRICE}},
        "limits": {"tenants": tenants, "default_max_tokens": 100, **members.pop("limits", {})},
        "server": {"workers": 2, **members.pop("server", {})},
        "state": state,
        "contexts": {"lease_s": 1},
        **members,
    }


class Told(NamedTuple):
    """One call whose caller had the whole answer, and what it was told that it cost."""

    operation: str
    tenant: str
    nano: int


class Said(NamedTuple):
    """One answer as its caller had it; `whole` tells that its end was seen."""

    status: int
    code: str
    whole: bool
    text: str = ""


INVARIANTS: Final = {
    "I1": "an operation has one row at most, and one adjustment",
    "I2": "every budget window has spent what its rows add up to",
    "I3": "nothing stays on hold",
    "I4": "no acknowledged turn is lost or doubled",
    "I5": "no secret is printed",
    "I6": "workers live on, unless they are killed",
    "I7": "every acknowledged call has its row at the cost it was told",
}
PROVED: Final[Counter[str]] = Counter()
"""How often each was looked for by this process, in calls, windows, turns, secrets or workers."""
BROKEN: Final[Counter[str]] = Counter()
"""How often each was found to be violated."""


class Tally:
    """What callers were told, and how the store's books break their promises."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.stored: dict[tuple[str, str], list[tuple[str, str]]] = {}
        """By tenant and context, what was said in it and answered, in order."""
        self.refused: Counter[tuple[str, int, str]] = Counter()
        """By tenant, status and code."""
        self.cut: Counter[tuple[str, Kind]] = Counter()
        """Answers that were begun and did not come to their end."""
        self.secrets: set[str] = set()

    def violations(self, store: Books) -> dict[str, list[str]]:
        """Each invariant of the books with what breaks it."""
        found: dict[str, list[str]] = {name: [] for name in ("I1", "I2", "I3", "I7")}
        told = {
            tenant: [each for each in self.told if each.tenant == tenant] for tenant in (*TENANTS, "mean")
        }
        for tenant, calls in told.items():
            ledger = ledger_of(store, tenant)
            found["I1"] += doubled(ledger)
            found["I2"] += drifting(ledger)
            found["I3"] += [f"{tenant} {name} holds {nano}" for name, nano in ledger.held.items() if nano]
            if ledger.holds:
                found["I3"].append(f"{tenant} has {ledger.holds} holds")
            found["I7"] += _unpaid(ledger, calls)
        return found


def _unpaid(ledger: Ledger, calls: list[Told]) -> list[str]:
    """I7: calls whose rows are not what their callers were told."""
    costs: dict[str, int] = {}
    for row in ledger.rows:
        operation = row.operation.partition("~")[0]
        costs[operation] = costs.get(operation, 0) + row.cost
    return [
        f"{each.operation} cost {each.nano}, its rows {costs.get(each.operation)}"
        for each in calls
        if costs.get(each.operation) != each.nano
    ]


class Caller:
    """One key of a tenant's, and what it was told."""

    def __init__(self, gateway: RunningGateway, tally: Tally, tenant: str, key: str = "") -> None:
        self.gateway = gateway
        self.tally = tally
        self.tenant = tenant
        self.key = key or self._made()
        tally.secrets.add(self.key)

    def at(self, gateway: RunningGateway) -> "Caller":
        """The same caller at another gateway."""
        return Caller(gateway, self.tally, self.tenant, self.key)

    def _made(self) -> str:
        body = {"name": self.tenant, "role": "caller", "tenant": self.tenant}
        made = self.gateway.request("/admin/v1/keys", body)
        assert made.status == 201, made.body
        return str(made.json()["key"])

    def ask(
        self, kind: Kind = "whole", model: str = "sim/sim", context: str = "", tag: str = ""
    ) -> Said | None:
        """Make a call; None where its answer broke off, and nobody was told anything."""
        number = next(_NUMBERS)
        text = f"say answer {number}"
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 50,
        }
        if kind == "stream":
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        own: dict[str, Any] = {"tags": [tag]} if tag else {}
        if kind == "context":
            own["context"] = {"id": context or f"c-{number}", "create": True}
        if own:
            body["llmgw"] = own
        try:
            answer = self.gateway.request("/v1/chat/completions", body, key=self.key)
        except (OSError, HTTPException):
            self.tally.cut[self.tenant, kind] += 1
            return None
        said = self._said(answer, stream=kind == "stream")
        if said.whole and kind == "context":
            turns = self.tally.stored.setdefault((self.tenant, own["context"]["id"]), [])
            turns.append((text, said.text))
        return said

    def _said(self, answer: Answer, *, stream: bool) -> Said:
        if answer.status != 200:
            error = answer.json()["error"]
            code = str(error["code"])
            self.tally.refused[self.tenant, answer.status, code] += 1

            return Said(answer.status, code, whole=False, text=str(error["message"]))
        operation = answer.headers["x-llmgw-call-id"]
        if not stream:
            text = str(answer.json()["choices"][0]["message"]["content"])
            self._note(operation, answer.headers["x-llmgw-cost-usd"])
            return Said(200, "", whole=True, text=text)
        lines = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]
        events = [json.loads(line, parse_float=str) for line in lines if line != "[DONE]"]
        broken = [event["error"]["code"] for event in events if "error" in event]
        if lines[-1:] != ["[DONE]"] or broken:
            self.tally.cut[self.tenant, "stream"] += 1
            return Said(200, "".join(broken), whole=False)
        (cost,) = [event["llmgw"]["cost_usd"] for event in events if "cost_usd" in event.get("llmgw", {})]
        self._note(operation, cost)
        return Said(200, "", whole=True)

    def _note(self, operation: str, usd: str | int) -> None:
        self.tally.told.append(Told(operation, self.tenant, round(float(usd) * 1e9)))

    def turns(self, context: str) -> list[str]:
        """The texts of a context, as its owner reads them."""
        answer = self.gateway.request(f"/v1/contexts/{context}/turns?limit=100", key=self.key)
        assert answer.status == 200, answer.body
        turns = answer.json()["turns"]
        return ["".join(part.get("text", "") for part in turn["parts"]) for turn in turns]


def torn(tally: Tally, callers: Mapping[str, Caller]) -> list[str]:
    """I4: acknowledged turns that are not there exactly once, each before its answer."""
    found = []
    for (tenant, context), said in tally.stored.items():
        texts = callers[tenant].turns(context)
        for text, answer in said:
            places = [at for at, each in enumerate(texts) if each == text]
            if len(places) != 1 or texts[places[0] + 1 : places[0] + 2] != [answer]:
                found.append(f"{context}: {text!r} {len(places)} times in {len(texts)} turns")
    return found


def leaked(tally: Tally, *gateways: RunningGateway) -> list[str]:
    """I5: secrets in what the gateways print."""
    known = {*tally.secrets, "key-upstream"}
    return [secret[:12] for gateway in gateways for secret in known if secret in gateway.log()]


class Traffic:
    """Callers who call one after another until they are stopped; `waits` has the seconds of each call."""

    def __init__(self, callers: list[Caller], model: str = "sim/sim") -> None:
        self.callers = callers
        self.model = model
        self.done = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._faults: list[BaseException] = []

    def run(self, caller: Caller, number: int) -> None:
        """Call until the end, each kind of call in its turn."""
        name = f"talk-{caller.tenant}-{number}-{next(_NUMBERS)}"
        try:
            for turn in count(number):
                if self._stop.is_set():
                    return
                caller.ask(KINDS[turn % len(KINDS)], self.model, f"{name}-{turn // TALK}")
                with self._lock:
                    self.done += 1
        except BaseException as fault:
            self._faults.append(fault)
            raise

    def more(self, calls: int) -> None:
        """Wait until so many more calls have ended."""
        wanted = self.done + calls
        until(lambda: self._faults or self.done >= wanted, f"{calls} more calls", within_s=60)
        assert not self._faults, self._faults[0]

    def stop(self) -> None:
        """Stop, once the calls under way have ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self._faults, self._faults[0]

    def start(self) -> None:
        """Begin."""
        for number, caller in enumerate(self.callers):
            thread = threading.Thread(target=self.run, args=(caller, number), daemon=True)
            self._threads.append(thread)
            thread.start()


@contextmanager
def traffic(callers: list[Caller], model: str = "sim/sim") -> Iterator[Traffic]:
    """Have callers call for the length of the block."""
    made = Traffic(callers, model)
    made.start()
    try:
        yield made
    finally:
        made.stop()


class Scene:
    """Gateways on one store, callers of every tenant, and what must hold of them when a fault is over."""

    def __init__(self, store: Books, *gateways: RunningGateway) -> None:
        self.store = store
        self.gateways = gateways
        self.gateway = gateways[0]
        self.tally = Tally()
        self.callers = {tenant: Caller(self.gateway, self.tally, tenant) for tenant in TENANTS}
        self.workers = [gateway.worker_pids() for gateway in gateways]

    def several(self, *tenants: str, each: int = 2) -> list[Caller]:
        """Callers for traffic: some at each gateway of each tenant, of all but the limited one unless named."""
        found = []
        for tenant in tenants or ("paid", "lent", "free"):
            known = self.callers[tenant]
            found += [known.at(gateway) for gateway in self.gateways for _ in range(each)]
        return found

    def serving(self, within_s: float) -> None:
        """Wait until every worker takes calls with a budget, however it is that one hears of things sooner."""
        for gateway in self.gateways:
            caller = self.callers["paid"].at(gateway)
            until(lambda by=caller: all(_whole(by) for _ in range(12)), "every worker", within_s)  # type: ignore[misc]

    def warm(self) -> None:
        """Have every worker know every key and every tenant's books; one that is late is waited for."""
        for gateway in self.gateways:
            wanted = yaml.safe_load(gateway.config_path.read_text())["server"]["workers"]
            journals = gateway.home / "state" / "journal"
            until(lambda at=journals, most=wanted: len(list(at.glob("*.lock"))) == most, "all workers")  # type: ignore[misc]
            callers = [each.at(gateway) for each in self.callers.values()]
            until(lambda at=journals, by=callers: _known(at, by), "all workers to know all callers")  # type: ignore[misc]
        self.workers = [gateway.worker_pids() for gateway in self.gateways]

    def prove(self, within_s: float = 5.0, *, killed: bool = False) -> None:
        """Wait until the books are right, hold everything else against what was told, and count it all."""
        found: dict[str, list[str]] = {}

        def look() -> bool:
            found.update(self.tally.violations(self.store))
            return not any(found.values())

        # What breaks is told below, with all the rest.
        with suppress(AssertionError):
            until(look, "books without a violation", within_s)
        found["I4"] = torn(self.tally, self.callers)
        found["I5"] = leaked(self.tally, *self.gateways)
        found["I6"] = [] if killed else self._died()
        for name, broken in found.items():
            BROKEN[name] += len(broken)
        told = len(self.tally.told)
        PROVED.update(dict.fromkeys(("I1", "I7"), told))
        PROVED.update(dict.fromkeys(("I2", "I3"), len(TENANTS)))
        turns = sum(map(len, self.tally.stored.values()))
        PROVED.update({"I4": turns, "I5": len(self.tally.secrets), "I6": sum(map(len, self.workers))})
        assert told
        if any(found.values()):
            pytest.fail(f"violated: { {name: each[:5] for name, each in found.items() if each} }")

    def _died(self) -> list[str]:
        return [
            f"{before} became {gateway.worker_pids()}"
            for before, gateway in zip(self.workers, self.gateways, strict=True)
            if before != gateway.worker_pids()
        ]


def _whole(caller: Caller) -> bool:
    said = caller.ask("whole")
    return said is not None and said.whole


def _known(journals: Path, callers: list[Caller]) -> bool:
    """Call once more for each tenant; whether each worker's journal has a call of each by now."""
    for caller in callers:
        said = caller.ask("whole")
        assert said is not None
        assert said.whole, said
    workers = [path.stem for path in journals.glob("*.lock")]
    texts = [b"".join(path.read_bytes() for path in journals.glob(f"{worker}-*")) for worker in workers]
    return all(b'"tenant":"%s"' % each.tenant.encode() in text for text in texts for each in callers)
