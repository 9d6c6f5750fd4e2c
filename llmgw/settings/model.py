"""The settings: one frozen struct per section of `llmgw.yaml`.

The docstring of a struct or member is its description in the JSON Schema. Ranges live here, in the types;
what needs two members at once is in `check.py`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, Struct, field

from llmgw.settings.call_log import CallLog
from llmgw.settings.issuers import Issuer
from llmgw.settings.limits import Limits
from llmgw.settings.signals import Signals
from llmgw.types.content import CaptureLevel
from llmgw.types.context import Policy
from llmgw.types.feature import Feature
from llmgw.types.money import ModelPrices, Unknown
from llmgw.types.secret import Secret
from llmgw.types.target import AuthScheme, Seconds, Timeouts

EMBEDDED = "embedded"
"""The `state.url` that asks for the store that comes with the gateway."""

Pause: TypeAlias = Annotated[float, Meta(ge=0, le=86_400)]


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Give `$XDG_STATE_HOME/llmgw`, or `~/.local/state/llmgw` where that variable is not an absolute path."""
    state_home = environ.get("XDG_STATE_HOME", "")
    if Path(state_home).is_absolute():
        return Path(state_home, "llmgw")
    return Path(environ.get("HOME") or Path.home(), ".local", "state", "llmgw")


def _own_state_dir() -> Path:
    return default_state_dir(os.environ)


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The front door."""

    host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    """Address or host name to listen on."""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8080
    """TCP port to listen on."""
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    """Processes that share the port."""
    max_in_flight: Annotated[int, Meta(ge=1, le=1_000_000)] = 1024
    """Requests one worker handles at once; the next one is answered 503."""
    max_body_mib: Annotated[int, Meta(ge=1, le=1024)] = 32
    """Largest request body, in MiB."""
    header_timeout_s: Seconds = 10.0
    """Seconds a client may take to send its headers."""
    body_timeout_s: Seconds = 30.0
    """Seconds a client may take to send its body."""
    hold_s: Pause = 10.0
    """Seconds a stream's status waits for the first content; after that it is 200 and pings follow."""
    ping_s: Seconds = 15.0
    """Seconds of silence on a stream before a ping."""
    drain_s: Pause = 30.0
    """Seconds that running calls get to finish when the gateway stops."""
    metrics: Literal["key", "public"] = "key"
    """Who may read `/metrics`: `key` for keys of the default tenant that may view, `public` for whoever reaches the
    port. It names tenants, budgets and what they spent."""


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The store shared by all workers."""

    url: Secret = field(default_factory=lambda: Secret(EMBEDDED))
    """`embedded`, the default, for the Valkey that comes with the gateway; or a URL with one of the schemes
    `unix`, `redis`, `rediss`, `redis+sentinel`, `redis+cluster`. Secret, because it may hold a password."""
    dir: Path = field(default_factory=_own_state_dir)
    """Directory of the embedded store, of the pepper where `auth.pepper` has none, and of the run file that
    `llmgw config reload` reads; absolute once loaded: `~` is expanded, a relative path starts at the settings
    file. By default `$XDG_STATE_HOME/llmgw` or `~/.local/state/llmgw`."""
    fsync: Literal["everysec", "always"] = "everysec"
    """How often the embedded store forces its log to disk."""
    timeout_s: Seconds = 0.5
    """Seconds to wait for a connection and for each answer; a step as a whole waits at most twice that."""

    @property
    def embedded(self) -> bool:
        """Whether the gateway starts its own store."""
        return self.url.reveal() == EMBEDDED


class Auth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may call."""

    mode: Literal["keys", "none"] = "keys"
    """`keys`: every call needs an API key. `none`: no check, possible on a loopback `server.host` only."""
    pepper: Secret | None = None
    """Secret of at least 32 characters mixed into the stored digests of API keys, the same for all gateways
    that share a store; without one, or with an empty one, the gateway makes its own in `state.dir`."""
    stale_auth_s: Pause = 300.0
    """Seconds a key seen before stays good while the store is away."""
    issuers: Annotated[tuple[Issuer, ...], Meta(max_length=20)] = ()
    """Identity providers whose tokens are taken in the place of keys."""
    wrong_per_minute: Annotated[int, Meta(ge=0, le=1_000_000)] = 20
    """Wrong keys per minute from one address (of IPv6, from one /64) and in one worker, after which the answer is
    429 in the place of 401; good keys from there are not affected. 0 is no limit."""


