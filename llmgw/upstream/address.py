"""Where a URL leads, read once for all requests that go there."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

_PORTS = {"http": 80, "https": 443}


class Origin(Struct, frozen=True):
    """Scheme, host and port; `host` is in ASCII, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme == "https"

    @property
    def is_address(self) -> bool:
        """Whether the host is an address and no name."""
        return _is_address(self.host)

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@lru_cache(maxsize=1024)
def origin_of(url: str) -> Origin:
    """Read the origin of an absolute URL.

    Raises:
        ValueError: there is none.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in _PORTS or not host:
        raise ValueError("no URL that leads anywhere")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    # A name whose last label is a number is an address in some resolvers' eyes and nothing in others'.
    if host.rpartition(".")[2].isdigit() and not _is_address(host):
        raise ValueError("no address and no name")
    port = parts.port
    return Origin(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)


@lru_cache(maxsize=1024)
def target_of(url: str) -> str:
    """Return what a request for the URL asks for: path and query, byte for byte as written.

    Raises:
        ValueError: it holds what cannot stand in a request line.
    """
    after = url.partition("://")[2].partition("#")[0]
    at = min((place for mark in "/?" if (place := after.find(mark)) >= 0), default=len(after))
    target = after[at:]
    if not target.startswith("/"):
        target = f"/{target}"
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError("a URL that cannot be written")
    return target


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
