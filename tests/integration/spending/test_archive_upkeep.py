"""Workers move rows into archives by themselves: what is due, one at a time, and none where there is no room."""

import asyncio
import errno
import logging
import os
from contextlib import aclosing
from pathlib import Path

import pytest
from llmgw.policy.spending import keys, upkeep
from llmgw.policy.spending.archive import draft
from llmgw.policy.spending.archive.reading import tenants_in
from llmgw.policy.spending.upkeep import Keep, Upkeep
from llmgw.state.connection import State
from tests.integration.spending.desk import TENANT, Desk, at_desk
from tests.integration.spending.shelf import proof, shelves, union
from tests.integration.spending.test_archive import FOREVER, moved, settled
from tests.valkey_servers import Server
from tests.valkey_topologies import cluster_url
from tests.waiting import ROOMY_S

DAY_MS = 86_400_000


def worker(desk: Desk, keep: Keep) -> Upkeep:
    """One worker's upkeep, by the desk's clock."""
    return Upkeep(desk.state, desk.clock, keep, every_s=3600, jitter=lambda: 0.5)


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
