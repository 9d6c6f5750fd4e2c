"""The ledger as it lies in the store, read without a word of the gateway's own code, against what was said."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from loadtests.soak.upstream import Usage

TENANTS: Final = ("paid", "lent", "open")
"""With budgets and limits; with a budget that may be spent unseen; with nothing."""
_SURE_MS: Final = 30_000
"""Rows this old are there for good: a store that dies may forget what is younger, which is then posted again."""
_PAGE: Final = 2_000


class Books(Struct):
    """What the rows say: attempts by the usage a provider told, and those nobody told of."""

    told: Counter[Usage] = field(default_factory=Counter)
    estimated: int = 0
    """Attempts of which the provider said nothing."""
    wordy: int = 0
    """Those of them that are charged for an answer, though none came."""
    unverified: int = 0
    """Rows of calls whose worker died."""
    rows: int = 0
    doubled: int = 0
    """Rows of an operation that had one."""


class Auditor:
    """Reads each row once from a client of the store, while they are young enough to be there."""

    def __init__(self, store: Any) -> None:
        self.books = Books()
        self._store = store
        self._after = dict.fromkeys(TENANTS, "0-0")
        self._seen: dict[str, int] = {}

    def read(self, *, all_of_it: bool = False) -> None:
        """Take in the rows that came since the last time.

        Raises:
            redis.exceptions.RedisError: the store is away; nothing is lost, read again.
        """
        until = "+" if all_of_it else f"{self._store.time()[0] * 1000 - _SURE_MS}-0"
        for tenant in TENANTS:
            for row_id, row in self._rows(tenant, until):
                self._take(row)
                self._after[tenant] = row_id.decode()

    def _rows(self, tenant: str, until: str) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        while True:
            first = f"({self._after[tenant]}"
            page = self._store.xrange(f"llmgw:spend:{{{tenant}}}:ledger", first, until, count=_PAGE)
            yield from page
            if len(page) < _PAGE:
                return

    def _take(self, row: dict[bytes, bytes]) -> None:
        books = self.books
        books.rows += 1
        name = f"{row[b'op'].decode()} {row[b'kind'] == b'adjustment'}"
        books.doubled += name in self._seen
        self._seen[name] = 1
        detail: dict[str, Any] = msgspec.json.decode(row[b"data"]) if row[b"data"] else {"unverified": True}
        books.unverified += detail.get("unverified", False)
        for attempt in detail.get("attempts", ()):
            usage = attempt.get("usage", {})
            said = (usage.get("input", 0), usage.get("output", 0))
            if attempt.get("estimated"):
                books.estimated += 1
                books.wordy += bool(said[1])
            else:
                books.told[said] += 1


class Difference(Struct, frozen=True):
    """What one side has and the other has not: calls."""

    missing: int
    """Said by the upstream, in no row."""
    invented: int
    """In a row, never said."""
    unsaid_missing: int
    """Calls without a word of the upstream, less rows that were counted by the gateway; negative: too many rows."""


def compare(books: Books, said: Counter[Usage], unsaid: int) -> Difference:
    """Hold both counts against each other, call by call as far as their tokens tell them apart."""
    return Difference(
        missing=(said - books.told).total(),
        invented=(books.told - said).total(),
        unsaid_missing=unsaid - books.estimated,
    )
