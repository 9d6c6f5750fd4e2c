"""What sealed parts are bound to, by protocol and model: whether a target can read what another model sealed.

Claude, from Fable 5.1 and the 5.5 models on, binds its thinking to the model that reads it, to what stood
before it, and in part to the account; what a model cannot read is dropped without an error
(https://platform.claude.com/docs/en/build-with-claude/preserved-thinking). Gemini's thought signatures hold at the
endpoint that made them: AI Studio refuses Vertex's and the other way round (BerriAI/litellm#32140). Routers with
OpenAI's protocol hand out others' seals and want them back themselves.
"""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from llmgw.types.turn import Binding

_CLAUDE: Final = re.compile(
    r"(fable|mythos|opus|sonnet|haiku)-?(\d+)(?:[-.](\d)(?!\d))?|claude-(\d)[-.](\d)-(\w+)"
)

_READS: Final[dict[str, frozenset[str]]] = {"fable-5.1": frozenset({"opus-5", "opus-5.5"})}
"""Claude families that read the thinking of others besides their own."""
_READ_BY_ALL: Final = frozenset({"haiku-5.5"})
_ACCOUNT_BOUND: Final = frozenset({"sonnet-5.5", "haiku-5.5"})
_PREFIX_BOUND: Final = frozenset({"fable-5.1", "mythos-5.1", "opus-5.5", "sonnet-5.5", "haiku-5.5"})


class Maker(Struct, frozen=True, kw_only=True):
    """Who made, or shall read, sealed parts."""

    provider: str
    kind: str
    protocol: str
    model: str
    account: str = ""

    def binding(self, prefix: str) -> Binding:
        """What is stored of it with an answer."""
        return Binding(
            provider=self.provider,
            kind=self.kind,
            protocol=self.protocol,
            model=self.model,
            account=self.account,
            prefix=prefix,
        )


def can_read(made_by: Binding, reader: Maker) -> bool:
    """Whether a target is sent the seals of an answer, whatever stood before it."""
    if made_by.protocol != reader.protocol:
        return False
    match reader.protocol:
        case "anthropic":
            return _claude_reads(made_by, reader)
        case "gemini":
            return made_by.kind == reader.kind
        case _:
            return made_by.provider == reader.provider and made_by.kind == reader.kind


def is_prefix_bound(made_by: Binding) -> bool:
    """Whether the seals of an answer hold only behind the very conversation they were made in."""
    return made_by.protocol == "anthropic" and family(made_by.model) in _PREFIX_BOUND


def _claude_reads(made_by: Binding, reader: Maker) -> bool:
    if made_by.kind != reader.kind:
        return False
    maker, there = family(made_by.model), family(reader.model)
    if maker in _ACCOUNT_BOUND and made_by.account != reader.account:
        return False
    return maker == there or maker in _READ_BY_ALL or maker in _READS.get(there, frozenset())


@lru_cache(maxsize=512)
def family(model: str) -> str:
    """Name the family of a Claude model, `opus-5.5`; another model is its own."""
    found = _CLAUDE.search(model)
    if found is None:
        return model
    name, major, minor, old_major, old_minor, old_name = found.groups()
    if name is None:
        return f"{old_name}-{old_major}.{old_minor}"
    return f"{name}-{major}.{minor}" if minor else f"{name}-{major}"
