"""Archived rows by command: listed, proved and counted as if they were still in the store."""

import asyncio
import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llmgw.policy.spending import keys
from llmgw.policy.spending.books import Cut, move, reconcile
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Charge
from llmgw.state.connection import State
from llmgw.types.errors import StoreUnavailable
from tests.e2e.books.conftest import Office
from tests.e2e.books.test_ledger import bill, day
from tests.running import RunningGateway
from tests.waiting import until_async


@pytest.fixture
def archived(office: Office) -> Any:
    """Moves all rows that are in the store now into the gateway's archive."""

    async def moves(state: State) -> int:
        assert (await reconcile(state, office.tenant)).drifting == ()
        place = office.gateway.home / "state" / "ledger"
        return await move(state, office.tenant, Cut(2**50), archive=place)

    return lambda: office.behind(moves)


def here(office: Office, *more: str) -> tuple[str, ...]:
    """The options that name the tenant and where its archive is configured."""
    return "--tenant", office.tenant, "-c", str(office.gateway.config_path), *more


def test_archived_rows_are_listed_as_before(office: Office, archived: Any) -> None:
    """The same rows, filters and forms as of the gateway, which has them no more."""
    for number in range(4):
        office.charge(
            f"op{number}", number, ("key", "k1"), target="=evil()" if number == 3 else "openai/gpt-5"
        )
    asked = ("ledger", "list", "--tenant", office.tenant)
    before = {form: office.run(*asked, *form).stdout for form in ((), ("--json",), ("--csv",))}
    assert archived() == 4
    assert json.loads(office.run(*asked, "--json").stdout) == []
    there = ("ledger", "list", "--archive", *here(office))
    rows = json.loads(before["--json",])
    assert json.loads(office.run(*there, "--json").stdout) == rows
    assert len(rows) == 4
    assert office.run(*there).stdout == before[()]
    assert list(csv.reader(io.StringIO(office.run(*there, "--csv").stdout))) == list(
        csv.reader(io.StringIO(before["--csv",]))
    )
    assert [row["operation"] for row in json.loads(office.run(*there, "--op", "op2", "--json").stdout)] == [
        "op2"
    ]
    assert json.loads(office.run(*there, "--limit", "2", "--json").stdout) == rows[:2]
    assert "there are more" in office.run(*there, "--limit", "2").stderr
    for filtered in (("--until", "1h"), ("--since", "2099-01-01")):
        assert json.loads(office.run(*there, *filtered, "--json").stdout) == []
    assert "--since is a time like" in office.run(*there, "--since", "yesterday", code=2).output
    assert "--until is a time like" in office.run(*there, "--until", "x", code=2).output


def test_a_copy_is_read_where_it_is(office: Office, archived: Any, tmp_path: Path) -> None:
    """`--archive-dir` names archives of other machines; whose, must be said where there are several."""
    office.charge("a", 1)
    assert archived() == 1
    copy = tmp_path / "copy"
    shutil.copytree(office.gateway.home / "state" / "ledger" / office.tenant, copy / office.tenant)
    listed = ("ledger", "list", "--archive-dir", str(copy), "--json")
    assert [row["operation"] for row in json.loads(office.run(*listed).stdout)] == ["a"]
    (copy / "another").mkdir()
    assert f"there are archives of another, {office.tenant}" in office.run(*listed, code=2).output
    assert "there is no archive of nobody" in office.run(*listed, "--tenant", "nobody", code=1).output
    (copy / office.tenant / "stray").write_text("")
    assert "stray is passed over" in office.run(*listed, "--tenant", office.tenant).stderr


