"""What calls cost on its way into the ledger, over a real store and a real journal that come and go."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from llmgw.accounting.detail import read_detail
from llmgw.accounting.journal.files import Disk
from llmgw.accounting.journal.journal import Journal
from llmgw.accounting.journal.record import Kind, Record
from llmgw.accounting.journal.settings import JournalSettings
from llmgw.gateway.accounts.records import Stage, intent_bytes, result_bytes
from llmgw.gateway.accounts.settler import Settler
from llmgw.policy.spending import keys
from llmgw.policy.spending.values import Budget, LapsePolicy, Reservation
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.state.identity import StoreIdentity
from llmgw.types.errors import StoreUnavailable
from tests.integration.spending.desk import TENANT, Desk, cost
from tests.waiting import ROOMY_S, until_async

BUDGET = Budget(scope="tenant", name=TENANT, window="total", amount_nano=1000)


class FullDisk(Disk):
    """A disk without any room."""

    def write(self, descriptor: int, data: "bytes | memoryview[int]") -> int:
        """Refuse."""
        del descriptor, data
        raise OSError(28, "No space left on device")


class Bench:
    """One worker's settler, beside a desk that looks at the books."""

    def __init__(self, desk: Desk, home: Path, disk: Disk | None = None) -> None:
        self.desk = desk
        self.journal = Journal(
            home / "journal", JournalSettings(pace_s=0.0, linger_s=0.001, probe_s=0.01), disk
        )
        self.settler = Settler(desk.spending, self.journal, desk.clock, StoreIdentity(desk.state, home))

    async def ended(self, operation: str, nano: int, estimate: int = 0) -> Reservation:
        """A call that has ended: its result is in the journal, and handed to the settler."""
        claim = self.desk.claim(operation, estimate, budgets=(BUDGET,) if estimate else ())
        await self.journal.append(Record(Kind.INTENT, operation, intent_bytes(claim, "sent")))
        receipt = self.journal.put(Record(Kind.RESULT, operation, result_bytes(claim, cost(nano))))
        await self.settler.settle_behind(claim, cost(nano), receipt)
        return claim

    async def rows(self) -> dict[str, int]:
        """The ledger by operation."""
        return {row["op"]: int(row["cost"]) for row in await self.desk.rows()}


def on_a_bench(
    url: str, home: Path, scene: Callable[[Bench], Awaitable[None]], disk: Disk | None = None
) -> None:
    """Play a scene with a settler that is at work."""

    async def play() -> None:
        async with opened(url, home, disk) as bench:
            bench.settler.start()
            await scene(bench)
            await bench.settler.aclose()

    asyncio.run(play())


@asynccontextmanager
async def opened(url: str, home: Path, disk: Disk | None = None) -> AsyncIterator[Bench]:
    """A bench whose settler does not work yet."""
    state = State(url, timeout_s=ROOMY_S)
    bench = Bench(Desk(state), home, disk)
    try:
        if disk is None:
            await bench.journal.open()
            await bench.journal.recover()
        yield bench
    finally:
        await bench.journal.aclose()
        await state.aclose()


async def comes(bench: Bench, wanted: dict[str, int]) -> None:
    """Wait until the ledger has exactly these rows."""

    async def there() -> bool:
        return await bench.rows() == wanted

    await until_async(there, f"the ledger to be {wanted}", unless=StoreUnavailable)


def test_calls_without_limits_are_settled_behind_them(store_url: str, tmp_path: Path) -> None:
    """One row each, at its cost; books are opened by the first of a tenant; nothing stays in the journal."""

    async def scene(bench: Bench) -> None:
        await asyncio.gather(*(bench.ended(f"op{number}", number) for number in range(100)))
        await comes(bench, {f"op{number}": number for number in range(100)})

    on_a_bench(store_url, tmp_path, scene)
    assert list((tmp_path / "journal").iterdir()) == []


