"""Checkpoints of proofs and trimmed rows: what was proved is not read again, and no sum changes by it."""

import asyncio
from contextlib import aclosing

import pytest
from llmgw.policy.spending import books, keys, ledger
from llmgw.policy.spending.books import trim
from llmgw.policy.spending.spending import OPERATION_KEPT_MS, SETTLED_WITHIN_MS
from llmgw.policy.spending.usage import Sum, Windows, tenants, totals, usage_between
from llmgw.policy.spending.values import Budget
from llmgw.state.connection import State
from llmgw.types.errors import InternalError
from llmgw.types.limit_errors import TooLate
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.valkey_servers import Server
from tests.valkey_topologies import cluster_url
from tests.waiting import ROOMY_S

EVER = Budget(scope="tenant", name=TENANT, window="total", amount_nano=10**18)
MINUTE = Budget(scope="key", name="k1", window="minute", amount_nano=10**18)
FOREVER = 2**50


async def _settled(desk: Desk, *operations: str, nano: int = 2**53 + 1) -> None:
    for each in operations:
        await desk.spending.settle(desk.claim(each, budgets=(EVER, MINUTE)), cost(nano))


def test_a_proof_reads_new_rows_alone(store_url: str) -> None:
    """After a proof, the next one reads what was posted since, and says the same of the whole."""

    async def scene(desk: Desk) -> None:
        await _settled(desk, "a", "b")
        first = await desk.books()
        assert (first.rows, first.read) == (2, 2)
        await _settled(desk, "c")
        second = await desk.books()
        assert (second.rows, second.read, second.drifting) == (3, 1, ())
        whole = await desk.books(whole=True)
        assert (whole.rows, whole.read) == (3, 3)
        assert whole.accounts == second.accounts
        assert whole.total_nano == second.total_nano == 3 * (2**53 + 1)

    at_desk(store_url, scene)


def test_books_that_drift_are_no_checkpoint(store_url: str) -> None:
    """While a budget says something else than the rows, each proof finds it, and notes nothing."""

    async def scene(desk: Desk) -> None:
        await _settled(desk, "a", nano=5)
        budget = keys.budget(TENANT, keys.budget_name(EVER, 0))
        await desk.state.command("HSET", budget, "spent", "6")
        for _ in range(2):
            found = await desk.books()
            assert [each.drift for each in found.drifting] == [(1, 0)]
            assert found.read == 1
        await desk.state.command("HSET", budget, "spent", "5")
        assert (await desk.books()).drifting == ()
        # A row that is taken away after it was proved shows in a whole proof.
        (row_id,) = await desk.row_ids()
        await desk.state.command("XDEL", keys.of(TENANT, "ledger"), row_id)
        assert (await desk.books()).drifting == ()
        assert {each.drift for each in (await desk.books(whole=True)).drifting} == {(5, 0)}

    at_desk(store_url, scene)


def test_rows_are_trimmed_up_to_what_is_proved(store_url: str) -> None:
    """Nothing goes before it is proved; then it does, once, and no proof, row count or total changes."""

    async def scene(desk: Desk) -> None:
        await _settled(desk, "a", "b")
        assert await trim(desk.state, TENANT, FOREVER) == 0
        await desk.books()
        await _settled(desk, "c")
        assert await trim(desk.state, TENANT, 0) == 0
        assert await trim(desk.state, TENANT, FOREVER) == 2
        assert await trim(desk.state, TENANT, FOREVER) == 0
        assert [row["op"] for row in await desk.rows()] == ["c"]
        for whole in (True, False):
            found = await desk.books(whole=whole)
            assert (found.rows, found.trimmed, found.drifting) == (3, 2, ())
            assert found.total_nano == 3 * (2**53 + 1)
        assert await trim(desk.state, TENANT, FOREVER) == 1
        assert (await desk.books(whole=True)).rows == 3

    at_desk(store_url, scene)


def test_proofs_and_trims_at_once_lose_nothing(store_url: str) -> None:
    """Ten of each while calls are settled: every proof agrees, and in the end nothing is missing."""

    async def scene(desk: Desk) -> None:
        async def calls(worker: int) -> None:
            for number in range(20):
                await _settled(desk, f"{worker}-{number}", nano=number)

        async def proofs() -> None:
            for number in range(10):
                assert (await desk.books(whole=bool(number % 2))).drifting == ()

        async def trims() -> None:
            for _ in range(10):
                await trim(desk.state, TENANT, FOREVER)

        await asyncio.gather(*(calls(each) for each in range(4)), proofs(), trims(), proofs(), trims())
        found = await desk.books()
        assert (found.rows, found.total_nano, found.drifting) == (80, 4 * 190, ())

    at_desk(store_url, scene)


