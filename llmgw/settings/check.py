"""What one member of the settings cannot know about itself: addresses, names, references, combinations."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from llmgw.context.integrity.chain_keys import KEY_ID
from llmgw.context.integrity.chain_keys import MIN_LENGTH as KEY_LENGTH
from llmgw.policy.pepper import MIN_LENGTH as PEPPER_LENGTH
from llmgw.providers.registry import ROWS
from llmgw.settings.address import base_url_problem, http_url_problem, is_host, is_loopback
from llmgw.settings.issuers import check_issuers
from llmgw.settings.limits import limit_findings
from llmgw.settings.model import Alias, AliasTarget, Provider, Settings
from llmgw.settings.prices import provider_prices
from llmgw.settings.problem import Finding, Path, Problem, closest, located, quoted
from llmgw.settings.signals import check_signals
from llmgw.state.url import StoreUrlError, parse_url
from llmgw.types.call import TENANT
from llmgw.types.secret import Secret

RESERVED_HEADERS = frozenset(
    {
        # the connection and the body decide these
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # `api_key` and `auth` decide these
        "api-key",
        "authorization",
        "cookie",
        "proxy-authenticate",
        "proxy-authorization",
        "x-api-key",
        "x-goog-api-key",
    }
)
"""Headers, in lower case, that `providers.*.headers` may not set."""

_CREDENTIALS = frozenset({"access_token", "api-key", "api_key", "apikey", "key", "subscription-key", "token"})
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_UNSENDABLE = "holds a line break or another character that no header can carry"
_MODEL = re.compile(r"[^\s\x00-\x1f\x7f]+")
_MAX_ALIAS_NAME = 128
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")


def check(settings: Settings, provider_names: Collection[str] | None) -> Iterator[Finding]:
    """Yield everything that does not hold in settings whose members each fit their own type.

    `provider_names` is what an alias may refer to; None where that is unknown, then nothing is said of it.
    """
    yield from _server(settings)
    yield from _store(settings)
    pepper = settings.auth.pepper
    if pepper and len(pepper.reveal()) < PEPPER_LENGTH:
        yield Finding(path=("auth", "pepper"), message=f"is shorter than {PEPPER_LENGTH} characters")
    yield from check_issuers(settings.auth.issuers, settings.auth.mode)
    for name, provider in settings.providers.items():
        yield from _provider(name, provider, ("providers", name))
    for name, alias in settings.aliases.items():
        yield from _alias(name, alias, ("aliases", name), provider_names)
    yield from _contexts(settings)
    yield from _prices(settings, provider_names)
    yield from limit_findings(settings.limits)
    yield from check_signals(settings.signals)
    endpoint = settings.telemetry.otlp_endpoint
    if endpoint and (problem := http_url_problem(endpoint)):
        yield Finding(path=("telemetry", "otlp_endpoint"), message=problem)
    for name in settings.telemetry.capture_by_tenant:
        yield from _tenant(name, ("telemetry", "capture_by_tenant", name))
    if 0 < settings.telemetry.metrics_s < 1:
        yield Finding(path=("telemetry", "metrics_s"), message="must be 0, or at least 1")


def warning_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what can be run but is hardly meant."""
    if not settings.providers:
        yield Finding(path=("providers",), message="no provider: every call will be refused")
    for name, provider in settings.providers.items():
        row = ROWS[provider.kind]
        auth = provider.auth or row.auth
        if row.key_env and not row.local and auth != "none" and not provider.api_key:
            message = (
                f"is empty, but {row.name} wants a credential: set it, for example to ${{{row.key_env}}}"
            )
            yield Finding(path=("providers", name, "api_key"), message=message)
    for name, alias in settings.aliases.items():
        path = ("aliases", name, "targets")
        if alias.strategy == "ordered" and len({target.weight for target in alias.targets}) > 1:
            yield Finding(path=path, message="weights change nothing in an ordered alias")
        if len({target.target for target in alias.targets}) < len(alias.targets):
            yield Finding(path=path, message="lists a target twice")
        unpriced = sorted({each.target for each in alias.targets if not _priced(each, settings)})
        if unpriced:
            message = f"no price is known for {', '.join(unpriced)}: name one in prices.models"
            yield Finding(path=path, message=message)


def _priced(target: AliasTarget, settings: Settings) -> bool:
    return target.provider not in settings.providers or provider_prices(target.provider, settings).knows(
        target.model
    )


def warnings(settings: Settings) -> list[Problem]:
    """List what can be run but is hardly meant, such as a provider without its key; without lines."""
    return list(located(warning_findings(settings), {}))