def test_what_the_store_missed_is_settled_once_it_is_back(tmp_path: Path) -> None:
    """Calls that end while it is away are not held up, and each has its row afterwards, once."""
    home = tmp_path / "store"

    async def scene() -> None:
        with EmbeddedValkey(home) as server:
            state = State(server.url)
            bench = Bench(Desk(state), tmp_path)
            await bench.journal.open()
            bench.settler.start()
            await bench.ended("before", 1)
            await comes(bench, {"before": 1})
        await asyncio.gather(*(bench.ended(f"away{number}", number) for number in range(20)))
        assert bench.settler.behind
        with EmbeddedValkey(home):
            await comes(bench, {"before": 1, **{f"away{number}": number for number in range(20)}})
            await bench.settler.aclose()
        await bench.journal.aclose()
        await state.aclose()

    asyncio.run(scene())
    assert list((tmp_path / "journal").iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "lapse", "rows"),
    [
        ("asked", "charge_estimate", {}),
        ("asked", "release", {}),
        ("sent", "charge_estimate", {"dead": 70}),
        ("sent", "release", {}),
    ],
)
def test_a_call_whose_worker_died_ends_as_its_policy_says(
    stage: Stage, lapse: LapsePolicy, rows: dict[str, int], store_url: str, tmp_path: Path
) -> None:
    """Its hold is gone either way; one that may have reached a provider is charged, and marked as unverified."""

    async def dies() -> None:
        async with opened(store_url, tmp_path) as bench:
            await bench.settler.open_books(TENANT)
            claim = bench.desk.claim("dead", 70, budgets=(BUDGET,), lapse=lapse)
            await bench.journal.put(Record(Kind.INTENT, "dead", intent_bytes(claim, stage)))
            await bench.desk.spending.admit(claim)
            assert await bench.desk.budget(BUDGET) == (0, 70)

    async def scene(bench: Bench) -> None:
        async def over() -> bool:
            return await bench.desk.budget(BUDGET) == (sum(rows.values()), 0)

        await until_async(over, "the hold to end", unless=StoreUnavailable)
        assert await bench.rows() == rows
        for row in await bench.desk.rows():
            detail = read_detail(row["data"].encode())
            assert detail is not None
            assert detail.unverified

    asyncio.run(dies())
    on_a_bench(store_url, tmp_path, scene)
    assert list((tmp_path / "journal").iterdir()) == []


def test_an_admission_that_was_not_heard_of_is_taken_back(store_url: str, tmp_path: Path) -> None:
    """Whether the store had taken it or not; one that comes late is then refused."""

    async def scene(bench: Bench) -> None:
        await bench.settler.open_books(TENANT)
        taken, late = (bench.desk.claim(name, 10, budgets=(BUDGET,)) for name in ("taken", "late"))
        await bench.desk.spending.admit(taken)
        bench.settler.release_later(taken)
        bench.settler.release_later(late)

        async def over() -> bool:
            names = [keys.operation(TENANT, each.operation) for each in (taken, late)]
            return [await bench.desk.state.hash_fields(name, "s") for name in names] == [(b"released",)] * 2

        await until_async(over, "both to be given back", unless=StoreUnavailable)
        with pytest.raises(Exception, match="after it had ended"):
            await bench.desk.spending.admit(late)
        assert await bench.desk.budget(BUDGET) == (0, 0)

    on_a_bench(store_url, tmp_path, scene)


def test_without_a_journal_the_store_alone_has_it(store_url: str, tmp_path: Path) -> None:
    """A journal that never opened refuses records: a result waits in memory until the store takes it."""

    async def scene(bench: Bench) -> None:
        claim = bench.desk.claim("op")
        await bench.settler.settle_behind(claim, cost(5), None)
        await comes(bench, {"op": 5})
        assert bench.settler.lost == 0

    on_a_bench(store_url, tmp_path, scene, FullDisk())


def test_with_neither_journal_nor_store_memory_keeps_it(tmp_path: Path) -> None:
    """And the store gets it once it is there."""
    with EmbeddedValkey(tmp_path / "store") as server:
        url = server.url

    async def scene() -> None:
        state = State(url)
        bench = Bench(Desk(state), tmp_path)
        bench.settler.start()
        await bench.settler.settle_behind(bench.desk.claim("op"), cost(5), None)
        assert bench.settler.behind
        with EmbeddedValkey(tmp_path / "store"):
            await comes(bench, {"op": 5})
            await bench.settler.aclose()
        await state.aclose()

    asyncio.run(scene())


def test_records_that_nobody_can_read_are_put_aside(
    store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are logged by their operation and closed, and those behind them are settled."""

    async def dies() -> None:
        async with opened(store_url, tmp_path) as bench:
            claim = bench.desk.claim("good")
            for operation, payload in (("bad", b"{}"), ("good", result_bytes(claim, cost(3)))):
                await bench.journal.append(Record(Kind.INTENT, operation, b""))
                await bench.journal.append(Record(Kind.RESULT, operation, payload))

    async def scene(bench: Bench) -> None:
        await comes(bench, {"good": 3})

    asyncio.run(dies())
    on_a_bench(store_url, tmp_path, scene)
    assert "record of bad" in caplog.text
    assert list((tmp_path / "journal").iterdir()) == []
