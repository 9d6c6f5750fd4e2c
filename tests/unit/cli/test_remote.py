"""The command line's way to a gateway: what cannot be reached, what refuses, and what answers nonsense."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rich_click as click
from click.testing import CliRunner, Result
from llmgw.cli import main
from llmgw.cli.remote import Remote, connected
from tests.unit.cli.fake_gateways import FakeGateway, Said, answering

KEY = "sk-of-the-test-and-no-other"
EVIL = "\x1b[31mred\x1b[0m \x9b2J \x07 \r over \u202egnp.exe [bold]markup[/bold]"
"""Words that would paint, clear, ring, overwrite, turn around or mark up what is printed."""
RAW = frozenset(
    map(chr, [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)
"""What must not come to a terminal from what somebody else said."""


def ask(*arguments: str, **environ: str) -> Result:
    """Run a command that asks a gateway for one list."""
    result = CliRunner().invoke(
        main,
        ["prompts", "list", *arguments],
        env={
            "LLMGW_URL": "",
            "LLMGW_KEY": KEY,
            "LLMGW_ADMIN_KEY": "",
            "LLMGW_CONFIG": "",
            "COLUMNS": "200",
            **environ,
        },
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def problem(status: int, detail: str, code: str = "not_found", **members: Any) -> Said:
    """A refusal as the gateway writes it."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code, **members}
    return Said(status, msgspec.json.encode(body), {"content-type": "application/problem+json"})


@pytest.fixture
def empty() -> Iterator[FakeGateway]:
    """A gateway without prompts."""
    with answering(Said(body=b'{"prompts":[]}')) as gateway:
        yield gateway


def test_the_key_goes_into_its_header_and_nowhere_else(empty: FakeGateway) -> None:
    """It is sent as a bearer token, and printed neither as an answer nor in an error."""
    result = ask("--url", empty.url)
    assert result.exit_code == 0, result.output
    (asked,) = empty.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in asked.path
    assert KEY not in result.output


def test_a_url_may_have_a_prefix_and_the_clients_v1(empty: FakeGateway) -> None:
    """What an OpenAI client is told as its base URL is understood, and so is a path before it."""
    assert ask(LLMGW_URL=f"{empty.url}/v1").exit_code == 0
    assert ask(LLMGW_URL=f"{empty.url}/gate/v1/").exit_code == 0
    assert [each.path for each in empty.asked] == ["/admin/v1/prompts", "/gate/admin/v1/prompts"]


def test_the_admin_key_opens_only_this_machines_gateway(empty: FakeGateway) -> None:
    """The key of containers and tests is used on loopback; a key of one's own wins over it."""
    assert ask(LLMGW_URL=empty.url, LLMGW_KEY="", LLMGW_ADMIN_KEY="admin-key-of-the-container").exit_code == 0
    assert ask(LLMGW_URL=empty.url, LLMGW_ADMIN_KEY="admin-key-of-the-container").exit_code == 0
    assert [each.headers["authorization"] for each in empty.asked] == [
        "Bearer admin-key-of-the-container",
        f"Bearer {KEY}",
    ]


def test_nobody_there_is_exit_code_3() -> None:
    """A closed port is one clean line."""
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        result = ask("--url", f"http://127.0.0.1:{reserved.getsockname()[1]}")
    assert result.exit_code == 3
    assert "no gateway answers at http://127.0.0.1:" in result.stderr
    assert KEY not in result.output


def test_no_gateway_running_here_is_exit_code_3(tmp_path: Path) -> None:
    """Without an address the run file of the configuration is asked; without that the user is told what to do."""
    config = tmp_path / "llmgw.yaml"
    config.write_text(f"state: {{dir: {tmp_path / 'state'}}}\n", encoding="utf-8")
    result = ask(LLMGW_CONFIG=str(config))
    assert result.exit_code == 3
    assert "llmgw serve" in result.stderr


@pytest.mark.parametrize(
    "url",
    ["ftp://h/", "127.0.0.1:80", "http://", "http://u:secret-of-url@h/", "http://h:x/", "http://h/?q=1"],
)
def test_what_is_no_address_is_wrong_usage(url: str) -> None:
    """It is told before anything is sent, and credentials in it are not repeated."""
    result = ask("--url", url)
    assert result.exit_code == 2
    assert "no address of a gateway" in result.stderr
    assert "secret-of-url" not in result.output


