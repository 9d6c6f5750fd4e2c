"""`llmgw serve` as a process: start, reload, trouble, stop."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.conftest import config_for
from tests.running import ADMIN_KEY, RunningGateway
from tests.waiting import until


def _run(*arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmgw", *arguments],
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _valkey_pid(gateway: RunningGateway) -> int:
    assert gateway.process is not None
    for task in Path(f"/proc/{gateway.process.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if "valkey" in Path(f"/proc/{pid}/comm").read_text():
                return int(pid)
    return 0


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_the_defaults_need_nothing(tmp_path: Path) -> None:
    """Without file or key, a simulated provider answers, and the first admin key is printed once, and works."""
    gateway = RunningGateway(tmp_path, {})
    gateway.config_path.unlink()
    environ = {"XDG_STATE_HOME": str(tmp_path), "LLMGW_ADMIN_KEY": "", "LLMGW_CONFIG": ""}
    command = [sys.executable, "-m", "llmgw", "serve", "--port", str(gateway.port)]
    with gateway.log_path.open("wb") as log:
        gateway.process = subprocess.Popen(
            command, env={**os.environ, **environ}, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
    with _stopped_after(gateway):
        until(lambda: _ready(gateway), "the gateway to get ready", within_s=30)
        printed = gateway.log()
        assert "with a simulated provider" in printed
        key = printed.split("admin key")[1].split()[0]
        assert f"signed by the keys in {tmp_path / 'llmgw' / 'context.keys'}" in printed
        assert "Back that file up" in printed
        body = {"model": "demo", "messages": [{"role": "user", "content": "say hi"}]}
        assert gateway.request("/v1/chat/completions", body, key=key).status == 200
    with gateway.log_path.open("wb") as log:
        gateway.process = subprocess.Popen(
            command, env={**os.environ, **environ}, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
    with _stopped_after(gateway):
        until(lambda: _ready(gateway), "the gateway to get ready again", within_s=30)
        assert "admin key" not in gateway.log()
        assert gateway.request("/v1/chat/completions", body, key=key).status == 200


@contextmanager
def _stopped_after(gateway: RunningGateway) -> Iterator[None]:
    """Stop a gateway that was started by hand, whatever happens."""
    try:
        yield
    finally:
        gateway.__exit__(None, None, None)


def _ready(gateway: RunningGateway) -> bool:
    try:
        return gateway.request("/readyz", key=None).status == 200
    except OSError:
        return False


def test_a_reload_takes_over_a_good_file_and_refuses_a_bad_one(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """New aliases are at work after `config reload`; a broken file changes nothing and says why, with its line."""
    config = config_for(simulator.base_url)
    with RunningGateway(tmp_path, config) as gateway:
        assert gateway.chat("fresh").status == 404
        gateway.write_config({**config, "aliases": {"fresh": {"targets": ["sim/sim"]}}})
        done = _run("config", "reload", "-c", str(gateway.config_path))
        assert (done.returncode, done.stdout.strip()) == (0, "Configuration 2 is at work."), done.stderr
        until(lambda: gateway.chat("fresh").status == 200, "the new alias to answer")
        assert gateway.chat("demo").status == 404
        gateway.config_path.write_text("aliases:\n  fresh: {targts: [sim/sim]}\n")
        refused = _run("config", "reload", "-c", str(gateway.config_path))
        assert refused.returncode == 1
        assert "line 2" in refused.stderr
        assert "targets" in refused.stderr
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: "reload refused" in gateway.log(), "the refusal to be logged")
        assert gateway.chat("fresh").status == 200
        assert gateway.request("/admin/v1/config").json()["generation"] == 2
        until(lambda: _reloads(gateway) == {"applied": 1, "refused": 1}, "the refusal to be counted")


def _reloads(gateway: RunningGateway) -> dict[str, float]:
    """What all workers tell of reloads, one series for each outcome."""
    lines = gateway.request("/metrics").body.decode().splitlines()
    told = [line.split() for line in lines if line.startswith("llmgw_config_reloads_total{")]
    return {series.split('"')[-2]: float(value) for series, value in told}


def test_a_worker_that_is_starting_hears_of_a_reload(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Asked to reload before it could listen, it does so as soon as it can."""
    config = config_for(simulator.base_url)
    with RunningGateway(tmp_path, config) as gateway:
        (worker,) = gateway.worker_pids()
        assert gateway.process is not None
        os.kill(worker, signal.SIGKILL)
        until(lambda: set(gateway.worker_pids()) - {worker}, "a new worker")
        gateway.write_config({**config, "aliases": {"fresh": {"targets": ["sim/sim"]}}})
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.chat("fresh").status == 200, "the new file to be at work")


