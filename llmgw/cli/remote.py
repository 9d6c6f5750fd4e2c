"""The command line's way to a running gateway: one exchange at a time, with the host it was told and no other."""

import functools
import http.client
import os
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NoReturn, ParamSpec, TypeVar
from urllib.parse import urlsplit

import msgspec
import rich_click as click

from llmgw import __version__
from llmgw.cli.printing import LONGEST_LINE
from llmgw.cli.runfile import RunFile
from llmgw.cli.stored import CONFIG
from llmgw.settings import ConfigError, load
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode, encode
from llmgw.types.secret import Secret
from llmgw.types.text import printable

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S: Final = 60.0
"""Longest silence of the gateway; what runs models or carries a whole archive may take `PATIENT_S`."""
PATIENT_S: Final = 1800.0
MAX_ANSWER: Final = 256 * 1024 * 1024
_MOST_VIOLATIONS: Final = 20
_HERE: Final = {"localhost", "127.0.0.1", "::1"}


class Unreachable(click.ClickException):
    """No gateway answers there, or it cannot reach its store."""

    exit_code = 3


class Refused(click.ClickException):
    """The gateway answered that it will not; `code` is its own word for why, `status` that of HTTP."""

    exit_code = 1

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Address(msgspec.Struct, frozen=True):
    """Where a gateway is and what opens it; `prefix` is what its paths begin with."""

    secure: bool
    host: str
    port: int | None
    prefix: str
    key: Secret | None

    @property
    def shown(self) -> str:
        """The address as it may be printed."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return printable(f"{'https' if self.secure else 'http'}://{host}{port}{self.prefix}", LONGEST_LINE)


class Answer(msgspec.Struct, frozen=True):
    """What came back, with a status below 300; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    source: str

    @property
    def json(self) -> Json:
        """The body as JSON.

        Raises:
            Unreachable: it is none.
        """
        try:
            return decode(self.body)
        except InvalidJson:
            self._foreign()

    @property
    def text(self) -> str:
        """The body as text.

        Raises:
            Unreachable: it is not UTF-8.
        """
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            self._foreign()

    def read(self, kind: type[T]) -> T:
        """The body as a value of some type; members that the type does not know are passed over.

        Raises:
            Unreachable: it is no such value.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._foreign()

    def _foreign(self) -> NoReturn:
        raise Unreachable(f"what answers at {self.source} does not answer as a gateway of this version does")


class Remote:
    """A gateway; it is looked for when it is first asked something."""

    def __init__(self, find: Callable[[], Address], config: str | None = None) -> None:
        self.config = config
        """The configuration file that was named."""
        self._find = functools.cache(find)

    def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """Make one exchange; `path` is already quoted, a `body` of bytes is sent as it is.

        Raises:
            Unreachable: nobody answers, or not as a gateway does.
            Refused: it answers with an error.
        """
        address = self._find()
        sent = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        whole = {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": f"llmgw/{__version__}",
            **(headers or {}),
        }
        if address.key is not None:
            whole["authorization"] = f"Bearer {address.key.reveal()}"
        connection = _connection(address, timeout_s)
        try:
            connection.request(method, address.prefix + path, sent, whole)
            response = connection.getresponse()
            told = response.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            why = printable(str(error) or type(error).__name__, LONGEST_LINE)
            raise Unreachable(f"no gateway answers at {address.shown}: {why}") from None
        finally:
            connection.close()
        if len(told) > MAX_ANSWER:
            raise Unreachable(f"the answer of {address.shown} is longer than {MAX_ANSWER} bytes")
        answer = Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            told,
            address.shown,
        )
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            _refuse(answer, address.key)
        return answer


def connected(command: Callable[P, T]) -> Callable[..., T]:
    """Give a command the options that name a gateway, and the gateway as `remote`."""

    @click.option(
        "--url", envvar="LLMGW_URL", help="The gateway [env: LLMGW_URL]; the one running here by default."
    )
    @click.option(
        "--key", envvar="LLMGW_KEY", help="Better in its variable [env: LLMGW_KEY]: others see options."
    )
    @CONFIG
    @functools.wraps(command)
    def run(*args: Any, url: str | None, key: str | None, config: str | None, **members: Any) -> T:
        members["remote"] = Remote(lambda: _address(url, key, config), config)
        return command(*args, **members)

    return run


def _address(url: str | None, key: str | None, config: str | None) -> Address:
    where = url or _running(config)
    try:
        parts = urlsplit(where)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in {"http", "https"} or parts.query or parts.fragment or parts.username:
        raise click.UsageError(f"{printable(_without_user(where), LONGEST_LINE)} is no address of a gateway")
    if not key and host in _HERE:
        # The key of containers and tests opens the gateway beside us; it is not shown to others.
        key = os.environ.get("LLMGW_ADMIN_KEY", "")
    if key and not (key.isascii() and key.isprintable()):
        raise click.UsageError("the key has characters that no key has")
    prefix = parts.path.rstrip("/").removesuffix("/v1")
    return Address(parts.scheme == "https", host, port, prefix, Secret(key) if key else None)


def _without_user(url: str) -> str:
    return url.rpartition("@")[2]


def _running(config: str | None) -> str:
    try:
        settings = load(config, os.environ).settings
    except ConfigError as error:
        raise click.ClickException(f"{error}\nsee every problem with: llmgw config check") from error
    running = RunFile(settings.state.dir).read()
    if running is None:
        raise Unreachable(
            f"no gateway runs here with the state directory {settings.state.dir}; start one with: llmgw serve, "
            "or name another: --url, LLMGW_URL"
        )
    return running.url


def _connection(address: Address, timeout_s: float) -> http.client.HTTPConnection:
    if address.secure:
        return http.client.HTTPSConnection(
            address.host, address.port, timeout=timeout_s, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)


class _Violation(msgspec.Struct, frozen=True):
    pointer: str = ""
    message: str = ""


class _Problem(msgspec.Struct, frozen=True):
    detail: str
    code: str = ""
    violations: tuple[_Violation, ...] = ()


def _refuse(answer: Answer, key: Secret | None) -> NoReturn:
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        place = printable(answer.headers.get("location", "somewhere else").partition("?")[0], LONGEST_LINE)
        raise Unreachable(
            f"{answer.source} redirects to {place}; redirects are not followed: set the URL to where it is"
        )
    try:
        problem = msgspec.json.decode(answer.body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreachable(
            f"{answer.source} answers {answer.status}, and not as a gateway of this version does"
        ) from None
    lines = [problem.detail]
    lines += [
        f"  {each.pointer or '/'}: {each.message}"
        for each in problem.violations[:_MOST_VIOLATIONS]
        if each.message != problem.detail
    ]
    if len(problem.violations) > _MOST_VIOLATIONS:
        lines.append(f"  and {len(problem.violations) - _MOST_VIOLATIONS} more")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        lines.append("  set LLMGW_KEY to a key of this gateway: llmgw keys create --name me --role publisher")
    message = "\n".join(printable(line, LONGEST_LINE) for line in lines)
    if key is not None:
        message = message.replace(key.reveal(), "***")  # whoever answers may echo what it was sent
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise Unreachable(message)
    raise Refused(message, answer.status, problem.code)
