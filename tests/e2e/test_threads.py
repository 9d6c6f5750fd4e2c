"""The threads of a worker as the kernel knows them."""

import os
from pathlib import Path

from llmgw.simulator.process import SimulatorProcess
from tests.e2e.conftest import config_for
from tests.running import RunningGateway
from tests.waiting import until


def _policies(process: int) -> dict[int, int]:
    """The scheduling policy of each thread of a process; its first thread has the process' number."""
    threads = [int(each.name) for each in Path(f"/proc/{process}/task").iterdir()]
    return {thread: os.sched_getscheduler(thread) for thread in threads}


def _server_threads(process: int) -> list[int]:
    named = [
        each for each in Path(f"/proc/{process}/task").iterdir() if "tokio" in (each / "comm").read_text()
    ]
    return [int(each.name) for each in named]


def test_no_thread_of_the_server_interrupts_the_loop(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Soon after the start the server's threads are scheduled as batches, the loop's is not, and calls go on."""
    with RunningGateway(tmp_path, config_for(simulator.base_url)) as gateway:
        (worker,) = gateway.worker_pids()
        server = _server_threads(worker)
        assert server

        def settled() -> bool:
            policies = _policies(worker)
            return {policies[each] for each in server} == {os.SCHED_BATCH}

        until(settled, "the server's threads to give way")
        assert _policies(worker)[worker] == os.SCHED_OTHER
        assert gateway.chat("demo").status == 200
