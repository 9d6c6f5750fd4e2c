"""One room opens sockets to providers; this keeps it the only one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import llmgw

ROOT = Path(llmgw.__file__).parent

CLIENTS = {
    "aiohappyeyeballs",
    "aiohttp",
    "httpx",
    "requests",
    "urllib3",
    "urllib.request",
    "http.client",
    "ftplib",
    "smtplib",
    "telnetlib",
}
"""Modules with which one can reach another machine."""

OPENERS = {
    ("asyncio", "open_connection"),
    ("asyncio", "open_unix_connection"),
    ("socket", "create_connection"),
    ("socket", "socket"),
    ("loop", "create_connection"),
    ("loop", "create_datagram_endpoint"),
    ("loop", "sock_connect"),
}
"""Calls that open a socket."""

ALLOWED = {
    "upstream": "the room itself",
    "cli": "talks to the gateway that its user names, and looks for free ports",
    "telemetry": "hands spans to the collector the operator names",
    "state": "talks to the store the operator names",
}
"""Rooms that may, and to whom; a caller's URL reaches none of them."""


def _rooms_files() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).parts[0].removesuffix(".py"), path


def _reaches_out(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if _is_client(alias.name))
            case ast.ImportFrom(module=str(module), names=names):
                wanted = [module, *(f"{module}.{alias.name}" for alias in names)]
                yield from (name for name in wanted if _is_client(name))
                yield from (f"{module}.{alias.name}" for alias in names if (module, alias.name) in OPENERS)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if (owner, name) in OPENERS:
                yield f"{owner}.{name}"
            case ast.Attribute(attr="create_connection" | "open_connection" | "sock_connect" as name):
                yield name


def _is_client(module: str) -> bool:
    return any(module == client or module.startswith(f"{client}.") for client in CLIENTS)


def test_only_upstream_reaches_out() -> None:
    """No other room imports an HTTP client or opens a socket, but those that say to whom."""
    found = {
        f"{path.relative_to(ROOT)}: {what}"
        for room, path in _rooms_files()
        if room not in ALLOWED
        for what in _reaches_out(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set()


def test_the_check_sees() -> None:
    """The check finds what it looks for, in the room that does it and in every spelling."""
    pool = ast.parse((ROOT / "upstream" / "pool.py").read_text(encoding="utf-8"))
    assert {"aiohappyeyeballs", "create_connection"} <= set(_reaches_out(pool))
    for line in (
        "import urllib.request",
        "from urllib import request",
        "from http.client import HTTPConnection",
        "asyncio.open_connection('h', 1)",
        "from asyncio import open_connection",
        "self._loop.create_connection(f, 'h', 1)",
    ):
        assert list(_reaches_out(ast.parse(line))), line
    for line in ("import urllib.parse", "from http import HTTPStatus", "asyncio.start_server(f)"):
        assert not list(_reaches_out(ast.parse(line))), line


def test_one_module_of_the_command_line_goes_to_other_machines() -> None:
    """Only `remote.py` sends a user's key anywhere; the others look for ports or speak to this machine."""
    clients = {
        str(path.relative_to(ROOT / "cli")): sorted(
            set(_reaches_out(ast.parse(path.read_text(encoding="utf-8"))))
        )
        for path in (ROOT / "cli").rglob("*.py")
    }
    assert {name: found for name, found in clients.items() if any(map(_is_client, found))} == {
        "remote.py": ["http.client"],
        "demo/stage.py": ["urllib.request"],
    }