def test_all_workers_take_over_what_was_checked(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """A file that is changed after it was checked, and before workers come to it, makes no two of them differ."""
    config = {**config_for(simulator.base_url), "server": {"workers": 2}}
    with RunningGateway(tmp_path, config) as gateway:
        workers = gateway.worker_pids()
        with _held_back(workers):
            gateway.write_config({**config, "aliases": {"fresh": {"targets": ["${file:target}"]}}})
            (tmp_path / "target").write_text("sim/sim")
            assert _run("config", "reload", "-c", str(gateway.config_path)).returncode == 0
            gateway.write_config({**config, "aliases": {"late": {"targets": ["sim/sim"]}}})
            (tmp_path / "target").unlink()
        # A worker that was not there yet begins with it, and says nothing of taking it over.
        until(lambda: _generations(gateway) == {2}, "both workers to have it")
        answers = {(gateway.chat("fresh").status, gateway.chat("late").status) for _ in range(10)}
        assert answers == {(200, 404)}


def _generations(gateway: RunningGateway) -> set[int]:
    """The generations at work, asked over so many connections that each worker has some."""
    return {gateway.request("/admin/v1/config").json()["generation"] for _ in range(20)}


@contextmanager
def _held_back(pids: list[int]) -> Iterator[None]:
    """Have processes do nothing for the length of a block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_call_under_way_survives_a_reload(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """A stream that runs while its alias is taken away ends as it would have."""
    config = config_for(simulator.base_url)
    config["aliases"]["slow"] = {"targets": ["sim/sim-chunk-20ms"]}
    with RunningGateway(tmp_path, config) as gateway:
        with _open_stream(gateway, "slow", "count to 40") as stream:
            first = stream.readline()
            gateway.write_config({**config, "aliases": {}})
            assert _run("config", "reload", "-c", str(gateway.config_path)).returncode == 0
            rest = stream.read()
        assert first.startswith(b"data: ")
        assert rest.rstrip().endswith(b"data: [DONE]")


def test_two_workers_share_one_store(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """A key made through one worker opens the other; revoked, it opens neither."""
    config = {**config_for(simulator.base_url), "server": {"workers": 2}}
    with RunningGateway(tmp_path, config) as gateway:
        assert len(gateway.worker_pids()) == 2
        made = gateway.request("/admin/v1/keys", {"name": "app", "role": "caller"}).json()
        statuses = {gateway.request("/v1/models", key=made["key"]).status for _ in range(20)}
        assert {200} == statuses
        listed = _run("keys", "list", "--json", environ={"LLMGW_CONFIG": str(gateway.config_path)})
        assert [made["id"]] == [key["id"] for key in json.loads(listed.stdout)]
        assert gateway.request("/admin/v1/targets", key=made["key"]).status == 403
        assert gateway.request(f"/admin/v1/keys/{made['id']}", method="DELETE").status == 200
        until(
            lambda: {gateway.request("/v1/models", key=made["key"]).status for _ in range(10)} == {401},
            "both workers to have heard of the revocation",
            within_s=15,
        )


def test_a_killed_valkey_comes_back_with_its_keys(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """The embedded server is restarted with its data, and readiness follows."""
    # With `everysec` the last second's writes may be lost with the process, which is what the setting says.
    state = {"dir": str(tmp_path / "state"), "fsync": "always"}
    with RunningGateway(tmp_path, {**config_for(simulator.base_url), "state": state}) as gateway:
        made = gateway.request("/admin/v1/keys", {"name": "app"}).json()
        before = _valkey_pid(gateway)
        os.kill(before, signal.SIGKILL)
        until(lambda: _valkey_pid(gateway) not in {0, before}, "Valkey to be restarted")
        until(lambda: gateway.request("/readyz").status == 200, "the gateway to be ready again")
        assert [made["id"]] == [key["id"] for key in gateway.request("/admin/v1/keys").json()["keys"]]


def test_a_killed_worker_is_replaced(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """A worker that dies is started anew, and the gateway answers."""
    with RunningGateway(tmp_path, config_for(simulator.base_url)) as gateway:
        (before,) = gateway.worker_pids()
        # A worker that dies within seconds of its start counts as a crash loop.
        until(lambda: _age_s(before) > 6, "the worker to be old enough", within_s=20)
        os.kill(before, signal.SIGKILL)
        until(lambda: gateway.worker_pids() not in ([], [before]), "another worker", within_s=20)
        until(lambda: _ready(gateway), "it to be ready", within_s=20)
        assert gateway.chat("demo").status == 200


def test_a_worker_started_after_a_reload_has_its_configuration(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """What a reload took over is not lost with a worker, whatever the file says by now: the next begins with it."""
    config = config_for(simulator.base_url)
    with RunningGateway(tmp_path, config) as gateway:
        (before,) = gateway.worker_pids()
        gateway.write_config({**config, "aliases": {"fresh": {"targets": ["sim/sim"]}}})
        assert _run("config", "reload", "-c", str(gateway.config_path)).returncode == 0
        gateway.config_path.write_text("aliases: [")
        until(lambda: _age_s(before) > 6, "the worker to be old enough", within_s=20)
        os.kill(before, signal.SIGKILL)
        until(lambda: gateway.worker_pids() not in ([], [before]), "another worker", within_s=20)
        until(lambda: _ready(gateway), "it to be ready", within_s=20)
        assert gateway.chat("fresh").status == 200
        assert gateway.chat("demo").status == 404
        assert gateway.request("/admin/v1/config").json()["generation"] == 2


def test_silent_connections_do_not_keep_others_out(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """A connection that never says anything is closed by the header clock."""
    config = {**config_for(simulator.base_url), "server": {"header_timeout_s": 1}}
    with RunningGateway(tmp_path, config) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as silent:
            assert silent.recv(1) == b""
        assert gateway.request("/livez").status == 200


def test_a_stop_that_cannot_wait_ends_streams_in_an_error(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """What still runs when the drain is over ends in one error event, and is recorded."""
    config = {**config_for(simulator.base_url), "server": {"drain_s": 0.2}}
    with RunningGateway(tmp_path, config) as gateway:
        with _open_stream(gateway, "sim/sim-stall-after-3", "count to 40") as stream:
            first = stream.readline()
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGTERM)
            rest = stream.read()
        assert first.startswith(b"data: ")
        assert b'"code":"draining"' in rest.split(b"\n\n")[-2]
        assert b"[DONE]" not in rest
        assert gateway.process.wait(timeout=40) == 0
        assert '"error":"draining"' in gateway.log()


def test_a_stop_while_starting_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM before the gateway serves ends it in order, its store included."""
    gateway = RunningGateway(tmp_path, {})
    with gateway.log_path.open("wb") as log:
        command = [sys.executable, "-m", "llmgw", "serve", "-c", str(gateway.config_path), "--port", "0"]
        gateway.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    with _stopped_after(gateway):
        until(lambda: _valkey_pid(gateway), "the store to be started")
        store = _valkey_pid(gateway)
        gateway.process.send_signal(signal.SIGHUP)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(timeout=40) == 0
        until(lambda: not _alive(store), "the store to be gone")


def test_workers_end_with_a_killed_supervisor(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """After kill -9 of the supervisor nothing is left running, and the next start succeeds."""
    gateway = RunningGateway(tmp_path, config_for(simulator.base_url))
    with gateway:
        pids = [*gateway.worker_pids(), _valkey_pid(gateway)]
        assert gateway.process is not None
        gateway.process.kill()
        gateway.process.wait()
        until(lambda: not any(map(_alive, pids)), "workers and Valkey to end", within_s=20)
    with gateway:
        assert gateway.chat("demo").status == 200


def test_a_stop_lets_streams_finish(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """SIGTERM in the middle of a stream: the stream ends in order, then the process ends with 0."""
    with RunningGateway(tmp_path, config_for(simulator.base_url)) as gateway:
        with _open_stream(gateway, "sim/sim-chunk-20ms", "count to 40") as stream:
            first = stream.readline()
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGTERM)
            rest = stream.read()
        assert first.startswith(b"data: ")
        assert rest.rstrip().endswith(b"data: [DONE]")
        assert gateway.process.wait(timeout=40) == 0


def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    """A second listener is refused with what to do, not with a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run("serve", "--port", str(port), environ={"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def _listens(host: str, port: int) -> bool:
    with socket.create_connection((host, port)):
        return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
def test_an_ipv6_address_is_served_and_written_as_a_url(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """An address with colons goes into brackets, and any free port can be had on it."""
    gateway = RunningGateway(tmp_path, config_for(simulator.base_url))
    with _stopped_after(gateway):
        with gateway.log_path.open("wb") as log:
            command = [sys.executable, "-m", "llmgw", "serve", "-c", str(gateway.config_path)]
            gateway.process = subprocess.Popen(
                [*command, "--host", "::1", "--port", "0"], stdout=log, stderr=subprocess.STDOUT
            )
        until(lambda: "API" in gateway.log(), "the address to be printed")
        (port,) = re.findall(r"http://\[::1\]:(\d+)/v1", gateway.log())
        until(lambda: _listens("::1", int(port)), "it to listen")


def test_a_second_gateway_on_one_state_directory_is_refused(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """Two gateways never write to one embedded store by accident."""
    with RunningGateway(tmp_path, config_for(simulator.base_url)) as gateway:
        done = _run("serve", "-c", str(gateway.config_path), "--port", "0")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_exits_with_78(tmp_path: Path) -> None:
    """Every problem is listed with its line, and the exit code says not to try again."""
    path = tmp_path / "llmgw.yaml"
    path.write_text("servr: {port: 1}\nproviders:\n  a: {kind: opnai}\n")
    done = _run("serve", "-c", str(path))
    assert done.returncode == 78
    assert [f"line {n}" for n in (1, 3) if f"line {n}" in done.stderr] == ["line 1", "line 3"]


def test_an_admin_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    """A guessable bootstrap key does not start a gateway."""
    done = _run("serve", "--port", "0", environ={"LLMGW_ADMIN_KEY": "short", "XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "24 characters" in done.stderr


def test_no_key_is_asked_for_on_loopback_when_told_so(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """`auth.mode: none` opens the data plane on loopback, and is refused elsewhere."""
    config = {**config_for(simulator.base_url), "auth": {"mode": "none"}}
    with RunningGateway(tmp_path, config) as gateway:
        listed = gateway.request("/v1/models", key=None)
        assert listed.status == 200
        assert listed.headers["x-request-id"].startswith("req_")
        rebound = gateway.request("/v1/models", key=None, headers={"host": "evil.example"})
        assert (rebound.status, rebound.json()["error"]["code"]) == (403, "permission_denied")
        for name in ("localhost", f"127.0.0.1:{gateway.port}", "[::1]:80"):
            assert gateway.request("/livez", key=None, headers={"host": name}).status == 200
    done = _run("serve", "-c", str(gateway.config_path), "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 78


def test_nothing_printed_holds_the_key(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Neither our own key nor a provider's credential is in any log line or answer."""
    config = config_for(simulator.base_url)
    config["providers"]["sim"] = {**config["providers"]["sim"], "api_key": "sk-provider-canary"}
    with RunningGateway(tmp_path, config) as gateway:
        answers = [gateway.chat(model) for model in ("demo", "sim/sim-auth-401", "sim/sim-fail-500", "nope")]
        shown = _run("config", "show", str(gateway.config_path)).stdout
    everything = gateway.log() + shown + "".join(f"{answer.headers}{answer.body!r}" for answer in answers)
    assert "sk-provider-canary" not in everything
    assert ADMIN_KEY not in everything


@contextmanager
def _open_stream(gateway: RunningGateway, model: str, content: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "messages": [{"role": "user", "content": content}],
    }
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    with connection.getresponse() as response:
        yield response
    connection.close()


def _age_s(pid: int) -> float:
    started_ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    return uptime_s - started_ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["version"], ["--version"]])
def test_the_command_line_explains_itself(arguments: list[str]) -> None:
    """Help and version print and exit with 0."""
    done = _run(*arguments)
    assert done.returncode == 0
    assert done.stdout.strip()


def test_a_worker_whose_supervisor_died_at_once_ends(tmp_path: Path) -> None:
    """A supervisor killed while its worker is still starting leaves none behind that would serve on."""
    gateway = RunningGateway(tmp_path, {})
    command = [sys.executable, "-m", "llmgw", "serve", "-c", str(gateway.config_path)]
    with gateway.log_path.open("wb") as log:
        gateway.process = subprocess.Popen(
            [*command, "--port", str(gateway.port)], stdout=log, stderr=subprocess.STDOUT
        )
    workers = until(gateway.worker_pids, "a worker")
    gateway.process.kill()
    gateway.process.wait()
    until(lambda: not any(map(_alive, workers)), "the worker to end")
