"""Ports for servers that are started a moment later, of which no other process thinks the same."""

import os
import socket
from itertools import chain, cycle
from typing import Final

_FIRST: Final = 20_000
_END: Final = 32_000
"""Below those a kernel picks for whoever asks for any: one of these might be taken before it is used."""


def _turn() -> chain[int]:
    """Begin somewhere among the ports of this process; other processes of the same run have others."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (_END - _FIRST) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = _FIRST + number * size
    start = first + os.getpid() % size
    return chain(range(start, first + size), range(first, start))


_PORTS: Final = cycle(_turn())


def free_port() -> int:
    """Find a port of the loopback nobody listens on."""
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
