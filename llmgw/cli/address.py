"""Where a gateway listens: names and ports, whatever the family."""

import socket

from llmgw.settings import Server


def base_url(server: Server) -> str:
    """Write the address as a URL; an IPv6 address goes into brackets."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def free_port(host: str, wished: int = 0) -> int:
    """Find a port nobody listens on: the wished one, or any.

    Raises:
        OSError: the wished one is taken, or the host is none of this machine's.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, wished, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])