def test_an_archive_is_proved_by_command(office: Office, archived: Any) -> None:
    """Exit 0 while files, stream and sums agree; else 1, with the file that was changed or is missing."""
    office.charge("a", 5)
    assert archived() == 1
    office.charge("b", 6)
    asked = ("ledger", "verify", *here(office))
    assert f"{office.tenant}: proved: 1 files, 1 of 1 rows" in office.run(*asked).stdout
    told = json.loads(office.run(*asked, "--json").stdout)
    assert told["proved"]
    assert (told["tenants"][0]["rows"], told["tenants"][0]["total_usd"]) == (1, "0.000000005")
    (file,) = (office.gateway.home / "state" / "ledger" / office.tenant).glob("*.gz")
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    shown = office.run(*asked, code=1).stdout
    assert "NOT PROVED" in shown
    assert f"{file} cannot be read" in shown
    assert f"{file} cannot be read" in office.run("ledger", "list", "--archive", *here(office), code=1).output
    file.unlink()
    assert f"{file} is in the index, and missing" in office.run(*asked, code=1).stdout
    file.write_bytes(data)
    wrong = ("ledger", "verify", "--tenant", "../x", "-c", str(office.gateway.config_path))
    assert "--tenant is no tenant's name" in office.run(*wrong, code=2).output
    # The sums that the store has of what left it are held to the rows.
    base = keys.of(office.tenant, "base")
    office.behind(
        lambda state: state.command("HSET", base, "sums", b'{"rows":2,"total":"7","posted":{"x":"1"}}')
    )
    shown = office.run(*asked, code=1).stdout
    assert "2 rows left the store, and 1 are in the archive" in shown
    assert "cost 7 nano-USD, and those in the archive 5" in shown
    assert "x: 1 nano-USD left the store, and 0 are in the archive" in shown


def test_a_bill_counts_archived_rows(office: Office, archived: Any, tmp_path: Path) -> None:
    """With `--archive` each call counts once, whether its row is in the store, in a file or in both."""
    yesterday_ms = office.now_ms - 86_400_000
    office.charge("a", 1_500_000_000, at_ms=yesterday_ms)
    office.charge("b", 500_000_000)
    stream = keys.of(office.tenant, "ledger")
    kept = office.behind(lambda state: state.command("DUMP", stream))
    assert archived() == 2
    office.charge("c", 250_000_000)
    file = bill(tmp_path, f"{day(office, 1)},gpt-5,input,1.5", f"{day(office, 0)},gpt-5,input,0.75")
    asked = ("reconcile", "--provider", office.tenant, "--bill", file, *here(office))
    assert json.loads(office.run(*asked, "--json", code=1).stdout)["total"]["ledger_usd"] == "0.25"
    told = json.loads(office.run(*asked, "--archive", "--json").stdout)
    assert [each["difference_usd"] for each in told["differences"]] == ["0", "0"]
    assert told["total"]["ledger_usd"] == "2.25"
    # A writer that died before it trimmed leaves rows in both.
    office.behind(lambda state: state.command("RESTORE", stream, 0, kept, "REPLACE"))
    told = json.loads(office.run(*asked, "--archive", "--json", code=1).stdout)
    assert told["total"]["ledger_usd"] == "2"
    wrong = ("reconcile", "--archive", *here(office))
    assert "--archive goes with --bill" in office.run(*wrong, code=2).output
    # A key of another tenant reaches neither.
    stranger = Office(office.gateway)
    alone = ("reconcile", "--provider", office.tenant, "--bill", file, "--archive", "--json")
    config = ("-c", str(office.gateway.config_path))
    told = json.loads(stranger.run(*alone, *config, key=stranger.key(), code=1).stdout)
    assert told["total"]["ledger_usd"] == "0"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Office]:
    """A gateway that keeps few rows and looks often."""
    config = {"ledger": {"keep_rows": 1000, "prove_s": 1}, "server": {"workers": 2}}
    with RunningGateway(tmp_path / "small", config) as gateway:
        yield Office(gateway)


def test_a_gateway_archives_by_itself(small: Office) -> None:
    """Its workers move what is too much into files, and the whole is proved by command."""
    ledger = keys.of(small.tenant, "ledger")

    async def posted(state: State) -> None:
        spending = Spending(state)
        for begin in range(0, 1100, 50):
            claims = [small.claim(f"op{number}") for number in range(begin, begin + 50)]
            await asyncio.gather(*(spending.settle(claim, Charge(cost_nano=1)) for claim in claims))

        async def few() -> bool:
            return int(await state.command("XLEN", ledger)) <= 1000

        await until_async(few, "the oldest rows to go", unless=StoreUnavailable)

    small.behind(posted)
    told = json.loads(small.run("ledger", "verify", *here(small), "--json").stdout)["tenants"]
    kept = small.get("/admin/v1/ledger", tenant=small.tenant, limit=1000)["rows"]
    assert [(each["tenant"], each["proved"], each["rows"]) for each in told] == [
        (small.tenant, True, 1100 - len(kept))
    ]
    listed = small.run("ledger", "list", "--archive", *here(small), "--limit", "1000", "--json")
    rows = json.loads(listed.stdout)
    assert len({row["operation"] for row in (*rows, *kept)}) == len(rows) + len(kept) == 1100
