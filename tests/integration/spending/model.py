"""What limits, budgets and the ledger should be after any steps, in plain Python."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmgw.policy.spending import keys
from llmgw.policy.spending.values import Reservation

State: TypeAlias = Literal["unknown", "held", "settled", "lapsed", "released"]
RING = 61


@dataclass
class Operation:
    """One call: where it is, what it was charged, and until when its hold and leases run."""

    claim: Reservation
    state: State = "unknown"
    charged: int | None = None
    hold_ends: int = 0
    buckets: dict[str, int] = field(default_factory=dict)


@dataclass
class Rate:
    """Requests and tokens by second, newest second `last`."""

    last: int | None = None
    buckets: dict[int, list[int]] = field(default_factory=dict)

    def moved(self, second: int) -> "Rate":
        """As it is counted at a second; a clock put back by less than a minute waits."""
        if self.last is None or abs(second - self.last) >= RING:
            return Rate(second)
        at = max(second, self.last)
        return Rate(at, {s: list(each) for s, each in self.buckets.items() if s > at - RING})

    def sums(self) -> tuple[int, int]:
        """Requests and tokens that count."""
        return sum(each[0] for each in self.buckets.values()), sum(each[1] for each in self.buckets.values())


class Model:
    """The books of one tenant."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self.rates: dict[str, Rate] = {}
        self.leases: dict[str, dict[str, int]] = {}
        self.spent: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.rows: list[tuple[str, str, int]] = []
        self.overrun: set[str] = set()
        """Windows to which a late cost was added that had been given back."""
        self.told: dict[str, int] = {}
        """The event that a threshold was crossed, by its id, and what was spent by then."""

    def admit(self, claim: Reservation, now: int, hold_ms: int, lease_ms: int) -> str:
        """Say how an admission ends, and note it."""
        operation = self.operations.setdefault(claim.operation, Operation(claim))
        if operation.state != "unknown":
            return "again" if operation.state == "held" else "finished"
        refused = self._refusal(claim, now)
        if refused:
            return refused
        for limit in claim.limits:
            rate = self.rates[limit.title] = self.rates.get(limit.title, Rate()).moved(now // 1000)
            assert rate.last is not None
            bucket = rate.buckets.setdefault(rate.last, [0, 0])
            bucket[0] += 1
            bucket[1] += claim.tokens
            operation.buckets[limit.title] = rate.last
            running = self.leases.setdefault(limit.title, {})
            for ended in [each for each, ends in running.items() if ends <= now]:
                del running[ended]
            running[claim.operation] = now + lease_ms
        for name in names(claim):
            self.held[name] = self.held.get(name, 0) + claim.estimate_nano
            self.spent.setdefault(name, 0)
        operation.state, operation.hold_ends = "held", now + hold_ms
        return "admitted"

    def settle(self, claim: Reservation, cost: int, tokens: int) -> tuple[str, int]:
        """Say what settling posts, and note it."""
        operation = self.operations.setdefault(claim.operation, Operation(claim))
        before, operation.state = operation.state, "settled"
        if before == "settled":
            return "duplicate", 0
        late = before in {"lapsed", "released"}
        if before == "held":
            self._end(operation)
            self._change(operation, tokens - claim.tokens)
        if before != "held" and (operation.charged or 0) < cost:
            self.overrun.update(names(claim))
        amount = cost - (operation.charged or 0)
        self._post(claim, "adjustment" if late else "settle", amount)
        operation.charged = cost
        return ("adjusted" if late else "charged"), amount

    def _change(self, operation: Operation, tokens: int) -> None:
        for title, bucket in operation.buckets.items():
            counted = self.rates[title].buckets.get(bucket)
            if counted is not None:
                counted[1] = max(0, counted[1] + tokens)

    def release(self, claim: Reservation) -> bool:
        """Say whether a release does anything, and note it."""
        operation = self.operations.setdefault(claim.operation, Operation(claim))
        if operation.state not in {"unknown", "held"}:
            return False
        if operation.state == "held":
            self._end(operation)
            self._change(operation, -claim.tokens)
        operation.state = "released"
        return True

    def extend(self, claim: Reservation, now: int, hold_ms: int, lease_ms: int) -> bool:
        """Say whether a call can be extended, and note it."""
        operation = self.operations.setdefault(claim.operation, Operation(claim))
        if operation.state != "held":
            return False
        operation.hold_ends = max(operation.hold_ends, now + hold_ms)
        for limit in claim.limits:
            running = self.leases[limit.title]
            running[claim.operation] = max(running.get(claim.operation, 0), now + lease_ms)
        return True

    def lapse(self, now: int) -> int:
        """Say how many holds end, and note it."""
        due = [each for each in self.operations.values() if each.state == "held" and each.hold_ends <= now]
        for operation in due:
            self._end(operation)
            operation.state = "lapsed"
            if operation.claim.lapse == "charge_estimate":
                operation.charged = operation.claim.estimate_nano
                self._post(operation.claim, "lapse", operation.claim.estimate_nano)
        return len(due)

    def _refusal(self, claim: Reservation, now: int) -> str:
        for limit in claim.limits:
            requests, tokens = self.rates.get(limit.title, Rate()).moved(now // 1000).sums()
            if limit.requests_per_minute is not None and requests + 1 > limit.requests_per_minute:
                return f"{limit.title}:requests"
            if limit.tokens_per_minute is not None and tokens + claim.tokens > limit.tokens_per_minute:
                return f"{limit.title}:tokens"
            running = sum(ends > now for ends in self.leases.get(limit.title, {}).values())
            if limit.concurrent is not None and running >= limit.concurrent:
                return f"{limit.title}:concurrent"
        for budget, name in zip(claim.budgets, names(claim), strict=True):
            taken = self.spent.get(name, 0) + self.held.get(name, 0) + claim.estimate_nano
            if taken > budget.amount_nano:
                return budget.title
        return ""

    def _end(self, operation: Operation) -> None:
        for name in names(operation.claim):
            self.held[name] -= operation.claim.estimate_nano
        for limit in operation.claim.limits:
            self.leases[limit.title].pop(operation.claim.operation, None)

    def _post(self, claim: Reservation, kind: str, amount: int) -> None:
        for budget, name in zip(claim.budgets, names(claim), strict=True):
            before = self.spent.get(name, 0)
            self.spent[name] = before + amount
            self.held.setdefault(name, 0)
            for percent in (50, 80, 100):
                if 100 * before < percent * budget.amount_nano <= 100 * self.spent[name]:
                    self.told.setdefault(f"budget:{name}:{percent}", self.spent[name])
        self.rows.append((claim.operation, kind, amount))


def names(claim: Reservation) -> list[str]:
    """The windows a claim is charged to."""
    return [keys.budget_name(each, claim.at_ms) for each in claim.budgets]
