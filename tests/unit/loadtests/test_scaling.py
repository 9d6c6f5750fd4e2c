"""The simulation of workers and stores, held against what is known of queues."""

import pytest
from loadtests.scaling import Costs, most, simulate, simulate_mmc, waiting_mmc


@pytest.mark.parametrize(("servers", "rate"), [(1, 6.0), (2, 14.0), (4, 30.0)])
def test_the_simulated_wait_is_erlangs(servers: int, rate: float) -> None:
    """M/M/c: the mean wait of drawn visits is that of the formula."""
    expected = waiting_mmc(rate, 0.1, servers)
    assert simulate_mmc(rate, 0.1, servers, 400_000, seed=1) == pytest.approx(expected, rel=0.08)


def test_erlangs_formula_for_one_server() -> None:
    """M/M/1: load / (1 - load) visits' time; and none for what never ends."""
    assert waiting_mmc(5.0, 0.1, 1) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="more comes"):
        waiting_mmc(10.0, 0.1, 1)


def test_a_worker_alone_is_a_queue_with_one_server() -> None:
    """With no store and no provider a call takes what one in M/M/1 does, and its worker is as busy as offered."""
    costs = Costs(gateway_ms=1.0, store_ms=0.0, trips=0, net_ms=0.0, provider_ms=1e-9)
    found = simulate(costs, 1, 500.0, seed=2)
    # The time of a call in M/M/1 is exponential with the mean 1 / (1 - 0.5) ms, half are over in ln 2 of it.
    assert found.p50_ms == pytest.approx(2.0 * 0.693, rel=0.1)
    assert found.worker_busy == pytest.approx(0.5, rel=0.05)


def test_the_same_seed_is_the_same_run() -> None:
    """And another is another."""
    costs = Costs()
    assert simulate(costs, 2, 100.0, calls=2000) == simulate(costs, 2, 100.0, calls=2000)
    assert simulate(costs, 2, 100.0, calls=2000) != simulate(costs, 2, 100.0, calls=2000, seed=9)


def test_workers_help_until_the_store_is_full() -> None:
    """Calls grow with workers up to what the stores bear, and with stores from there."""
    costs = Costs(gateway_ms=1.0, store_ms=0.25)
    assert most(costs, 2) == pytest.approx(2 * most(costs, 1))
    assert most(costs, 10) == most(costs, 4) == pytest.approx(2400)
    assert most(Costs(gateway_ms=1.0, store_ms=0.25, stores=2), 10) == pytest.approx(4800)
