"""Archives are private and whole, what was done to them is named, and rows leave the store only behind them."""

import asyncio
import errno
import gzip
import itertools
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from llmgw.policy.spending import keys, upkeep
from llmgw.policy.spending.archive import draft
from llmgw.policy.spending.archive.draft import ArchiveError
from llmgw.policy.spending.archive.reading import archived_rows, file_rows, tenants_in
from llmgw.policy.spending.books import Cut, base_of, move
from llmgw.policy.spending.ledger import rows
from llmgw.policy.spending.upkeep import Keep, Upkeep
from llmgw.policy.spending.values import Budget
from llmgw.state.connection import State
from tests.integration.spending.desk import TENANT, Desk, at_desk, cost
from tests.integration.spending.shelf import proof, shelves, union
from tests.valkey_servers import Server
from tests.valkey_topologies import cluster_url
from tests.waiting import ROOMY_S

EVER = Budget(scope="tenant", name=TENANT, window="total", amount_nano=10**18)
FOREVER = 2**50
DAY_MS = 86_400_000
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


def worker(desk: Desk, keep: Keep) -> Upkeep:
    """One worker's upkeep, by the desk's clock."""
    return Upkeep(desk.state, desk.clock, keep, every_s=3600, jitter=lambda: 0.5)


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


def test_a_full_disk_keeps_rows_in_the_store(
    store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trimmed, the log says why, the books agree; with room again all goes its way."""

    async def scene(desk: Desk) -> None:
        await settled(desk, 3)
        keep = Keep(-FOREVER, archive=tmp_path)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        for place, name in ((draft._Hashed, "write"), (os, "fsync"), (Path, "replace")):
            with monkeypatch.context() as patched:
                patched.setattr(place, name, full)
                caplog.clear()
                with caplog.at_level(logging.WARNING):
                    assert await worker(desk, keep).round() == 0
            assert f"the rows of {TENANT} stay in the store" in caplog.text
            assert "No space left on device" in caplog.text
            assert len(await desk.rows()) == 3
            assert list((tmp_path / TENANT).glob(".draft*")) == []
        assert await worker(desk, keep).round() == 0
        assert await desk.rows() == []
        assert (await proof(desk, [tmp_path])).proved

    at_desk(store_url, scene)


def test_an_archive_that_is_no_directory_keeps_rows(
    store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong `ledger.archive_dir`, or an index that cannot be gone on with, costs no row either."""

    async def scene(desk: Desk) -> None:
        await moved(desk, tmp_path / "ledger", 1)
        await settled(desk, 2)
        (tmp_path / "file").write_text("")
        index = tmp_path / "ledger" / TENANT / "index.ndjson"
        index.write_text("{}\n")
        for archive in ("file", "ledger"):
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                assert await worker(desk, Keep(-FOREVER, archive=tmp_path / archive)).round() == 0
            assert "stay in the store" in caplog.text
            assert len(await desk.rows()) == 2

    at_desk(store_url, scene)


def test_the_oldest_rows_go_where_there_are_too_many(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However young: beyond `rows` they go, in files of so many, down to nine tenths; only what is proved does."""
    monkeypatch.setattr(upkeep, "FILE_ROWS", 4)

    async def scene(desk: Desk) -> None:
        keep = Keep(DAY_MS * 3650, rows=20, archive=tmp_path)
        await settled(desk, 20)
        assert await worker(desk, keep).round() == 0
        assert len(await desk.rows()) == 20
        await settled(desk, 9)
        assert await worker(desk, keep).round() == 0
        assert len(await desk.rows()) == 18
        assert [entry.rows for entry in shelves([tmp_path])[0].listed.entries] == [4, 4, 3]
        assert len(await union(desk, [tmp_path])) == 29
        assert (await proof(desk, [tmp_path])).proved

    at_desk(store_url, scene)


def test_old_rows_go_a_day_at_a_time(store_url: str, tmp_path: Path) -> None:
    """Rows wait until the oldest is a day older than they are kept, so that a quiet tenant has few files."""

    async def scene(desk: Desk) -> None:
        await settled(desk, 2)
        seconds, _ = await desk.state.command("TIME")
        ahead_s = int(seconds) + 60 - desk.clock.unix_ns() // 1_000_000_000
        keep = Keep(35 * DAY_MS, slack_ms=DAY_MS, archive=tmp_path)
        desk.clock.advance(ahead_s + 35.5 * 86_400)
        assert await worker(desk, keep).round() == 0
        assert len(await desk.rows()) == 2
        desk.clock.advance(86_400)
        assert await worker(desk, keep).round() == 0
        assert await desk.rows() == []
        assert [entry.rows for entry in shelves([tmp_path])[0].listed.entries] == [2]

    at_desk(store_url, scene)


def test_one_worker_at_a_time_is_at_the_books(store_url: str, tmp_path: Path) -> None:
    """While another holds the lease a worker passes; a lease that is lost or left behind harms nothing."""

    async def scene(desk: Desk) -> None:
        await settled(desk, 3)
        keep = Keep(-FOREVER, archive=tmp_path / "a")
        lease = keys.of(TENANT, "upkeep")
        await desk.state.command("SET", lease, "another", "PX", 60_000)
        assert await worker(desk, keep).round() == 0
        assert len(await desk.rows()) == 3
        assert await desk.state.command("GET", lease) == b"another"
        await desk.state.command("DEL", lease)
        other = Keep(-FOREVER, archive=tmp_path / "b")
        assert await asyncio.gather(*(worker(desk, each).round() for each in (keep, other, keep))) == [
            0,
            0,
            0,
        ]
        assert await desk.rows() == []
        assert await desk.state.command("EXISTS", lease) == 0
        files = [entry for folder in shelves([tmp_path / "a", tmp_path / "b"]) for entry in folder.files]
        assert len(files) == 1

    at_desk(store_url, scene)


def test_books_rest_after_a_look(store_url: str, tmp_path: Path) -> None:
    """However many workers there are: what one has looked at, none looks at again for a while."""

    async def scene(desk: Desk) -> None:
        keep = Keep(-FOREVER, archive=tmp_path, rest_ms=60_000)
        await settled(desk, 1)
        first, second = worker(desk, keep), worker(desk, keep)
        assert await first.round() == 0
        assert await desk.rows() == []
        await settled(desk, 1)
        for each in (first, second):
            assert await each.round() == 0
            assert len(await desk.rows()) == 1
        lease = keys.of(TENANT, "upkeep")
        assert 0 < int(await desk.state.command("PTTL", lease)) <= 60_000
        await desk.state.command("DEL", lease)
        assert await second.round() == 0
        assert await desk.rows() == []

    at_desk(store_url, scene)


def test_workers_without_a_lease_lose_nothing(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four workers on two machines, each sure to be alone, while calls are settled: each row is there once."""
    monkeypatch.setattr(upkeep, "FILE_ROWS", 3)

    async def alone(*_: object) -> bool:
        return True

    monkeypatch.setattr(Upkeep, "_lease", alone)

    async def scene(desk: Desk) -> None:
        archives = [tmp_path / "a", tmp_path / "b"]

        async def works(place: int) -> None:
            for _ in range(6):
                assert await worker(desk, Keep(-FOREVER, rows=10, archive=archives[place])).round() == 0

        await asyncio.gather(settled(desk, 40), *(works(place) for place in (0, 1, 0, 1)))
        assert len(await union(desk, archives)) == 40
        told = await proof(desk, archives)
        assert (told.proved, told.rows) == (True, 40 - len(await desk.rows()))

    at_desk(store_url, scene)


def test_rows_are_archived_from_a_cluster(cluster: list[Server], tmp_path: Path) -> None:
    """Tenants in several slots: each goes into its own directory, and all are proved."""

    async def scene() -> None:
        async with aclosing(State(cluster_url(cluster), timeout_s=ROOMY_S)) as state:
            desk = Desk(state)
            names = ["acme", "beta", "gamma", "delta"]
            for tenant in names:
                await desk.spending.open_books(tenant)
                await settled(desk, 3, tenant)
            assert await worker(desk, Keep(-FOREVER, archive=tmp_path)).round() == 0
            assert tenants_in([tmp_path]) == sorted(names)
            for tenant in names:
                assert await desk.rows(tenant) == []
                assert (await proof(desk, [tmp_path], tenant)).proved
                assert len(await union(desk, [tmp_path], tenant)) == 3

    asyncio.run(scene())
