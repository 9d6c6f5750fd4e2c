"""`GET /v1/me/limits`: what a key is held to, what of it is left, and that asking costs and changes nothing."""

import pytest
from click.testing import CliRunner, Result
from llmgw.cli import main
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.limits.conftest import ENOUGH, LIMITS, LimitsOffice, config_of
from tests.running import RunningGateway
from tests.waiting import until

PATH = "/v1/me/limits"


def test_a_key_is_told_all_it_is_held_to(office: LimitsOffice) -> None:
    """Tenant, team and tags; amounts as exact text, what is spent and held, and when windows end."""
    office.open_books("acme")
    _, key = office.made(tenant="acme", team="search", tags=["product: a/b", "free"], role="viewer")
    with office.store() as store:
        before = sorted(store.keys("llmgw:spend:{acme}*"))
        told = office.done("GET", PATH, key=key)
        assert sorted(store.keys("llmgw:spend:{acme}*")) == before
    assert [(each["scope"], each["name"]) for each in told["limits"]] == [
        ("tenant", "acme"),
        ("team", "search"),
        ("tag", "product: a/b"),
    ]
    assert told["limits"][0] == {
        "scope": "tenant",
        "name": "acme",
        "requests_per_minute": {"limit": 600, "used": 0, "left": 600},
        "tokens_per_minute": None,
        "concurrent": None,
        "resets_in_ms": 0,
    }
    day, month = told["budgets"]
    assert {name: day[name] for name in ("window", "amount_usd", "spent_usd", "held_usd", "left_usd")} == {
        "window": "day",
        "amount_usd": "0.1",
        "spent_usd": "0",
        "held_usd": "0",
        "left_usd": "0.1",
    }
    assert day["resets_ms"] % 86_400_000 == 0
    assert (month["window"], month["amount_usd"]) == ("month", "500")
    assert {name: told[name] for name in ("default_max_tokens", "on_headroom", "degraded", "lapse")} == {
        "default_max_tokens": 4096,
        "on_headroom": "clamp",
        "degraded": "refuse",
        "lapse": "charge_estimate",
    }


def test_what_was_spent_is_told(office: LimitsOffice) -> None:
    """As the store has it, to a billionth of a dollar; a budget in total never begins anew."""
    office.open_books("spent")
    _, key = office.made(tenant="spent", team="ads")
    office.done("PUT", "/admin/v1/limits/spent/team/ads", {"concurrent": 2, "budgets": {"total": 0.1}})
    office.everywhere(key, 2)
    with office.store() as store:
        store.hset(
            "llmgw:spend:{spent}:budget:team:ads:total:ever",
            mapping={"spent": "30000001", "held": "20000000"},
        )
    assert office.done("GET", PATH, key=key)["budgets"] == [
        {
            "scope": "team",
            "name": "ads",
            "window": "total",
            "amount_usd": "0.1",
            "spent_usd": "0.030000001",
            "held_usd": "0.02",
            "left_usd": "0.049999999",
            "resets_ms": None,
        }
    ]


def test_a_key_that_nothing_limits_asks_nothing(office: LimitsOffice, running: RunningGateway) -> None:
    """Empty lists, though the store has no books of its tenant."""
    _, key = office.made(tenant="unlimited")
    told = office.done("GET", PATH, key=key)
    assert (told["limits"], told["budgets"]) == ([], [])
    assert running.request(PATH, key=None).status == 401


def test_lost_books_are_told(office: LimitsOffice, running: RunningGateway) -> None:
    """503 `store_reset`, by every worker that knew them, until an operator acts."""
    _, key = office.made(tenant="lost", team="search")
    office.done("PUT", "/admin/v1/limits/lost/team/*", {"concurrent": 1})

    office.everywhere(key, 1)
    office.lose_books("lost")
    assert {running.request(PATH, key=key).status for _ in range(ENOUGH)} == {503}
    refused = running.request(PATH, key=key)
    assert refused.json()["code"] == "store_reset"
    assert "retry-after" in refused.headers
    office.open_books("lost")
    assert office.done("GET", PATH, key=key)["limits"][0]["concurrent"] == {"limit": 1, "used": 0, "left": 1}
    office.done("DELETE", "/admin/v1/limits/lost/team/*")


def test_a_reload_takes_over_the_section(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Other limits in the file are in force without a restart; a file that is wrong changes nothing."""
    with RunningGateway(tmp_path_factory.mktemp("reload"), config_of(simulator, LIMITS)) as gateway:
        office = LimitsOffice(gateway)
        office.open_books("default")
        _, key = office.made()
        office.everywhere(key, None)
        gateway.write_config(config_of(simulator, {"tenants": {"*": {"concurrent": 4}}}))
        assert _reload(gateway).exit_code == 0
        # Each worker reads the file for itself: what stands there next is nothing to one that is late.
        until(lambda: gateway.log().count("configuration 2 is at work") == 2, "both workers to have read it")
        office.everywhere(key, 4)
        gateway.write_config(config_of(simulator, {"tenants": {"*": {"concurrent": -4}}}))
        assert "concurrent" in _reload(gateway).stderr
        office.everywhere(key, 4)


def _reload(gateway: RunningGateway) -> Result:
    return CliRunner().invoke(main, ["config", "reload", "-c", str(gateway.config_path)])
