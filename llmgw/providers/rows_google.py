"""Rows of Google, who serves its own models at two places."""

from typing import Final

from llmgw.providers.gemini.quirks import GeminiQuirks
from llmgw.providers.row import BASICS, JSON, ProviderRow
from llmgw.types.feature import Feature

_FEATURES: Final = (
    BASICS
    | JSON
    | {
        Feature.AUDIO_IN,
        Feature.COUNT_TOKENS,
        Feature.EMBEDDINGS,
        Feature.FILES,
        Feature.IMAGES,
        Feature.LOGPROBS,
        Feature.MULTIPLE_CHOICES,
        Feature.PENALTIES,
        Feature.REASONING,
        Feature.SEED,
        Feature.VIDEO,
    }
)
_NOTES: Final = (
    "Since Gemini 3 there is one answer only (`n`), and calls without a thought signature, those that other models "
    "made, get the vendor's stand-in. Since 3.5 Flash-Lite and 3.6 temperature, `top_p` and `top_k` have no effect "
    "and are left out. Before Gemini 3, JSON and tools do not go together. Penalties and `logprobs` work with some "
    "models each."
)

GOOGLE: tuple[ProviderRow, ...] = (
    ProviderRow(
        name="gemini",
        title="Google Gemini (AI Studio)",
        protocol="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env="GEMINI_API_KEY",
        auth="x-goog-api-key",
        features=_FEATURES,
        quirks=GeminiQuirks(),
        docs="https://ai.google.dev/api/generate-content",
        notes=(
            f"{_NOTES} Media by address are fetched by Google: from https and http for Gemini 2.5 and later, its "
            "own files and YouTube for all. The OpenAI-compatible endpoint is an `openai_compatible` host at "
            "`https://generativelanguage.googleapis.com/v1beta/openai`."
        ),
    ),
    ProviderRow(
        name="vertex",
        title="Google Vertex AI (Gemini Enterprise Agent Platform)",
        protocol="gemini",
        base_url=(
            "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}"
            "/publishers/google"
        ),
        key_env="CLOUDSDK_AUTH_ACCESS_TOKEN",
        auth="bearer",
        features=_FEATURES,
        quirks=GeminiQuirks(
            call_id_models=r"gemini-([3-9]|\d\d|(\w+-)*latest)",
            url_schemes=frozenset({"gs", "https", "http"}),
            url_models="",
            media_type_needed=True,
            part_members=frozenset({"mediaResolution", "videoMetadata"}),
            unknown_parts=frozenset({"toolCall", "toolResponse"}),
            labels=True,
            counts="bare",
            embeds="vertex",
        ),
        docs="https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/inference",
        notes=(
            "The key is an access token, such as `gcloud auth print-access-token` gives; it ends after an hour. "
            "For an API key set `auth: x-goog-api-key`. In the location `global` the host is "
            "`aiplatform.googleapis.com`. A tuned model is `endpoints/{number}`. Metadata become labels where "
            "they have their form (lower case, at most 63 characters), which show in the bill. "
            f"{_NOTES}"
        ),
    ),
)
