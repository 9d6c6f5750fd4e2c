"""What of a conversation a target could not be told as it was said: the codes in which it is reported.

A loss is found when a request is written for a target: what the conversation holds against what the target's
protocol can express. Nothing is left out or altered without one. Of stored conversations there is more to lose:
what did not fit into the window, what its maker alone can read, what the provider says it left out.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Severity: TypeAlias = Literal["major", "minor", "info"]


class LossCode(StrEnum):
    """One kind of loss; stable, for programs."""

    REASONING_OPAQUE_DROPPED = "reasoning.opaque_dropped"
    """Sealed reasoning of another protocol was left out."""
    MEDIA_DROPPED = "media.dropped"
    BUILTIN_UNTRANSLATABLE = "tool.builtin_untranslatable"
    """The call or result of a tool that the provider itself ran was left out."""

    ANSWER_PART_DROPPED = "answer.part_dropped"
    """A part of the answer has no place in the caller's dialect; told in the answer itself, under `llmgw`."""

    REASONING_PREFIX_INVALIDATED = "reasoning.prefix_invalidated"
    """Sealed reasoning was left out, as what it is bound to, the conversation before it, is told otherwise now."""
    COMPACTION_OPAQUE_DROPPED = "compaction.opaque_dropped"
    """A provider's sealed summary was left out; the turns it stands for are told instead."""
    MEDIA_UNRESOLVABLE = "media.ref_unresolvable"
    """Content that is kept elsewhere is out of the target's reach."""
    PART_UNTRANSLATABLE = "part.untranslatable"
    """A part of an earlier turn that the target refuses was left out."""
    WINDOW_TRIMMED = "window.trimmed"
    """A turn was left out to fit the rest into the model's window."""
    CONTEXT_SHORTFALL = "upstream.context_shortfall"
    """The provider counted far fewer tokens than it was sent."""
    UPSTREAM_DROPPED = "upstream.dropped"
    """The provider says that it left the part out."""

    WINDOW_SUMMARISED = "window.summarised"
    """A turn is told by a summary."""
    RESULT_CLEARED = "tool.result_cleared"
    """The body of an old tool result was left out to save room."""
    TURN_REDACTED = "turn.redacted"
    """The turn's content was taken out of the context for good."""
    REASONING_TEXT_DROPPED = "reasoning.text_dropped"
    """Reasoning in the clear was left out, as the target takes none back."""
    REASONING_AS_TEXT = "reasoning.as_text"
    """Reasoning is told in the clear, without its seal."""
    REASONING_DUMMY_SIGNATURE = "reasoning.dummy_signature"
    """A tool call without a signature got the vendor's stand-in for one."""
    REASONING_BUDGET_MAPPED = "reasoning.budget_mapped"
    """A number of thinking tokens became a word, or the other way round."""
    RESULT_MEDIA_FLATTENED = "tool.result_media_flattened"
    """Media in a tool's result moved to a message beside it."""
    ERROR_FLAG_FLATTENED = "tool.error_flag_flattened"
    """That a tool failed is said in the text of its result."""
    ARGUMENTS_REENCODED = "tool.args_reencoded"
    """Arguments that are no JSON object were wrapped into one."""
    TURN_SYNTHESISED = "turn.synthesised"
    """A turn that the target's grammar needs was put in."""
    TURNS_MERGED = "turns.merged"
    SYSTEM_MOVED = "system.moved"
    """A system message from amid the conversation went to its beginning."""
    DEVELOPER_AS_SYSTEM = "role.developer_as_system"
    CITATION_DROPPED = "citation.dropped"
    REFUSAL_AS_TEXT = "refusal.as_text"
    SCHEMA_KEYWORD_STRIPPED = "schema.keyword_stripped"
    NAME_DROPPED = "name.dropped"
    """The name of a message's author was left out."""
    DOCUMENT_AS_TEXT = "document.as_text"
    """A plain-text document became text of the conversation."""
    PARAMETER_DROPPED = "parameter.dropped"
    PARAMETER_CLAMPED = "parameter.clamped"
    """A number, or a word for how much, was brought within the target's bounds."""

    ID_MAPPED = "tool.id_mapped"
    """A tool call's id was rewritten in the target's alphabet."""
    CACHE_DROPPED = "cache.dropped"
    """Marks for prompt caching were left out."""
    WHITESPACE_TRIMMED = "whitespace.trimmed"
    EMPTY_DROPPED = "empty.dropped"
    """An empty text, which the target rejects, was left out."""
    DETAILS_DROPPED = "details.dropped"
    """Members of a message, part or tool that only the caller's own protocol knows were left out."""


_MAJOR: Final = frozenset(
    {
        LossCode.REASONING_OPAQUE_DROPPED,
        LossCode.MEDIA_DROPPED,
        LossCode.BUILTIN_UNTRANSLATABLE,
        LossCode.ANSWER_PART_DROPPED,
        LossCode.REASONING_PREFIX_INVALIDATED,
        LossCode.COMPACTION_OPAQUE_DROPPED,
        LossCode.MEDIA_UNRESOLVABLE,
        LossCode.PART_UNTRANSLATABLE,
        LossCode.WINDOW_TRIMMED,
        LossCode.CONTEXT_SHORTFALL,
        LossCode.UPSTREAM_DROPPED,
    }
)
_INFO: Final = frozenset(
    {
        LossCode.ID_MAPPED,
        LossCode.CACHE_DROPPED,
        LossCode.WHITESPACE_TRIMMED,
        LossCode.EMPTY_DROPPED,
        LossCode.DETAILS_DROPPED,
        LossCode.DOCUMENT_AS_TEXT,
    }
)

SEVERITY: Final[Mapping[LossCode, Severity]] = MappingProxyType(
    {code: "major" if code in _MAJOR else "info" if code in _INFO else "minor" for code in LossCode}
)
"""How much each code weighs: `major` changes what the model knows, `minor` how it is told, `info` neither."""

_WORST_FIRST: Final = ("major", "minor", "info")


class Loss(Struct, frozen=True):
    """One loss, and where: a JSON Pointer into the invocation, such as `/messages/3/parts/0`."""

    code: LossCode
    pointer: str


class Losses:
    """Gathers the losses of one request while it is written."""

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted: dict[Loss, None] = {}

    def note(self, code: LossCode, pointer: str) -> None:
        """Add a loss; one said twice counts once."""
        self._noted[Loss(code, pointer)] = None

    @property
    def count(self) -> int:
        """How many losses there are so far."""
        return len(self._noted)

    def noted(self) -> tuple[Loss, ...]:
        """All losses so far, in the order in which they were noted."""
        return tuple(self._noted)


def codes(losses: Iterable[Loss]) -> tuple[LossCode, ...]:
    """The different codes among losses, the worst first, each severity in the order of its first loss."""
    different = dict.fromkeys(loss.code for loss in losses)
    return tuple(sorted(different, key=lambda code: _WORST_FIRST.index(SEVERITY[code])))