def test_windows_that_are_forgotten_leave_the_checkpoint(store_url: str) -> None:
    """What a checkpoint has is bounded by the windows that the store keeps."""

    async def scene(desk: Desk) -> None:
        for number in range(5):
            await _settled(desk, f"a{number}", nano=1)
            desk.clock.advance(60)
        await desk.books()
        desk.clock.advance(5 * 86_400)
        await desk.spending.lapse_due(TENANT)
        await desk.spending.settle(desk.claim("late", budgets=(EVER,)), cost(1))
        assert [each.name for each in (await desk.books()).accounts] == [keys.budget_name(EVER, 0)]
        (noted,) = await desk.state.hash_fields(keys.of(TENANT, "proved"), "sums")
        assert noted is not None
        assert b"minute" not in noted
        assert (await desk.books(whole=True)).drifting == ()

    at_desk(store_url, scene)


def test_books_that_were_begun_anew_are_proved_anew(store_url: str) -> None:
    """A checkpoint of lost books says nothing of those that were begun after them."""

    async def scene(desk: Desk) -> None:
        await _settled(desk, "a", nano=3)
        await desk.books()
        names = await desk.state.command("KEYS", "llmgw:spend:{*}:*")
        await desk.state.command("DEL", *(each for each in names if not each.endswith(b":proved")))
        await desk.spending.open_books(TENANT)
        await _settled(desk, "b", nano=4)
        found = await desk.books()
        assert (found.rows, found.read, found.total_nano, found.drifting) == (1, 1, 4, ())

    at_desk(store_url, scene)


def test_a_damaged_checkpoint_is_told(store_url: str) -> None:
    """Sums that cannot be read are an error, not a proof of something else."""

    async def scene(desk: Desk) -> None:
        await _settled(desk, "a", nano=3)
        await desk.books()
        await desk.state.command("HSET", keys.of(TENANT, "proved"), "sums", b"{")
        with pytest.raises(InternalError, match="earlier proofs"):
            await desk.books()

    at_desk(store_url, scene)


def test_what_may_have_been_charged_and_forgotten_is_not_charged(store_url: str) -> None:
    """Long after a call began, it is settled if the store knows of it, and refused if not; before that, charged."""

    async def scene(desk: Desk) -> None:
        held, unknown, known = (desk.claim(name, 9, budgets=(EVER,)) for name in ("held", "unknown", "known"))
        await desk.spending.admit(held)
        await desk.spending.settle(known, cost(1))
        desk.clock.advance(SETTLED_WITHIN_MS / 1000 - 1)
        assert (await desk.spending.settle(known, cost(1))).outcome == "duplicate"
        early = await desk.spending.settle(desk.claim("other", budgets=(EVER,)), cost(2))
        assert early.outcome == "charged"
        desk.clock.advance(1)
        with pytest.raises(TooLate) as refused:
            await desk.spending.settle(unknown, cost(4))
        assert refused.value.code == "too_late"
        # The manual clock does not move the store's: the record that would be gone by now is taken away.
        await desk.state.command("DEL", keys.operation(TENANT, "known"))
        desk.clock.advance((OPERATION_KEPT_MS - SETTLED_WITHIN_MS) / 1000)
        with pytest.raises(TooLate):
            await desk.spending.settle(known, cost(1))
        assert (await desk.spending.settle(held, cost(8))).outcome == "charged"
        assert [(row["op"], row["cost"]) for row in await desk.rows()] == [
            ("known", "1"),
            ("other", "2"),
            ("held", "8"),
        ]
        assert (await desk.books()).drifting == ()

    at_desk(store_url, scene)


def test_ledger_usage_and_tenants_are_read_on_a_cluster(cluster: list[Server]) -> None:
    """Reports, proofs and trims of several tenants in several slots: no command crosses slots."""

    async def scene() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            desk = Desk(state)
            names = ["acme", "beta", "gamma", "delta"]
            for tenant in names:
                await desk.spending.open_books(tenant)
                claims = [desk.claim(f"op{number}", budgets=(MINUTE,), tenant=tenant) for number in range(3)]
                for claim in claims:
                    await desk.spending.settle(claim, cost(7, 2, 1))
                    desk.clock.advance(3600)
            assert await tenants(state) == sorted(names)
            now = desk.clock.unix_ns() // 1_000_000
            for tenant in names:
                windows = Windows("hour", now - 30 * 86_400_000, now)
                assert await totals(usage_between(state, tenant, "tenant", windows)) == {
                    tenant: Sum(3, 21, 6, 3)
                }
                assert len([row async for row in ledger.rows(state, tenant)]) == 3
                assert (await books.reconcile(state, tenant, clock=desk.clock)).drifting == ()
                assert await trim(state, tenant, FOREVER, clock=desk.clock) == 3
                assert (await books.reconcile(state, tenant, clock=desk.clock, whole=True)).rows == 3

    asyncio.run(scene())
