"""Where the store is: one URL, read once, never printed with its passwords."""

from typing import Literal, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct

from llmgw.types.secret import Secret

Topology: TypeAlias = Literal["single", "sentinel", "cluster"]

_SCHEMES: dict[str, tuple[Topology, bool]] = {
    "unix": ("single", False),
    "redis": ("single", False),
    "rediss": ("single", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_DEFAULT_PORT: dict[Topology, int] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SENTINEL_LOGIN = frozenset({"sentinel_username", "sentinel_password"})


_ENCODE = "in names and passwords write / ? # @ % as %2F %3F %23 %40 %25"


# A password with an unescaped / or ? ends up in another part of the URL, so no message quotes any part.
class StoreUrlError(ValueError):
    """A store URL that cannot be meant; its message holds no password and ends with the fix."""


class StoreUrl(Struct, frozen=True, kw_only=True):
    """A store URL taken apart; `path` is set for unix sockets, `nodes` for everything else."""

    topology: Topology
    redacted: str
    nodes: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    db: int = 0
    service: str | None = None
    username: str | None = None
    password: Secret | None = None
    sentinel_username: str | None = None
    sentinel_password: Secret | None = None
    tls: bool = False
    tls_files: dict[str, str] = {}


def parse_url(url: str) -> StoreUrl:
    """Read `unix:///path`, `redis[s]://`, `redis[s]+sentinel://h:p,h:p/service/db` or `redis[s]+cluster://h:p,h:p`.

    Raises:
        StoreUrlError: the URL is none of these, or says something its kind cannot take.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise StoreUrlError("state.url is not a URL; write redis://HOST:PORT") from None
    if parts.scheme not in _SCHEMES:
        raise StoreUrlError(
            "state.url has no scheme the gateway knows; use embedded, unix://, redis://, rediss://, "
            "redis+sentinel:// or redis+cluster://"
        )
    if "#" in url:
        raise StoreUrlError(f"state.url has a #; {_ENCODE}")
    topology, tls = _SCHEMES[parts.scheme]
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    options = _options(parts, topology, tls=tls)
    unix = parts.scheme == "unix"
    service, db = _service_and_db(parts, topology, options.pop("db", None))
    return StoreUrl(
        topology=topology,
        redacted=redact(url),
        nodes=() if unix else _nodes(hosts, topology),
        path=_socket_path(parts, hosts) if unix else None,
        db=db,
        service=service,
        username=unquote(username) or None,
        password=Secret(unquote(password)) if password else None,
        sentinel_username=options.pop("sentinel_username", None),
        sentinel_password=Secret(options.pop("sentinel_password"))
        if "sentinel_password" in options
        else None,
        tls=tls,
        tls_files=options,
    )


def redact(url: str) -> str:
    """The URL with every password replaced by `***`; safe in logs and answers."""
    parts = urlsplit(url)
    userinfo, at, hosts = parts.netloc.rpartition("@")
    if userinfo:
        username, colon, _ = userinfo.partition(":")
        userinfo = f"{username}:***" if colon else "***"
    query = urlencode(
        [(key, "***" if "pass" in key.lower() else value) for key, value in parse_qsl(parts.query)], safe="/*"
    )
    return f"{parts.scheme}://{userinfo}{at}{hosts}{parts.path}{'?' + query if query else ''}"


def _options(parts: SplitResult, topology: Topology, *, tls: bool) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    allowed = set(_TLS_FILES) if tls else set()
    if topology == "sentinel":
        allowed |= _SENTINEL_LOGIN
    if topology != "cluster":
        allowed.add("db")
    if options.keys() - allowed:
        raise StoreUrlError(
            f"state.url has an option after its ? that {parts.scheme}:// does not take; it takes "
            f"{', '.join(sorted(allowed)) or 'none'}; {_ENCODE}"
        )
    return options


def _nodes(hosts: str, topology: Topology) -> tuple[tuple[str, int], ...]:
    nodes = tuple(_node(host, _DEFAULT_PORT[topology]) for host in hosts.split(",") if host)
    if not nodes:
        raise StoreUrlError("state.url names no host; write redis://HOST:PORT")
    if topology == "single" and len(nodes) > 1:
        raise StoreUrlError("state.url names several hosts; use redis+sentinel:// or redis+cluster://")
    return nodes


def _node(text: str, default_port: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise StoreUrlError(f"state.url has a host or port that cannot be; write HOST:PORT; {_ENCODE}")
    return host, int(port) if port else default_port


def _socket_path(parts: SplitResult, hosts: str) -> str:
    if hosts or not parts.path.startswith("/"):
        raise StoreUrlError("state.url names no absolute socket path; write unix:///absolute/path.sock")
    return unquote(parts.path)


def _service_and_db(parts: SplitResult, topology: Topology, option: str | None) -> tuple[str | None, int]:
    if parts.scheme == "unix":
        return None, _db(option)
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    service = None
    if topology == "sentinel":
        if not segments:
            raise StoreUrlError(
                "state.url names no Sentinel service; write redis+sentinel://HOST:PORT/SERVICE/DB"
            )
        service = segments.pop(0)
    if segments and option is None:
        option = segments.pop(0)
    if segments or (topology == "cluster" and option not in {None, "0"}):
        raise StoreUrlError(f"state.url has more after its hosts than {parts.scheme}:// takes; {_ENCODE}")
    return service, _db(option)


def _db(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise StoreUrlError("state.url names a database that is no number; write /0 at its end")
    return int(text)
