"""One worker answers for all: over their sockets, in time, and for its own gateway alone."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from llmgw.telemetry import siblings
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.scraping import Scraping
from llmgw.telemetry.siblings import Place, gathered
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from tests.traced_calls import Fixed, begun_alone, finished

DROPPED = "llmgw_telemetry_dropped_total"
REQUESTS = "llmgw_requests_total"


class Crew:
    """The workers of one gateway, all in this process: each has measured as many calls as its number says."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.workers = [self._worker(number) for number in range(1, place.workers + 1)]

    def _worker(self, number: int) -> Scraping:
        metrics = Metrics("", every_s=0, version="1", clock=Fixed(), resource={})
        for _ in range(number):
            metrics.record(finished(begun_alone()))
        return Scraping(metrics, replace(self.place, worker=number))

    async def scraped(self, number: int, metric: str = REQUESTS, **labels: str) -> dict[str, float]:
        """What a worker says that each has, by worker."""
        content_type, body = await self.workers[number - 1].answer("")
        assert content_type == "text/plain; version=0.0.4; charset=utf-8"
        return {
            sample.labels["worker"]: sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        }


@asynccontextmanager
async def crew(home: Path, workers: int = 3) -> AsyncIterator[Crew]:
    """A gateway whose workers have all started."""
    with gathered(home, workers) as place:
        made = Crew(place)
        for worker in made.workers:
            await worker.start()
        try:
            yield made
        finally:
            for worker in made.workers:
                await worker.aclose()


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Play a scene in a loop of its own."""
    asyncio.run(scene())


def test_whichever_worker_is_asked_answers_for_all(tmp_path: Path) -> None:
    """Each with its own number, and nothing is counted as missing; several askers at once get the same."""

    async def scene() -> None:
        async with crew(tmp_path) as workers:
            for number in (1, 2, 3):
                assert await workers.scraped(number) == {"1": 1, "2": 2, "3": 3}
                assert await workers.scraped(number, DROPPED, kind="scrape") == {"1": 0, "2": 0, "3": 0}
            answers = await asyncio.gather(*(workers.workers[0].answer("") for _ in range(20)))
            assert len(set(answers)) == 1

    run(scene)


def test_a_worker_that_is_not_there_is_left_out_and_counted(tmp_path: Path) -> None:
    """By the worker that missed it, in the very answer; whoever takes its place is in the next one."""

    async def scene() -> None:
        async with crew(tmp_path) as workers:
            await workers.workers[1].aclose()
            assert await workers.scraped(1) == {"1": 1, "3": 3}
            assert await workers.scraped(1, DROPPED, kind="scrape") == {"1": 2, "3": 0}
            workers.workers[1] = workers._worker(2)
            await workers.workers[1].start()
            assert await workers.scraped(1) == {"1": 1, "2": 2, "3": 3}

    run(scene)


@pytest.mark.parametrize("said", [b"", b"nonsense", None], ids=["nothing", "nonsense", "forever silent"])
def test_a_worker_that_hangs_or_babbles_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes | None
) -> None:
    """The others are told of within the deadline."""
    monkeypatch.setattr(siblings, "DEADLINE_S", 0.2)

    async def scene() -> None:
        async with crew(tmp_path) as workers:
            path = workers.place.socket(2)
            await workers.workers[1].aclose()

            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if said is None:
                    await reader.read()
                else:
                    writer.write(said)
                writer.close()

            async with await asyncio.start_unix_server(answer, path):
                assert await workers.scraped(3) == {"1": 1, "3": 3}

    run(scene)


def test_two_gateways_over_one_directory_do_not_mix(tmp_path: Path) -> None:
    """Each answers for its own workers; the second one leaves the first one's sockets alone."""

    async def scene() -> None:
        async with crew(tmp_path, 2) as ours, crew(tmp_path, 3) as theirs:
            assert ours.place.directory == theirs.place.directory
            assert await ours.scraped(1) == {"1": 1, "2": 2}
            assert await theirs.scraped(2) == {"1": 1, "2": 2, "3": 3}

    run(scene)


def test_sockets_are_for_their_user_alone_and_go_with_the_gateway(tmp_path: Path) -> None:
    """Those that a killed gateway left are taken away by the next one."""
    left = tmp_path / "workers" / "dead-1.socket"
    left.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(left))

    async def scene() -> None:
        async with crew(tmp_path, 2) as workers:
            found = sorted(workers.place.directory.iterdir())
            assert found == [workers.place.socket(1), workers.place.socket(2)]
            assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}

    run(scene)
    assert not list(left.parent.iterdir())


@pytest.mark.parametrize("home", ["d" * 90, "file"], ids=["too long", "no directory"])
def test_where_no_socket_can_be_there_is_another_place(tmp_path: Path, home: str) -> None:
    """Private to the gateway's user, and gone with it."""
    (tmp_path / "file").touch()

    async def scene() -> None:
        async with crew(tmp_path / home, 2) as workers:
            directory = workers.place.directory
            assert not directory.is_relative_to(tmp_path)
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert await workers.scraped(1) == {"1": 1, "2": 2}
        assert not directory.exists()

    run(scene)


def test_a_worker_alone_needs_no_socket(tmp_path: Path) -> None:
    """It answers for itself."""

    async def scene() -> None:
        async with crew(tmp_path, 1) as workers:
            assert not list(workers.place.directory.iterdir())
            assert await workers.scraped(1) == {"1": 1}

    run(scene)
