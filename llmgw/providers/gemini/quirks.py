"""How hosts of Gemini's protocol differ from Google AI Studio."""

from typing import Literal

from llmgw.types.target import Quirks, Target


class GeminiQuirks(Quirks, frozen=True, kw_only=True):
    """How a host of Gemini's protocol differs from AI Studio, as data; the defaults are AI Studio itself.

    Fields that end in `_models` are patterns looked for in the model's name.
    """

    call_id_models: str = ""
    """Which models may be told the ids of calls."""
    url_schemes: frozenset[str] = frozenset({"https", "http"})
    """The addresses from which the host fetches media by itself."""
    url_models: str = r"^(?!.*gemini-(1\.|2\.0))"
    """For which models it does."""
    own_urls: str = r"//generativelanguage\.googleapis\.com/|//((www|m)\.)?(youtube\.com|youtu\.be)/"
    """A pattern of addresses that every model takes: the host's own files, films the vendor holds."""
    media_type_needed: bool = False
    """Whether media by address must say their type."""
    part_members: frozenset[str] = frozenset({"mediaResolution", "partMetadata", "videoMetadata"})
    """What a part may say besides what it is: members of the vendor's own answers that requests take back."""
    unknown_parts: frozenset[str] = frozenset()
    """Kinds of part that models elsewhere give out and the host does not take."""
    labels: bool = False
    """Whether a request may carry labels, which is where metadata go."""
    counts: Literal["wrapped", "bare"] = "wrapped"
    """Whether `countTokens` takes a whole request as `generateContentRequest`, or its members as its own."""
    embeds: Literal["batch", "vertex"] = "batch"
    """Whether embeddings are one method with one body, or one of three by model and number of texts."""


_AI_STUDIO = GeminiQuirks()


def quirks_of(target: Target) -> GeminiQuirks:
    """The quirks of a target that is asked in Gemini's protocol; AI Studio's where its row names none."""
    return target.quirks if isinstance(target.quirks, GeminiQuirks) else _AI_STUDIO
