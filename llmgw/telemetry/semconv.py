"""Names of attributes, so that no other file spells one.

`GEN_AI_*` follows open-telemetry/semantic-conventions-genai, status Development, as of commit
024a4f944a1291fcb627c9c47da69e79868dd15e (docs/gen-ai/client-inference.md, client-embeddings.md). The Python
constants of `opentelemetry-semantic-conventions` are older: they say `cache_creation` where this says
`cache_write`. `HTTP_*`, `ERROR_TYPE`, `SERVICE_*` and `TELEMETRY_*` are stable in
open-telemetry/semantic-conventions v1.44.0. `LLMGW_*` is ours.
"""

from typing import Final

GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
"""Seconds."""
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_USAGE_AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"

ERROR_TYPE: Final = "error.type"
"""A code of the error tree, which is a short list."""
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
TELEMETRY_SDK_LANGUAGE: Final = "telemetry.sdk.language"
TELEMETRY_SDK_NAME: Final = "telemetry.sdk.name"
TELEMETRY_SDK_VERSION: Final = "telemetry.sdk.version"

LLMGW_ALIAS: Final = "llmgw.alias"
LLMGW_ATTEMPTS: Final = "llmgw.attempts"
"""How many attempts the call took."""
LLMGW_ATTEMPT_FIRST_BYTE: Final = "llmgw.attempt.first_byte"
"""Seconds until the provider's status line."""
LLMGW_ATTEMPT_INDEX: Final = "llmgw.attempt.index"
"""0 for the first attempt."""
LLMGW_ATTEMPT_MODEL: Final = "llmgw.attempt.model"
LLMGW_ATTEMPT_UPSTREAM_ID: Final = "llmgw.attempt.upstream_id"
"""The provider's own id of the request, for its support."""
LLMGW_CALL_ID: Final = "llmgw.call.id"
LLMGW_FALLBACKS: Final = "llmgw.fallbacks"
"""How often the call moved on to another target."""
LLMGW_KEY_ID: Final = "llmgw.key.id"
LLMGW_OVERHEAD: Final = "llmgw.overhead"
"""Seconds of the call that were not spent waiting for providers."""
LLMGW_REQUEST_ID: Final = "llmgw.request.id"
LLMGW_TAGS: Final = "llmgw.tags"
LLMGW_TARGET: Final = "llmgw.target"
LLMGW_TENANT: Final = "llmgw.tenant"

_WELL_KNOWN_PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
"""Provider kinds that the conventions call by another name."""


def provider_name(kind: str) -> str:
    """Return the value of `gen_ai.provider.name` for a provider kind: the well-known name if there is one."""
    return _WELL_KNOWN_PROVIDERS.get(kind, kind)
