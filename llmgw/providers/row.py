"""What a registry row is, and the groups of features rows are written with."""

from msgspec import Struct

from llmgw.providers.openai.quirks import ToolChoiceMode
from llmgw.types.feature import Feature
from llmgw.types.target import AuthScheme, Quirks

CHECKED = "2026-11-21"
"""The day all rows were last compared with their vendors' pages together."""

BASICS = frozenset({Feature.CHAT, Feature.STREAM, Feature.TOOLS})
JSON = frozenset({Feature.JSON_OBJECT, Feature.JSON_SCHEMA})
SAMPLING = frozenset({Feature.SEED, Feature.LOGIT_BIAS, Feature.PENALTIES})
PARALLEL = frozenset({Feature.PARALLEL_TOOL_CALLS})
EVERYTHING = frozenset(Feature) - {Feature.COUNT_TOKENS}

NO_TOOL_CHOICE: frozenset[ToolChoiceMode] = frozenset()
"""For hosts that document no `tool_choice`: the model chooses, whatever they are told."""

OPENAI_DOCS = "https://developers.openai.com/api/reference/overview"


class ProviderRow(Struct, frozen=True, kw_only=True):
    """One host of models: where it is, how it lets us in, what it can do and how it differs from OpenAI.

    A feature is listed when the host documents it for at least one of its models; for a model that lacks it,
    the host itself answers 400. What a host documents as ignored is not listed: a call that needs it goes
    elsewhere instead of being half obeyed. Where a host rejects the mere presence of a missing feature's
    member, the member is `dropped`: calls that need it are not sent there, so what is left is a default such
    as `n: 1`.
    """

    name: str
    """The `kind` in the settings file, in snake case."""
    title: str
    """What the vendor calls it."""
    protocol: str
    """The provider protocol that speaks to it."""
    base_url: str
    """Without trailing slash; `{placeholders}` are for the operator to fill, empty means no usual place."""
    key_env: str | None
    """The vendor's usual environment variable for the credential; None where there is none."""
    auth: AuthScheme
    features: frozenset[Feature]
    quirks: Quirks = Quirks()
    docs: str
    """The vendor's page the row was compared with."""
    checked: str = CHECKED
    """ISO date of that comparison."""
    notes: str = ""
    """What an operator should know: limits of some models, and what no page of the vendor's could tell."""
    local: bool = False
    """Whether the usual place is a server on the operator's own machine."""
    free: bool = False
    """Whether nobody bills for its tokens: it runs on the operator's own machines."""