def _headers(headers: Mapping[str, Secret], path: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for name, value in headers.items():
        where = (*path, name)
        folded = name.lower()
        if not _HEADER_NAME.fullmatch(name):
            yield Finding(path=where, message="is not a header name")
        elif folded in RESERVED_HEADERS:
            yield Finding(path=where, message="the gateway sets this header (credentials: api_key and auth)")
        elif folded in seen:
            yield Finding(path=where, message="header given twice, in another case")
        if not _HEADER_VALUE.fullmatch(value.reveal()):
            yield Finding(path=where, message=_UNSENDABLE)
        seen.add(folded)


def _server(settings: Settings) -> Iterator[Finding]:
    host = settings.server.host
    if not is_host(host):
        yield Finding(path=("server", "host"), message="is neither an address nor a host name")
    elif settings.auth.mode == "none" and not is_loopback(host):
        message = "none is possible only while server.host is a loopback address, such as 127.0.0.1"
        yield Finding(path=("auth", "mode"), message=message)


def _store(settings: Settings) -> Iterator[Finding]:
    url = settings.state.url.reveal()
    if settings.state.embedded:
        return
    try:
        parse_url(url)
    except ValueError as error:
        # A password with a bare '/', '#' or '?' is cut in the wrong place: then no part may be repeated.
        if isinstance(error, StoreUrlError) and "://" in url and "@" not in url:
            message = str(error).removeprefix("state.url ")
        else:
            message = (
                "is not a store URL: write embedded, or scheme://user:password@host:port, percent-encoded"
            )
        yield Finding(path=("state", "url"), message=message)


def _contexts(settings: Settings) -> Iterator[Finding]:
    path: Path = ("contexts",)
    for name, secret in settings.contexts.keys.items():
        where = (*path, "keys", name)
        if not KEY_ID.fullmatch(name):
            yield Finding(path=where, message="a key's id is up to 32 of a-z, 0-9, '_' and '-'")
        if len(secret.reveal()) < KEY_LENGTH:
            yield Finding(path=where, message=f"is shorter than {KEY_LENGTH} characters")
    for number, key in enumerate(settings.contexts.trust):
        if not _PUBLIC_KEY.fullmatch(key):
            yield Finding(path=(*path, "trust", number), message="is not a public key: 64 hexadecimal digits")
    for name in settings.contexts.tenants:
        yield from _tenant(name, (*path, "tenants", name))
    policies = [
        ((*path, "policy"), settings.contexts.policy),
        *(((*path, "tenants", name), policy) for name, policy in settings.contexts.tenants.items()),
        *(
            (("aliases", name, "context"), alias.context)
            for name, alias in settings.aliases.items()
            if alias.context is not None
        ),
    ]
    for where, policy in policies:
        summariser = policy.summary_alias
        if summariser is not None and "/" not in summariser and summariser not in settings.aliases:
            yield _unknown("alias", summariser, settings.aliases, (*where, "summary_alias"))


def _tenant(name: str, path: Path) -> Iterator[Finding]:
    if not TENANT.fullmatch(name):
        message = "a tenant's name has 1 to 63 of a-z, 0-9, '_' and '-', and begins with a letter or digit"
        yield Finding(path=path, message=message)


def _prices(settings: Settings, provider_names: Collection[str] | None) -> Iterator[Finding]:
    for name, prices in settings.prices.models.items():
        path: Path = ("prices", "models", name)
        provider, _, model = name.partition("/")
        if not provider or not _MODEL.fullmatch(model):
            yield Finding(path=path, message="a price is for provider/model, or provider/*")
        elif provider_names is not None and provider not in provider_names:
            yield _unknown("provider", provider, provider_names, path)
        if prices.input is None:
            yield Finding(path=path, message="has no price for input: write 0 where it costs nothing")
        for number, step in enumerate(prices.long):
            where = (*path, "long", number)
            for member in step.__struct_fields__:
                if member != "over" and getattr(step, member) is not None and getattr(prices, member) is None:
                    yield Finding(path=(*where, member), message="has no price for shorter calls")


def _provider(name: str, provider: Provider, path: Path) -> Iterator[Finding]:
    if not _PROVIDER_NAME.fullmatch(name):
        message = "a provider's name is up to 64 letters, digits, '_', '.' or '-', and starts with no sign"
        yield Finding(path=path, message=message)
    yield from _kind(provider, path)
    if provider.base_url is not None and (problem := base_url_problem(provider.base_url)):
        yield Finding(path=(*path, "base_url"), message=problem)
    if provider.api_key is not None and not _HEADER_VALUE.fullmatch(provider.api_key.reveal()):
        yield Finding(path=(*path, "api_key"), message=_UNSENDABLE)
    yield from _headers(provider.headers, (*path, "headers"))
    for parameter in provider.query:
        if parameter.lower() in _CREDENTIALS:
            message = "a credential in a URL ends up in logs: use api_key or headers"
            yield Finding(path=(*path, "query", parameter), message=message)
    for feature in sorted({*provider.features.add} & {*provider.features.remove}):
        yield Finding(path=(*path, "features"), message=f"adds and removes {feature} at once")


def _kind(provider: Provider, path: Path) -> Iterator[Finding]:
    row = ROWS.get(provider.kind)
    if row is None:
        yield _unknown("kind", provider.kind, ROWS, (*path, "kind"))
    elif provider.base_url is None and (not row.base_url or "{" in row.base_url):
        form = f", in the form {row.base_url}" if row.base_url else ""
        yield Finding(path=(*path, "base_url"), message=f"is required for kind {quoted(row.name)}{form}")


def _alias(name: str, alias: Alias, path: Path, provider_names: Collection[str] | None) -> Iterator[Finding]:
    if "/" in name:
        message = "an alias has no slash in its name: a slash means provider/model"
        yield Finding(path=path, message=message)
    elif not 0 < len(name) <= _MAX_ALIAS_NAME or not name.isprintable() or " " in name:
        message = f"an alias is 1 to {_MAX_ALIAS_NAME} printable characters without spaces"
        yield Finding(path=path, message=message)
    for index, target in enumerate(alias.targets):
        where = (*path, "targets", index)
        if not target.provider or not _MODEL.fullmatch(target.model):
            yield Finding(path=where, message="a target is written provider/model, without spaces")
        elif provider_names is not None and target.provider not in provider_names:
            yield _unknown("provider", target.provider, provider_names, where)


def _unknown(noun: str, word: str, options: Iterable[str], path: Path) -> Finding:
    """Repeat a word only where it is nearly one of the options: anything else could be a misplaced secret."""
    suggestion = closest(word, options)
    message = f"unknown {noun}" if suggestion is None else f"unknown {noun} {quoted(word)}"
    return Finding(path=path, message=message, suggestion=suggestion)
