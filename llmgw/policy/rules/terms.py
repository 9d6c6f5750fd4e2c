"""What can be set for one subject, and what is in force for a call."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias, get_args

from msgspec import Meta, Struct

from llmgw.policy.keys import TAG_MAX, is_plain
from llmgw.policy.spending.values import COUNT_MAX, Budget, LapsePolicy, Limit, Scope, WindowName
from llmgw.types.call import TENANT
from llmgw.types.money import nano_of

ANY: Final = "*"
"""The name of whatever has no entry of its own."""
DEFAULT_MAX_TOKENS: Final = 4096

Headroom: TypeAlias = Literal["refuse", "clamp"]
Degraded: TypeAlias = Literal["refuse", "allow"]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
Dollars: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000_000)]

_KEY_ID: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}|jwt:[a-z0-9][a-z0-9_-]{0,31}:[0-9a-f]{16}", re.ASCII
)
"""Of a key, or of who calls with a token of an issuer."""


class SubjectLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a tenant, a team, a key or a tag may take; what is left out is not limited."""

    requests_per_minute: Count | None = None
    """Calls within any 60 seconds."""
    tokens_per_minute: Count | None = None
    """Tokens within any 60 seconds, in and out."""
    concurrent: Count | None = None
    """Calls under way at once."""
    budgets: dict[WindowName, Dollars] = {}
    """US dollars for each minute, hour, day or month in UTC, or in total; nine decimals count."""
    on_headroom: Headroom | None = None
    """As `limits.on_headroom`, for calls under this entry; `refuse` wins over `clamp`."""
    degraded: Degraded | None = None
    """As `limits.degraded`, for calls under this entry; `refuse` wins over `allow`."""
    lapse: LapsePolicy | None = None
    """As `limits.lapse`, for calls under this entry; `charge_estimate` wins over `release`."""

    def limit(self, scope: Scope, name: str) -> Limit | None:
        """The limit that it sets, if any."""
        if self.requests_per_minute is self.tokens_per_minute is self.concurrent is None:
            return None
        return Limit(
            scope=scope,
            name=name,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            concurrent=self.concurrent,
        )

    def budgets_of(self, scope: Scope, name: str) -> Iterator[Budget]:
        """The budgets that it sets, shortest windows first.

        Raises:
            ValueError: an amount cannot be kept exactly.
        """
        for window in get_args(WindowName):
            if window in self.budgets:
                yield Budget(scope=scope, name=name, window=window, amount_nano=nano_of(self.budgets[window]))


class Subject(NamedTuple):
    """Whom an entry is of; `ANY` as a name is whoever has no entry of its own, each by itself."""

    tenant: str
    scope: Scope
    name: str


class Configured(Struct, frozen=True, kw_only=True):
    """What the settings say; `tenants` has the entries of each tenant by scope and name."""

    default_max_tokens: int = DEFAULT_MAX_TOKENS
    on_headroom: Headroom = "refuse"
    degraded: Degraded = "refuse"
    lapse: LapsePolicy = "charge_estimate"
    tenants: Mapping[str, Mapping[tuple[Scope, str], SubjectLimits]] = {}


class Bounds(Struct, frozen=True, kw_only=True):
    """What one call is held to."""

    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    on_headroom: Headroom = "refuse"
    """Whether a call whose most possible cost does not fit is refused, or its tokens lowered to what is left."""
    degraded: Degraded = "refuse"
    """Whether calls with a budget go on while the store is away."""
    lapse: LapsePolicy = "charge_estimate"
    default_max_tokens: int = DEFAULT_MAX_TOKENS
    """The most tokens of an answer, where the call does not say."""

    @property
    def empty(self) -> bool:
        """Whether nothing has to be asked of the store."""
        return not (self.limits or self.budgets)


def subject_problem(subject: Subject) -> tuple[str, str] | None:
    """Say which member of a subject cannot be meant, and why; None where all can."""
    tenant, scope, name = subject
    if tenant != ANY and not TENANT.fullmatch(tenant):
        return "tenant", f"a tenant's name {_NAMED}, or is '*'"
    if scope not in get_args(Scope):
        return "scope", f"a scope is one of {', '.join(get_args(Scope))}"
    if name == ANY and scope != "tenant":
        return None
    match scope:
        case "tenant" if name != tenant:
            return "name", "the limits of a tenant as a whole have the tenant's name"
        case "team" if not TENANT.fullmatch(name):
            return "name", f"a team's name {_NAMED}, or is '*'"
        case "key" if not _KEY_ID.fullmatch(name):
            return "name", "a key's id has 1 to 64 letters, digits, '_' and '-', or is '*'"
        case "tag" if not (1 <= len(name) <= TAG_MAX and is_plain(name)):
            return "name", f"a tag has 1 to {TAG_MAX} printable characters"
    return None


def amount_problem(limits: SubjectLimits) -> tuple[str, str] | None:
    """Say which budget cannot be kept exactly, and why; None where all can."""
    for window, amount in limits.budgets.items():
        try:
            nano_of(amount)
        except ValueError as error:
            return window, str(error)
    return None


_NAMED: Final = "has 1 to 63 of a-z, 0-9, '_' and '-', and begins with a letter or digit"
