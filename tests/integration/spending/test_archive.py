"""Archives are private and whole, what was done to them is named, and rows leave the store only behind them."""

import gzip
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llmgw.policy.spending.archive.draft import ArchiveError
from llmgw.policy.spending.archive.reading import archived_rows, file_rows, tenants_in
from llmgw.policy.spending.books import Cut, base_of, move
from llmgw.policy.spending.ledger import rows
from llmgw.policy.spending.values import Budget
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.integration.spending.shelf import proof, shelves, union

EVER = Budget(scope="tenant", name=TENANT, window="total", amount_nano=10**18)
FOREVER = 2**50
_numbers = itertools.count()


async def settled(desk: Desk, count: int, tenant: str = TENANT) -> None:
    """Post rows that cost 1, 2, 3 and so on."""
    for number in range(count):
        claim = desk.claim(f"op{next(_numbers)}", budgets=(EVER,), tenant=tenant)
        await desk.spending.settle(claim, cost(number + 1))
    await desk.books(tenant)


async def moved(desk: Desk, archive: Path, *sizes: int, tenant: str = TENANT) -> list[Path]:
    """Archive so many rows each; says which files there are."""
    for size in sizes:
        await settled(desk, size, tenant)
        assert await move(desk.state, tenant, Cut(FOREVER), clock=desk.clock, archive=archive) == size
    return sorted((archive / tenant).glob("*.gz"))


def test_an_archive_is_private_and_says_what_it_has(store_url: str, tmp_path: Path) -> None:
    """Directories are 0700 and files 0600; the index has, by file, what is in it; rows come back as they were."""

    async def scene(desk: Desk) -> None:
        await settled(desk, 3)
        stored = [row async for row in rows(desk.state, TENANT)]
        archive = tmp_path / "new" / "ledger"
        assert await move(desk.state, TENANT, Cut(FOREVER, 2), clock=desk.clock, archive=archive) == 2
        assert await move(desk.state, TENANT, Cut(FOREVER, 2), clock=desk.clock, archive=archive) == 1
        modes = {each: each.stat().st_mode & 0o777 for each in [archive.parent, archive, *archive.rglob("*")]}
        assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
        assert {mode for path, mode in modes.items() if not path.is_dir()} == {0o600}
        first, second = (
            json.loads(line) for line in (archive / TENANT / "index.ndjson").read_text().splitlines()
        )
        assert first["file"] == f"{stored[0].id}-{stored[1].id}.ndjson.gz"
        assert (first["after"], first["rows"], first["sum"], first["prev"]) == ("0-0", 2, "3", "")
        assert (second["after"], second["rows"], second["sum"], second["seq"]) == (stored[1].id, 1, "3", 2)
        assert list(archived_rows(shelves([archive]))) == stored
        assert list(archived_rows(shelves([archive]), stored[0].id, stored[1].id)) == stored[1:2]
        text = gzip.decompress((archive / TENANT / first["file"]).read_bytes()).decode()
        assert [json.loads(line)["operation"] for line in text.splitlines()] == [
            row.operation for row in stored[:2]
        ]
        assert tenants_in([archive, tmp_path / "none"]) == [TENANT]
        told = await proof(desk, [archive])
        assert (told.proved, told.files, told.rows, told.total_nano) == (True, 2, 3, 6)

    at_desk(store_url, scene)


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _rewritten(path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).replace(b'"cost_nano":1,', b'"cost_nano":2,')
    path.write_bytes(gzip.compress(lines))


def _shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("harm", [_flipped, _rewritten, _shortened, Path.unlink])
def test_a_file_that_was_changed_is_named(
    store_url: str, tmp_path: Path, harm: Callable[[Path], Any]
) -> None:
    """Damaged, rewritten, shortened or gone: the proof names that file, and reading it is an error, not a guess."""

    async def scene(desk: Desk) -> None:
        files = await moved(desk, tmp_path, 2, 3, 2)
        harm(files[1])
        told = await proof(desk, [tmp_path])
        assert not told.proved
        (problem,) = told.problems
        assert str(files[1]) in problem
        with pytest.raises(ArchiveError, match=files[1].name):
            list(archived_rows(shelves([tmp_path])))
        assert len(list(file_rows(files[0]))) == 2

    at_desk(store_url, scene)


