"""Hosts and outgoing URLs: what is wrong with one, in words that never repeat it."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_AUTHORITY = re.compile(r"(?P<host>[^:\[\]]+|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::[0-9]*)?")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def http_url_problem(url: str) -> str | None:
    """Say why `url` is no absolute http or https URL without credentials, or None."""
    if "\\" in url or " " in url or not url.isascii() or not url.isprintable():
        return "holds a backslash, a space or a character outside ASCII"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL: its host or port is malformed"
    if parts.scheme not in {"http", "https"} or "//" not in url:
        return "must start with http:// or https://"
    if "@" in parts.netloc:
        return "must not hold a user name or password"
    if port == 0 or not _is_authority(parts):
        return "is not a URL: its host or port is malformed"
    return None


def base_url_problem(url: str) -> str | None:
    """Say why no path can be appended to `url`, or None."""
    if _PLACEHOLDER.search(url):
        return "still holds a {placeholder}"
    if "?" in url:
        return "must not hold a query: use 'query'"
    if "#" in url:
        return "must not hold a fragment"
    return http_url_problem(url)


def is_host(text: str) -> bool:
    """Whether `text` is an IP address or looks like a host name."""
    return _is_ip(text) or _NAME.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; no name is resolved to find out, `localhost` is known."""
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _is_authority(parts: SplitResult) -> bool:
    authority = _AUTHORITY.fullmatch(parts.netloc)
    if authority is None:
        return False
    return _is_ip(authority["v6"]) if authority["v6"] else _NAME.fullmatch(authority["host"]) is not None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
