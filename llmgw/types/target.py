"""Where a call may go: a provider's endpoint and a model there."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from llmgw.types.feature import Feature
from llmgw.types.money import Pricing
from llmgw.types.secret import Secret

AuthScheme: TypeAlias = Literal["bearer", "api-key", "x-api-key", "x-goog-api-key", "none"]
"""How the credential travels; the last four but `none` are the header's own name."""

Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=86_400)]


class Timeouts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Four clocks, in seconds: three start anew with each attempt, `total_s` runs from the start of the call."""

    connect_s: Seconds = 3.0
    """Until the connection stands, TLS included."""
    first_byte_s: Seconds = 60.0
    """From the request sent to the first byte of the answer."""
    idle_s: Seconds = 60.0
    """Between two pieces of an answer."""
    total_s: Seconds = 600.0
    """For the whole call, from its start: a later attempt gets what is left."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """One provider as configured: where it is and how it lets us in."""

    base_url: str
    api_key: Secret | None = None
    auth: AuthScheme = "bearer"
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


class Quirks(Struct, frozen=True, kw_only=True):
    """How one host differs from its protocol's own vendor, as data; each protocol has a subclass of its own."""


class Target(Struct, frozen=True, kw_only=True):
    """Provider + model: everything an attempt needs to know."""

    name: str
    """`provider/model`, as operators read it."""
    provider: str
    kind: str
    protocol: str
    model: str
    endpoint: Endpoint
    features: frozenset[Feature]
    quirks: Quirks = Quirks()
    timeouts: Timeouts = Timeouts()
    window: int | None = None
    """Tokens that the model takes, its answer included; None where nobody knows."""
    max_concurrency: int = 256
    prices: Pricing | None = None
    """What the provider's models cost; None where nobody asks."""