class Features(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Corrections to what the registry says a provider can do."""

    add: tuple[Feature, ...] = ()
    """Features this endpoint has although its registry row lacks them."""
    remove: tuple[Feature, ...] = ()
    """Features this endpoint lacks although its registry row has them."""


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One endpoint that hosts models."""

    kind: str
    """Name of a registry row: it brings the protocol, the features and usually the base URL."""
    base_url: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    """Where the API is, without query; the registry row's own by default. Private addresses are allowed."""
    api_key: Secret | None = None
    """The credential; an empty one counts as none."""
    auth: AuthScheme | None = None
    """How the credential travels; the registry row's way by default."""
    headers: Annotated[dict[str, Secret], Meta(max_length=64)] = {}
    """Extra request headers; the values are treated as secrets."""
    query: Annotated[dict[str, str], Meta(max_length=64)] = {}
    """Extra query parameters, such as `api-version`."""
    timeouts: Timeouts = Timeouts()
    """The clocks of each attempt, and of the whole call."""
    windows: Annotated[dict[str, Annotated[int, Meta(ge=256, le=100_000_000)]], Meta(max_length=1000)] = {}
    """Tokens that models take, by name, where the gateway does not know or is wrong; stored conversations are
    fitted into them."""
    max_concurrency: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    """Calls one worker has open at this provider at once."""
    features: Features = Features()
    """Corrections to the registry row's features."""


class AliasTarget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place an alias leads to; in the file, bare text stands for `target`."""

    SHORT_FORM: ClassVar[str] = "target"

    target: str
    """`provider/model`: a provider of this file and any model name it knows."""
    weight: Annotated[float, Meta(gt=0, le=1_000_000)] = 1.0
    """Share of the calls, relative to the other targets of a `weighted` alias."""

    @property
    def provider(self) -> str:
        """The part before the first slash."""
        return self.target.partition("/")[0]

    @property
    def model(self) -> str:
        """The part after the first slash, which may hold further slashes."""
        return self.target.partition("/")[2]


class Alias(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A caller's name for a model."""

    strategy: Literal["ordered", "weighted"] = "ordered"
    """`ordered`: the first healthy target. `weighted`: drawn by weight, the others as fallback."""
    targets: Annotated[tuple[AliasTarget, ...], Meta(min_length=1, max_length=100)]
    """Where the alias leads to."""
    context: Policy | None = None
    """How contexts that this alias continues are treated where they leave it open themselves."""


class Verify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Histories that callers keep themselves, compared from call to call where they name their session."""

    enabled: bool = True
    """Compare them; without it the names of sessions mean nothing."""
    ttl_s: Annotated[int, Meta(ge=60, le=31_536_000)] = 604_800
    """Seconds for which a session is remembered after its last call."""


class Contexts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stored conversations."""

    policy: Policy = Policy()
    """How contexts are treated that leave it open themselves."""
    tenants: Annotated[dict[str, Policy], Meta(max_length=10_000)] = {}
    """The same for single tenants, by their names; what they leave open `policy` decides."""
    keys: Annotated[dict[str, Secret], Meta(max_length=100)] = {}
    """Secrets of at least 32 characters by ids of a-z, 0-9, '_' and '-', oldest first, the same for all gateways
    that share a store: the last one signs stored turns, the others still prove what they signed. Without one the
    gateway makes its own in `state.dir`."""
    trust: Annotated[
        tuple[Annotated[str, Meta(min_length=64, max_length=64)], ...], Meta(max_length=1000)
    ] = ()
    """Public keys of other gateways (`llmgw contexts key` prints one) whose exported contexts are taken over."""
    encrypt: bool = False
    """Encrypt turns at rest, each context by a key of its own that dies with it; for contexts made from now on."""
    lease_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    """Seconds for which a call that died keeps others out of its context; a living one renews its lease."""
    queue_s: Pause = 30.0
    """Seconds a call waits for another one where its context's policy says `queue`."""
    cache_mib: Annotated[int, Meta(ge=1, le=65_536)] = 24
    """Memory by which each worker grows to keep the contexts used last at hand, in MiB; a turn takes 1 to 3 KB."""
    read_back: Annotated[float, Meta(ge=0, le=1)] = 0.01
    """Share of stored answers that are read back and compared."""
    verify: Verify = Verify()
    """Conversations that are not stored, as their callers keep them."""


class Prompts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prompts in versions, and the labels that lead to them."""

    protected: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=100)
    ] = (
        "production",
        "production-*",
        "prod-*",
    )
    """Labels that lead only to versions whose evaluation passed; `*` stands for any characters."""
    approvals: Annotated[int, Meta(ge=0, le=1)] = 0
    """How many other publishers must agree before a protected label moves."""
    min_cases: Annotated[int, Meta(ge=1, le=1000)] = 20
    """Cases below which an evaluation proves nothing."""
    poll_s: Annotated[float, Meta(ge=0.1, le=3600)] = 5.0
    """Seconds between two looks for changes, beside being told of them."""


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What models cost."""

    unknown: Unknown = "allow"
    """Models without a price: `allow` asks them, and their calls have no cost; `refuse` does not ask them."""
    models: Annotated[dict[str, ModelPrices], Meta(max_length=10_000)] = {}
    """Prices by `provider/model`, or `provider/*` for all its other models; they go before the published ones."""


class Ledger(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was spent, row by row."""

    keep_days: Annotated[int, Meta(ge=7, le=3650)] = 35
    """Days that a row stays in the store, or one more; of older ones, once they are proved, only their sum."""
    keep_rows: Annotated[int, Meta(ge=1000, le=100_000_000)] = 200_000
    """Rows of a tenant in the store; beyond them the oldest that are proved go, however young they are."""
    archive: bool = True
    """Write rows to files before they leave the store; without that they are no more."""
    archive_dir: Path | None = None
    """Where to; `ledger` in `state.dir` by default. A relative path starts at the settings file."""
    prove_s: Annotated[int, Meta(ge=1, le=86_400)] = 60
    """Seconds between two looks at the books: whether they agree, and what has to go."""


class Telemetry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told about calls, and to whom."""

    otlp_endpoint: Annotated[str, Meta(max_length=2048)] = ""
    """Base URL of an OTLP/HTTP collector; empty exports nothing."""
    sample: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of ordinary calls whose spans are kept; always kept are failed and slow calls, and those whose context
    did not reach the model as it was."""
    slow_ms: Annotated[float, Meta(ge=0, le=86_400_000)] = 10_000.0
    """Milliseconds from which a call is slow."""
    metrics_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    """Seconds between two reports of metrics to the collector, at least 1; 0 sends none, for a collector that takes
    traces alone."""
    propagate_to_providers: bool = False
    """Send `traceparent` to providers."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least serious log line written."""
    capture: CaptureLevel = "metadata"
    """How much is told of calls. `none`: what sums need; `metadata`: all but words; `redacted`: words, too, without
    secrets and personal data; `full`: words as they are."""
    capture_by_tenant: Annotated[dict[str, CaptureLevel], Meta(max_length=10_000)] = {}
    """The same for single tenants, by their names."""
    content_max_bytes: Annotated[int, Meta(ge=1024, le=16_777_216)] = 262_144
    """Bytes that are kept of what a call asks, and of what it is answered, where words are told."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator can set in `llmgw.yaml`."""

    server: Server = Server()
    """The front door."""
    state: State = field(default_factory=State)
    """The store shared by all workers."""
    auth: Auth = Auth()
    """Who may call."""
    providers: Annotated[dict[str, Provider], Meta(max_length=1000)] = {}
    """Endpoints by name; `name/model` is what a caller may ask for."""
    aliases: Annotated[dict[str, Alias], Meta(max_length=1000)] = {}
    """Callers' names for models."""
    contexts: Contexts = Contexts()
    """Stored conversations."""
    prompts: Prompts = Prompts()
    """Prompts in versions."""
    prices: Prices = Prices()
    """What models cost."""
    ledger: Ledger = Ledger()
    """What was spent, row by row."""
    limits: Limits = Limits()
    """What callers may take, in calls, tokens and money."""
    signals: Signals = Signals()
    """What is told about money, and to whom."""
    telemetry: Telemetry = Telemetry()
    """What is told about calls, and to whom."""
    call_log: CallLog = CallLog()
    """One row for every call, kept in files that answer questions."""