def test_a_key_that_would_break_a_header_is_wrong_usage(empty: FakeGateway) -> None:
    """Nothing is sent, and the key is not repeated."""
    result = ask("--url", empty.url, LLMGW_KEY="with\nline")
    assert result.exit_code == 2
    assert empty.asked == []


def test_a_problem_is_told_with_its_places() -> None:
    """Detail and violations become lines; the exit code is 1."""
    said = problem(
        422,
        "the lint found errors",
        "prompt_rejected",
        violations=[
            {"rule": "x", "pointer": f"/messages/{n}/text", "message": f"wrong {n}"} for n in range(25)
        ],
    )
    with answering(said) as gateway:
        result = ask("--url", gateway.url)
    assert result.exit_code == 1
    assert "the lint found errors" in result.stderr
    assert "/messages/0/text: wrong 0" in result.stderr
    assert "wrong 19" in result.stderr
    assert "wrong 20" not in result.stderr
    assert "and 5 more" in result.stderr


def test_a_wrong_key_is_told_with_a_way_out() -> None:
    """401 names the variable; a server that echoes the key does not make it printed."""
    with answering(problem(401, f"nobody has the key {KEY}", "invalid_api_key")) as gateway:
        result = ask("--url", gateway.url)
    assert result.exit_code == 1
    assert "LLMGW_KEY" in result.stderr
    assert "nobody has the key ***" in result.stderr
    assert KEY not in result.output


def test_a_gateway_without_its_store_is_exit_code_3() -> None:
    """503 says that trying later is worth it, as an unreachable gateway does."""
    with answering(problem(503, "the store does not answer", "store_unavailable")) as gateway:
        result = ask("--url", gateway.url)
    assert result.exit_code == 3
    assert "the store does not answer" in result.stderr


def test_redirects_are_not_followed() -> None:
    """Nothing, and above all not the key, is sent where an answer points."""
    with answering(Said()) as other:
        moved = Said(308, b"", {"location": f"{other.url}/admin/v1/prompts"})
        with answering(moved) as gateway:
            result = ask("--url", gateway.url)
        assert other.asked == []
    assert result.exit_code == 3
    assert "redirects are not followed" in result.stderr


@pytest.mark.parametrize(
    "said",
    [
        Said(body=b"<html>hello</html>"),
        Said(body=b'{"prompts": 7}'),
        Said(body=b'{"prompts":[{"name":"a","labels":{"production":{"version":-1}}}]}'),
        Said(body=b"[" * 100_000),
        Said(body=b'{"prompts":[', length=4000),
        Said(body=b"\xff\xfe"),
        Said(404, b"not here"),
        Said(500, b""),
        Said(404, b'{"detail": 7}'),
    ],
)
def test_answers_of_no_gateway_are_exit_code_3(said: Said) -> None:
    """Nonsense, half an answer, or somebody else's error page is told as that, without a traceback."""
    with answering(said) as gateway:
        result = ask("--url", gateway.url)
    assert result.exit_code == 3
    assert gateway.url in result.stderr


def test_a_line_that_is_no_http_is_exit_code_3() -> None:
    """A server that speaks another protocol is told as unreachable."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(10)

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        result = ask("--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert result.exit_code == 3


def test_controls_in_what_the_gateway_says_do_nothing() -> None:
    """Errors, tables and JSON come without anything that a terminal obeys, and markup is text."""
    label = {"version": 1, "rev": 1, "moved_ms": 10**30, "moved_by": EVIL}
    listed = msgspec.json.encode({"prompts": [{"name": EVIL, "newest": 1, "labels": {EVIL: label}}]})
    evil = [
        Said(body=listed.replace(b"1" + b"0" * 30, b"9" * 18)),
        problem(409, EVIL, "prompt_conflict", violations=[{"pointer": EVIL, "message": EVIL}]),
        Said(302, b"", {"location": "http://elsewhere/\x1b[31m"}),
    ]
    for said in evil:
        for extra in ((), ("--json",)):
            with answering(said) as gateway:
                result = ask("--url", gateway.url, *extra)
            assert RAW.isdisjoint(result.output), result.output
            if said.status != 302:
                assert "[bold]markup[/bold]" in result.output


def test_a_gateway_is_looked_for_when_it_is_asked() -> None:
    """A command that does not need one runs without."""

    @click.command()
    @connected
    def idle(remote: Remote) -> None:
        assert isinstance(remote, Remote)

    assert CliRunner().invoke(idle, [], env={"LLMGW_URL": "nonsense"}).exit_code == 0
