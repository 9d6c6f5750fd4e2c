"""The embedded store: started, killed, left over, refused."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from llmgw.state.data_dir import SOCKET_PATH_MAX, DirectoryInUse, EmbeddedStateError
from llmgw.state.embedded import EmbeddedValkey, Incident, attach_or_start
from redis import Redis
from redis.exceptions import RedisError
from tests.waiting import until

GATEWAY = """
import sys, pathlib
from llmgw.state.embedded import EmbeddedValkey
server = EmbeddedValkey(pathlib.Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
server.stop()
"""


FORKING_GATEWAY = """
import os, pathlib, signal, sys
from llmgw.state.embedded import EmbeddedValkey
server = EmbeddedValkey(pathlib.Path(sys.argv[1]))
server.start()
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print(server.pid, flush=True)
signal.pause()
"""


@contextmanager
def client(url: str) -> Iterator[Redis]:
    """A plain client."""
    with Redis.from_url(url, socket_timeout=5) as connected:
        yield connected


def another_gateway(state_dir: Path, program: str = GATEWAY) -> tuple["subprocess.Popen[str]", int]:
    """A second process with an embedded store in `state_dir`, and that store's process number."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def end(process: "subprocess.Popen[str]") -> None:
    """Close the pipes and collect the process."""
    process.communicate()


def test_it_listens_on_a_private_socket_only(state_dir: Path) -> None:
    """Nobody but this user can reach the store: no port, and everything in a 0700 directory."""
    with EmbeddedValkey(state_dir) as server, client(server.url) as redis:
        assert redis.config_get("port") == {"port": "0"}
        socket = Path(server.url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_it_is_durable_and_never_evicts(state_dir: Path, fsync: str) -> None:
    """The server runs with an append-only file, the chosen fsync and no eviction."""
    with EmbeddedValkey(state_dir, fsync=fsync) as server, client(server.url) as redis:  # type: ignore[arg-type]
        wanted = {"appendonly": "yes", "appendfsync": fsync, "maxmemory-policy": "noeviction"}
        assert {name: redis.config_get(name)[name] for name in wanted} == wanted


def test_a_stop_keeps_the_data_and_leaves_no_process(state_dir: Path) -> None:
    """What was written is there after stop and start, and the first server is gone."""
    server = EmbeddedValkey(state_dir)
    server.start()
    with client(server.url) as redis:
        redis.set("turn", "1")
    first = server.pid
    assert first is not None
    server.stop()
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    with EmbeddedValkey(state_dir) as again, client(again.url) as redis:
        assert redis.get("turn") == b"1"


def test_a_killed_server_is_started_again_with_its_data(state_dir: Path) -> None:
    """SIGKILL to the server: the watcher reports it, starts it again, and fsynced data is there."""
    incidents: list[Incident] = []
    back = Event()

    def note(incident: Incident) -> None:
        incidents.append(incident)
        if incident.kind == "restarted":
            back.set()

    with EmbeddedValkey(state_dir, fsync="always", on_incident=note) as server:
        with client(server.url) as redis:
            redis.set("turn", "1")
        killed = server.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        assert back.wait(20)
        assert [incident.kind for incident in incidents] == ["died", "restarted"]
        assert server.pid not in {None, killed}
        with client(server.url) as redis:
            assert redis.get("turn") == b"1"


def test_a_server_that_keeps_dying_is_given_up_loudly(state_dir: Path) -> None:
    """Damaged data kills the server at every start: after some tries the watcher says so and stops trying."""
    incidents: list[Incident] = []
    given_up = Event()

    def note(incident: Incident) -> None:
        incidents.append(incident)
        if incident.kind == "gave_up":
            given_up.set()

    with EmbeddedValkey(state_dir, on_incident=note) as server:
        manifest = state_dir / "valkey" / "appendonlydir" / "appendonly.aof.manifest"
        manifest.write_text("nonsense\n", encoding="utf-8")
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert given_up.wait(60)
        assert incidents[-1].kind == "gave_up"
        assert str(server.log_path) in incidents[-1].message
        assert server.pid is None


def test_damaged_data_is_explained_at_start(state_dir: Path) -> None:
    """A server that cannot read its data makes start fail with its last words and what to move away."""
    with EmbeddedValkey(state_dir):
        pass
    (state_dir / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_text(
        "nonsense\n", encoding="utf-8"
    )
    with pytest.raises(EmbeddedStateError, match="appendonlydir away"):
        EmbeddedValkey(state_dir).start()


def test_a_second_gateway_on_the_same_directory_is_refused(state_dir: Path) -> None:
    """Two live gateways never share a directory; the message names the one that has it."""
    with EmbeddedValkey(state_dir), pytest.raises(DirectoryInUse, match=f"process {os.getpid()}"):
        EmbeddedValkey(state_dir).start()


def test_the_server_ends_with_its_gateway(state_dir: Path) -> None:
    """SIGKILL to the gateway process: the kernel ends its server, and the next gateway has the data."""
    process, server_pid = another_gateway(state_dir)
    process.kill()
    end(process)
    until(lambda: not _alive(server_pid), "the end of the orphaned server")
    with EmbeddedValkey(state_dir) as server, client(server.url) as redis:
        assert redis.ping() is True


def test_a_worker_left_over_does_not_hold_the_directory(state_dir: Path) -> None:
    """A forked worker that outlives its gateway leaves the directory to the next one."""
    process, server_pid = another_gateway(state_dir, FORKING_GATEWAY)
    process.kill()
    process.wait()
    until(lambda: not _alive(server_pid), "the end of the orphaned server")
    with EmbeddedValkey(state_dir) as server:
        assert server.pid is not None
    end(process)


def test_a_left_over_server_is_stopped_and_replaced(state_dir: Path) -> None:
    """A server that outlived its gateway, even a frozen one, makes way for the new gateway's own."""
    process, server_pid = another_gateway(state_dir)
    os.kill(server_pid, signal.SIGSTOP)  # frozen, it does not even notice that its gateway ends
    process.kill()
    end(process)
    assert _alive(server_pid)
    with EmbeddedValkey(state_dir) as server, client(server.url) as redis:
        assert server.pid != server_pid
        assert redis.ping() is True
    assert not _alive(server_pid)


def test_a_pid_file_naming_a_stranger_harms_nobody(state_dir: Path) -> None:
    """Process numbers are reused: a left-over pid file is believed only about our own server."""
    (state_dir / "valkey").mkdir(parents=True)
    stranger = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    (state_dir / "valkey" / "valkey.pid").write_text(f"{stranger.pid}\n", encoding="ascii")
    with EmbeddedValkey(state_dir):
        assert stranger.poll() is None
    stranger.communicate()


def test_a_path_too_long_for_a_socket_moves_the_socket(tmp_path: Path) -> None:
    """With a state directory beyond the kernel's limit the socket lives elsewhere, as private, and is found."""
    state_dir = tmp_path / ("x" * SOCKET_PATH_MAX)
    with EmbeddedValkey(state_dir) as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert len(os.fsencode(socket)) <= SOCKET_PATH_MAX
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        with attach_or_start(state_dir) as url:
            assert url == server.url
    socket.parent.rmdir()


def test_any_directory_name_will_do(tmp_path: Path) -> None:
    """Spaces, quotes, percent signs and other scripts in the path reach server and client unchanged."""
    with EmbeddedValkey(tmp_path / "a b'c\"d%20ü #?") as server, client(server.url) as redis:
        assert redis.config_get("dir")["dir"] == str(tmp_path / "a b'c\"d%20ü #?" / "valkey")


def test_commands_attach_to_the_running_store(state_dir: Path) -> None:
    """A command beside a running gateway uses its store and leaves it running."""
    with EmbeddedValkey(state_dir) as server:
        with attach_or_start(state_dir) as url:
            assert url == server.url
        with client(server.url) as redis:
            assert redis.ping() is True


def test_commands_start_a_store_for_their_own_time(state_dir: Path) -> None:
    """A command with no gateway running starts the store, keeps the data, and stops it."""
    with attach_or_start(state_dir) as url, client(url) as redis:
        redis.set("turn", "1")
    with client(url) as redis, pytest.raises(RedisError):
        redis.ping()
    with attach_or_start(state_dir) as url, client(url) as redis:
        assert redis.get("turn") == b"1"


def test_a_file_in_the_way_is_explained(tmp_path: Path) -> None:
    """A state directory under a file fails for every user, root too, and the message has the fix."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EmbeddedStateError, match=r"set state\.dir to a directory"):
        EmbeddedValkey(tmp_path / "file" / "state").start()


def test_no_permission_is_explained(tmp_path: Path) -> None:
    """Without write permission the start fails with a fix and leaves nothing behind."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    with _as_a_user_without_rights(locked), pytest.raises(EmbeddedStateError, match="write permission"):
        EmbeddedValkey(locked / "state").start()
    assert list(locked.iterdir()) == []


def test_a_disk_that_takes_nothing_is_explained() -> None:
    """A place where nobody can make directories fails with one typed error."""
    with pytest.raises(EmbeddedStateError, match=r"set state\.dir"):
        EmbeddedValkey(Path("/proc/no-such-place")).start()


@contextmanager
def _as_a_user_without_rights(directory: Path) -> Iterator[None]:
    """Take the rights away: from root by becoming nobody, from others by the directory's mode."""
    if os.geteuid() != 0:
        directory.chmod(0o500)
        try:
            yield
        finally:
            directory.chmod(0o700)
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
