"""Tokens are counted by one process for all workers, which is there when it is asked and gone when nobody asks."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Barrier
from typing import Final

import pytest
from llmgw.accounting.counting.client import Away, CountingClient
from llmgw.accounting.counting.frames import Counts, Texts
from llmgw.accounting.counting.service import CountingService
from llmgw.accounting.tokens import TokenCounter
from llmgw.state.local import Connection, listen, receive, send
from llmgw.types.message import Message, TextPart, ToolCallPart
from tests.waiting import until

HERE: Final = TokenCounter()
SAID: Final = (
    Message(role="user", parts=(TextPart(text="tiktoken is great!"), TextPart(text=""))),
    Message(
        role="assistant", parts=(ToolCallPart(id="1", name="look", arguments='{"at": "this"}'),), name="Ann"
    ),
    Message(role="user", parts=(TextPart(text="half of a smile \ud83d, and a whole 😀 " * 2_000),)),
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[CountingService]:
    """One whose process ends with the test."""
    with CountingService(tmp_path / "t.socket") as service:
        yield service


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
def test_the_process_counts_as_a_worker_would(service: CountingService, model: str) -> None:
    """In both vocabularies, whatever is said, at once or by itself; and the worker loads no vocabulary for it."""
    with closing(TokenCounter(service.path)) as counter:
        assert counter.messages(SAID, model) == HERE.messages(SAID, model)
        assert [counter.message(each, model) for each in SAID] == HERE.messages(SAID, model)
        assert counter.messages((), model) == []
        assert counter._encodings._loaded == {}


def test_nothing_runs_before_somebody_asks_or_after_the_gateway(tmp_path: Path) -> None:
    """The process is started by the first question and is gone with the service, and so is its socket."""
    with CountingService(tmp_path / "t.socket") as service, closing(TokenCounter(service.path)) as counter:
        before = service.process
        assert before is None
        assert counter.text("hello world", "gpt-4") == 2
        process = service.process
        assert process is not None
    assert process.poll() == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_only_its_own_user_may_ask(service: CountingService) -> None:
    """What callers say goes through the socket."""
    assert service.path.stat().st_mode & 0o777 == 0o600


def test_a_process_that_nobody_asks_ends_and_another_takes_its_place(tmp_path: Path) -> None:
    """Workers keep connections, which lead nowhere then: the next question has another process started."""
    with (
        CountingService(tmp_path / "t.socket", idle_s=0.3) as service,
        closing(CountingClient(service.path)) as client,
    ):
        assert client.counts("cl100k_base", ["hello world"]) == [2]
        first = service.process
        assert first is not None
        until(lambda: first.poll() is not None, "the process to end")
        assert first.returncode == 0
        assert client.counts("cl100k_base", ["hello world", ""]) == [2, 0]
        assert service.process is not first


def test_a_process_that_is_killed_is_replaced(service: CountingService) -> None:
    """Whoever asks next is answered by another."""
    with closing(CountingClient(service.path)) as client:
        assert client.counts("cl100k_base", ["hello world"]) == [2]
        assert service.process is not None
        os.kill(service.process.pid, signal.SIGKILL)
        assert client.counts("cl100k_base", ["hello world", ""]) == [2, 0]


def test_several_threads_ask_at_the_same_time(service: CountingService) -> None:
    """Each has its own answer."""
    with closing(TokenCounter(service.path)) as counter, ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(lambda times: counter.text("hello" * times, "gpt-4"), [1, 2, 3, 4] * 8))
    assert counts == [1, 2, 3, 4] * 8


def test_where_nobody_counts_a_worker_does_so_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and counts the same."""
    with pytest.raises(Away):
        CountingClient(tmp_path / "t.socket").counts("cl100k_base", ["hello world"])
    counter = TokenCounter(tmp_path / "t.socket")
    assert [counter.text("hello world", "gpt-4") for _ in range(2)] == [2, 2]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_where_no_process_can_be_started_nobody_waits_for_one(
    service: CountingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked is hung up on long before its patience ends; once there can be one, it is asked again."""
    monkeypatch.setattr("llmgw.accounting.counting.service._PAUSE_S", 0.0)
    with closing(CountingClient(service.path)) as client:
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", "/nowhere/python")
            with pytest.raises(Away) as refused:
                client.counts("cl100k_base", ["hello world"])
        assert "not answer" not in str(refused.value)

        def counted() -> list[int]:
            with suppress(Away):
                return client.counts("cl100k_base", ["hello world"])
            return []

        assert until(counted, "it to count") == [2]


def test_a_process_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    """However many connections rest, and whoever asks next: each would wait as long, and it has enough to do."""
    both, asked = Barrier(2), Counter[str]()

    def answer(connection: Connection) -> None:
        with connection, suppress(EOFError, OSError):
            while True:
                said = receive(connection, Texts).texts[0]
                asked[said] += 1
                if said == "hello":
                    both.wait()
                    send(connection, Counts([1]))

    path = tmp_path / "t.socket"
    with (
        closing(listen(path)) as listener,
        ThreadPoolExecutor(4) as threads,
        closing(CountingClient(path)) as client,
    ):
        two = [threads.submit(client.counts, "cl100k_base", ["hello"]) for _ in range(2)]
        for _ in two:
            threads.submit(answer, listener.accept()[0])
        assert [each.result() for each in two] == [[1], [1]]
        for resting in client._resting:
            resting.settimeout(0.1)
        for _ in range(2):
            with pytest.raises(Away, match="not answer"):
                client.counts("cl100k_base", ["on and on"])
    assert asked == {"hello": 2, "on and on": 1}
