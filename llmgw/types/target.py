"""Where a call may go: a provider's endpoint and a model there."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from llmgw.types.feature import Feature
from llmgw.types.secret import Secret

AuthScheme: TypeAlias = Literal["bearer", "api-key", "x-api-key", "x-goog-api-key", "none"]
"""How the credential travels; the last four but `none` are the header's own name."""

ToolChoiceMode: TypeAlias = Literal["auto", "none", "required", "named"]
"""The kinds of tool choice a host may or may not honour; see `ToolChoice.mode`."""


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
    """How an OpenAI-like host differs from OpenAI, as data; the defaults are OpenAI itself.

    `renamed` maps our outgoing member names to the host's, `dropped` are members it rejects and that change
    nothing when absent, `refused` are members it cannot honour, so that a call using one must go elsewhere.
    """

    max_tokens_member: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    developer_role: bool = True
    stream_usage: bool = True
    message_names: bool = True
    """Whether messages other than tool results may carry `name`; where not, it is left out."""
    required_tool_choice: str = "required"
    """The host's word for a `required` tool choice."""
    tool_choices: frozenset[ToolChoiceMode] = frozenset({"auto", "none", "required", "named"})
    """What the host can be told; outside the set `auto` is left out and a call with another goes elsewhere."""
    reasoning_member: Literal["reasoning_content", "reasoning"] | None = None
    """Where the host wants earlier reasoning back in assistant messages; None strips it."""
    reasoning_beside_calls: bool = False
    """Whether a turn that called tools needs `reasoning_member`, empty where the caller did not keep it: clients
    that know nothing of reasoning would else be refused at their second step."""
    chat_path: str = "/chat/completions"
    embeddings_path: str = "/embeddings"
    renamed: tuple[tuple[str, str], ...] = ()
    dropped: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


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
    max_concurrency: int = 256
