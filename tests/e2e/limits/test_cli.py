"""`llmgw limits` against a running gateway: every verb, what it prints for programs, and its exit code."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from llmgw.cli import main
from tests.e2e.limits.conftest import LimitsOffice
from tests.running import RunningGateway


def run(gateway: RunningGateway, *arguments: str, code: int = 0, key: str | None = None) -> Result:
    """Run a command and hold it to its exit code."""
    environ = {
        "LLMGW_URL": gateway.root,
        "LLMGW_KEY": key or gateway.key,
        "LLMGW_CONFIG": "",
        "LLMGW_ADMIN_KEY": "",
        "COLUMNS": "250",
    }
    result = CliRunner().invoke(main, ["limits", *arguments], env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def told(gateway: RunningGateway, *arguments: str, key: str | None = None) -> Any:
    """What a command prints for programs."""
    return json.loads(run(gateway, *arguments, "--json", key=key).stdout)


def test_limits_are_set_shown_and_unset(running: RunningGateway) -> None:
    """All of the terms at once, in the place of what was there; as JSON and as a table."""
    where = ("--tenant", "shop", "team", "search")
    run(
        running, "set", *where, "--requests", "600", "--tokens", "1e6", "--concurrent", "20",
        "--budget", "month=500", "--budget", "day=0.1", "--on-headroom", "clamp",
    )  # fmt: skip
    shown = told(running, "show", *where)
    assert shown["limits"] == {
        "requests_per_minute": 600,
        "tokens_per_minute": 1_000_000,
        "concurrent": 20,
        "budgets": {"month": 500, "day": 0.1},
        "on_headroom": "clamp",
    }
    table = run(running, "show", *where).stdout
    for words in (
        "shop",
        "search",
        "requests_per_minute 600",
        "$500 a month",
        "on_headroom clamp",
        "bootstrap",
    ):
        assert words in table
    run(running, "set", *where, "--concurrent", "0")
    assert told(running, "show", *where)["limits"] == {"concurrent": 0}
    run(running, "set", *where, "--nothing")
    assert told(running, "show", *where)["limits"] == {}
    assert "nothing is limited" in run(running, "show", *where).stdout
    run(running, "unset", *where)
    refused = run(running, "unset", *where, code=1)
    assert "there is no stored rule" in refused.stderr
    history = told(running, "history")
    assert [each["op"] for each in history["events"] if each["tenant"] == "shop"] == ["unset"] + 3 * ["set"]
    assert "shop" in run(running, "history").stdout


def test_a_tenant_needs_no_second_name(running: RunningGateway) -> None:
    """Its own limits have its name; those of others are named."""
    run(running, "set", "--tenant", "shop", "tenant", "--budget", "total=1")
    assert told(running, "show", "--tenant", "shop", "tenant")["limits"] == {"budgets": {"total": 1}}
    run(running, "unset", "--tenant", "shop", "tenant", "shop")
    run(running, "set", "--tenant", "*", "tenant", "--concurrent", "50")
    (whole,) = told(running, "list", "--tenant", "*")["limits"]
    assert (whole["tenant"], whole["name"], whole["limits"]) == ("*", "*", {"concurrent": 50})
    run(running, "unset", "--tenant", "*", "tenant")
    assert "name the team" in run(running, "show", "team", code=2).stderr


def test_all_are_listed(running: RunningGateway, office: LimitsOffice) -> None:
    """With their source; only a tenant's where it is named, or is all that the key reaches."""
    listed = told(running, "list", "--tenant", "acme")["limits"]
    assert {each["source"] for each in listed} == {"settings"}
    table = run(running, "list").stdout
    assert "product: a/b" in table
    assert "settings" in table
    _, stranger = office.made(tenant="nowhere", role="viewer")
    assert "nothing is limited" in run(running, "list", key=stranger).stderr


def test_tags_are_named_as_they_are(running: RunningGateway) -> None:
    """Spaces, slashes and what a terminal would obey; a name that no address can tell is refused here."""
    for tag in ("a b/c", "50%", "[red]x[/red]", "?#&"):
        run(running, "set", "tag", tag, "--concurrent", "1")
        assert told(running, "show", "tag", tag)["name"] == tag
        assert tag in run(running, "show", "tag", tag).stdout
        run(running, "unset", "tag", tag)
    for tag in ("a//b", "/a", "a/"):
        assert "settings file" in run(running, "set", "tag", tag, "--concurrent", "1", code=2).stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "say what is limited"),
        (("--concurrent", "1", "--nothing"), "say what is limited"),
        (("--concurrent", "1.5"), "no whole number"),
        (("--concurrent", "-1"), "no whole number"),
        (("--concurrent", "nan"), "no whole number"),
        (("--tokens", "1e99999999"), "no whole number"),
        (("--budget", "500"), "is not WINDOW=USD"),
        (("--budget", "week=1"), "is not WINDOW=USD"),
        (("--budget", "day=x"), "is not WINDOW=USD"),
        (("--budget", "day=inf"), "is not WINDOW=USD"),
        (("--budget", "day=1e999"), "too many digits"),
        (("--budget", "day=123456789.123456789"), "too many digits"),
        (("--budget", "day=1", "--budget", "day=2"), "twice"),
        (("--lapse", "maybe"), "maybe"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(
    running: RunningGateway, options: tuple[str, ...], said: str
) -> None:
    """Exit code 2, and why."""
    assert said in run(running, "set", "team", "search", *options, code=2).stderr


def test_what_the_gateway_refuses_is_told(running: RunningGateway) -> None:
    """Exit code 1, with its words."""
    refused = run(running, "set", "--tenant", "shop", "team", "A B", "--concurrent", "1", code=1)
    assert "a team's name has 1 to 63" in refused.stderr
    refused = run(running, "set", "team", "search", "--budget", "day=-1", code=1)
    assert "/budgets" in refused.stderr