def test_an_index_that_was_changed_is_told(store_url: str, tmp_path: Path) -> None:
    """A line that was changed, taken away or moved breaks the chain; without its last lines rows are missing."""

    async def scene(desk: Desk) -> None:
        await moved(desk, tmp_path, 1, 2, 3)
        index = tmp_path / TENANT / "index.ndjson"
        one, two, three = index.read_bytes().splitlines(keepends=True)
        for changed in (
            one + three,
            two + one + three,
            two + three,
            one + two.replace(b'"rows":2', b'"rows":3') + three,
            one + b"{}\n" + three,
            b"",
            one + two,
        ):
            index.write_bytes(changed)
            told = await proof(desk, [tmp_path])
            assert not told.proved
            assert told.problems
            assert any("index" in each for each in told.problems)
        index.write_bytes(one + two + three)
        assert (await proof(desk, [tmp_path])).proved
        # With its last file, a cut index looks whole, but for what the store knows.
        index.write_bytes(one + two)
        last = max((tmp_path / TENANT).glob("*.gz"))
        last.unlink()
        told = await proof(desk, [tmp_path])
        assert (told.problems, len(told.gaps)) == ((), 1)

    at_desk(store_url, scene)


def test_foreign_files_are_named(store_url: str, tmp_path: Path) -> None:
    """Another tenant's file, one of another name and one whose rows are nowhere else are named, and not read."""

    async def scene(desk: Desk) -> None:
        await desk.spending.open_books("other")
        files = await moved(desk, tmp_path, 2)
        others = await moved(desk, tmp_path, 2, tenant="other")
        place = tmp_path / TENANT
        early = "1-0-2-0.ndjson.gz"
        shutil.copy(others[0], place / early)
        (place / "notes.txt").write_text("")
        told = await proof(desk, [tmp_path])
        assert [each.split(" is ")[0] for each in told.problems] == [
            str(place / "notes.txt"),
            str(place / early),
        ]
        assert len(list(archived_rows(shelves([tmp_path])))) == 2
        (place / early).unlink()
        (place / "notes.txt").unlink()
        # In the place of one that belongs there, it is told by its content.
        shutil.copy(others[0], files[0])
        (problem,) = (await proof(desk, [tmp_path])).problems
        assert str(files[0]) in problem

    at_desk(store_url, scene)


def test_what_is_elsewhere_is_a_gap(store_url: str, tmp_path: Path) -> None:
    """Each of two gateways has a part: alone a proof says what is missing, together they are all."""

    async def scene(desk: Desk) -> None:
        here, there = tmp_path / "here", tmp_path / "there"
        await moved(desk, here, 2)
        gone = await desk.books()
        await moved(desk, there, 3)
        last = (await base_of(desk.state, TENANT)).row
        await moved(desk, here, 1)
        alone = await proof(desk, [here])
        assert (alone.proved, alone.problems, alone.rows) == (False, (), 3)
        ((after, until),) = alone.gaps
        assert until == last
        assert order_ms(after) <= order_ms(until)
        both = await proof(desk, [here, there])
        assert (both.proved, both.rows) == (True, gone.rows + 4)
        # What was let go without an archive is a gap for good.
        await settled(desk, 1)
        await move(desk.state, TENANT, Cut(FOREVER), clock=desk.clock)
        assert len((await proof(desk, [here, there])).gaps) == 1

    at_desk(store_url, scene)


def order_ms(row_id: str) -> int:
    """When a row was posted."""
    return int(row_id.partition("-")[0])


def test_books_from_before_a_loss_are_no_harm(store_url: str, tmp_path: Path) -> None:
    """Where a store was lost, its archive stays readable, and the proof is of the books that were begun anew."""

    async def scene(desk: Desk) -> None:
        await moved(desk, tmp_path, 2)
        await desk.state.command("DEL", *(await desk.state.command("KEYS", f"llmgw:spend:{{{TENANT}}}:*")))
        await desk.spending.open_books(TENANT)
        assert (await proof(desk, [tmp_path])).proved
        await moved(desk, tmp_path, 3)
        told = await proof(desk, [tmp_path])
        assert (told.proved, told.rows, told.files) == (True, 3, 2)
        assert len(await union(desk, [tmp_path])) == 5

    at_desk(store_url, scene)
