"""Names of attributes, spans, events and metrics, so that no other file spells one.

`GEN_AI_*` follows open-telemetry/semantic-conventions-genai, status Development, as of commit
024a4f944a1291fcb627c9c47da69e79868dd15e (docs/gen-ai/client-inference.md, client-embeddings.md). The Python
constants of `opentelemetry-semantic-conventions` are older: they say `cache_creation` where this says
`cache_write`. The metrics `GEN_AI_CLIENT_*` have the names, units and bounds of semantic-conventions v1.41.0
(docs/gen-ai/gen-ai-metrics.md), the last release before the conventions moved: those are what dashboards and other
gateways know. The commit above splits them into `gen_ai.client.inference.*`, which few read yet. `HTTP_*`,
`ERROR_TYPE`, `SERVICE_*` and `TELEMETRY_*` are stable in open-telemetry/semantic-conventions v1.44.0. `LLMGW_*` is
ours, and so are the plain words at the end: members of our own events, labels of our own metrics.
"""

from typing import Final

from llmgw.types.preservation import Check

GEN_AI_CLIENT_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
GEN_AI_CLIENT_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105  # a name, not a secret
GEN_AI_CONVERSATION_COMPACTED: Final = "gen_ai.conversation.compacted"
"""True where earlier turns were told by a summary; the conventions ask never to say false."""
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
"""The context's id."""
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_PROMPT_NAME: Final = "gen_ai.prompt.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
"""Seconds."""
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  # a name, not a secret
"""`input` or `output`."""
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

LLMGW_CONTEXT_BEGIN: Final = "llmgw.context.begin"
"""The span from asking for the context's lease until it was had, or refused."""
LLMGW_CONTEXT_FIT: Final = "llmgw.context.fit"
"""The span in which the request for the target asked last was written; as an attribute how the view was cut to the
window, absent where it was not."""
LLMGW_CONTEXT_COMMIT: Final = "llmgw.context.commit"
"""The span in which what was said and answered was stored."""
LLMGW_CONTEXT_LOSS: Final = "llmgw.context.loss"
"""The event of one thing that was not told as it is stored."""
LLMGW_CONTEXT_VIOLATION: Final = "llmgw.context.violation"
"""The event of one rule that does not hold."""

LLMGW_CONTEXT_BYTES: Final = "llmgw.context.bytes"
"""Bytes that were stored of the context as the call began."""
LLMGW_CONTEXT_CACHE: Final = "llmgw.context.cache"
"""`hit`, `delta` or `cold`: how much of the context this worker knew."""
LLMGW_CONTEXT_CHECK_C1: Final = "llmgw.context.check.c1"
"""`pass`, `fail` or `skip`, as of the seven that follow: the chain holds up to its head."""
LLMGW_CONTEXT_CHECK_C2: Final = "llmgw.context.check.c2"
"""What the target was told before stands at the beginning of what it is told now."""
LLMGW_CONTEXT_CHECK_C3: Final = "llmgw.context.check.c3"
"""Calls of tools and their results pair up."""
LLMGW_CONTEXT_CHECK_C4: Final = "llmgw.context.check.c4"
"""Sealed parts go to who can read them, as they were."""
LLMGW_CONTEXT_CHECK_C5: Final = "llmgw.context.check.c5"
"""Turns fit their schema."""
LLMGW_CONTEXT_CHECK_C6: Final = "llmgw.context.check.c6"
"""The provider counted about as many tokens as it was sent."""
LLMGW_CONTEXT_CHECK_C7: Final = "llmgw.context.check.c7"
"""Content that is kept apart is there."""
LLMGW_CONTEXT_CHECK_C8: Final = "llmgw.context.check.c8"
"""What was stored reads back as it was written; made for a sample behind the answer, so `skip` for a call,
and told by `llmgw.context.read_back`."""
LLMGW_CONTEXT_CONFLICT: Final = "llmgw.context.conflict"
"""`none`, `locked`, `mismatch` or `fenced`: how the call met another writer."""
LLMGW_CONTEXT_ENFORCEMENT: Final = "llmgw.context.enforcement"
"""The level of rules that the policy does not name: `off`, `observe`, `warn`, `repair` or `strict`."""
LLMGW_CONTEXT_FORKED_FROM: Final = "llmgw.context.forked_from"
"""The context that the call would have continued, had it not been busy; of a fork, the one it began in."""
LLMGW_CONTEXT_FROM_PROVIDER: Final = "llmgw.context.from_provider"
"""The provider of the answer before, where this one's is another."""
LLMGW_CONTEXT_HEAD: Final = "llmgw.context.head"
"""The first 16 digits of the digest in which the chain of turns ends: an anchor outside the store."""
LLMGW_CONTEXT_MODE: Final = "llmgw.context.mode"
"""`verify` where the caller keeps the conversation itself and it is only compared; absent where it is stored."""
LLMGW_CONTEXT_OVERHEAD_MS: Final = "llmgw.context.overhead_ms"
"""Milliseconds spent in `begin` and `commit`."""
LLMGW_CONTEXT_PRESERVATION_LOSSES: Final = "llmgw.context.preservation.losses"
"""The different codes of what was not told as it is stored."""
LLMGW_CONTEXT_PRESERVATION_SCORE: Final = "llmgw.context.preservation.score"
"""From 0 to 1."""
LLMGW_CONTEXT_PRESERVATION_VERDICT: Final = "llmgw.context.preservation.verdict"
"""`preserved`, `degraded`, `lost` or `unverified`."""
LLMGW_CONTEXT_PROVIDER_SWITCHED: Final = "llmgw.context.provider_switched"
"""Whether the answer before came from another provider."""
LLMGW_CONTEXT_REPLAYED: Final = "llmgw.context.replayed"
"""Whether the call was answered before, and got that answer again."""
LLMGW_CONTEXT_RETRIED: Final = "llmgw.context.retried"
"""Whether an earlier try of the call was lost on the way, and may have cost money."""
LLMGW_CONTEXT_REV: Final = "llmgw.context.rev"
"""The revision the call made, or found where it made none."""
LLMGW_CONTEXT_SIZE_CLASS: Final = "llmgw.context.size_class"
"""`short`, `medium`, `long` or `extreme`: the turns in a word, as a search for spans knows no ranges."""
LLMGW_CONTEXT_SUMMARY: Final = "llmgw.context.summary"
"""`made` where earlier turns were summed up for this call, `failed` where that was tried."""
LLMGW_CONTEXT_TOKENS_EST: Final = "llmgw.context.tokens_est"
"""Tokens of the request: a bound or an estimate."""
LLMGW_CONTEXT_TURNS: Final = "llmgw.context.turns"
"""Turns there are, the caller's new ones included."""
LLMGW_CONTEXT_TURNS_SENT: Final = "llmgw.context.turns_sent"
LLMGW_CONTEXT_VIOLATIONS: Final = "llmgw.context.violations"
"""On a span how many rules do not hold; as a metric how often each did not."""
LLMGW_CONTEXT_WINDOW_USED_RATIO: Final = "llmgw.context.window_used_ratio"
"""Tokens of the request by those the model takes; above 1 where only a bound of them is known."""

LLMGW_CONTEXT_CONTEXTS: Final = "llmgw.context.contexts"
"""How many contexts an operation was about, where it may be several."""
LLMGW_CONTEXT_OPERATION: Final = "llmgw.context.operation"
"""`create`, `erase`, …: what was done with a context without asking a model."""

LLMGW_CONTEXT_COMPACTIONS: Final = "llmgw.context.compactions"
LLMGW_CONTEXT_CONFLICTS: Final = "llmgw.context.conflicts"
LLMGW_CONTEXT_ERASURES: Final = "llmgw.context.erasures"
LLMGW_CONTEXT_INTEGRITY_FAILURES: Final = "llmgw.context.integrity_failures"
LLMGW_CONTEXT_LOSSES: Final = "llmgw.context.losses"
LLMGW_CONTEXT_OVERHEAD: Final = "llmgw.context.overhead"
LLMGW_CONTEXT_OPERATION_DURATION: Final = "llmgw.context.operation.duration"
LLMGW_CONTEXT_RETRIEVAL: Final = "llmgw.context.retrieval"
LLMGW_CONTEXT_SIZE: Final = "llmgw.context.size"
LLMGW_CONTEXT_UPSTREAM_SHORTFALL: Final = "llmgw.context.upstream_shortfall"

LLMGW_ADMISSION: Final = "llmgw.admission"
"""`admitted`, `refused` or `unheard`, where limits or budgets are in force for the call."""
LLMGW_ADMISSION_ADMIT: Final = "llmgw.admission.admit"
"""The span in which the store was asked for room in them."""
LLMGW_ADMISSION_BUDGETS: Final = "llmgw.admission.budgets"
LLMGW_ADMISSION_ESTIMATE: Final = "llmgw.admission.estimate"
"""US dollars that were put on hold: the most that the call could cost."""
LLMGW_ADMISSION_LIMIT: Final = "llmgw.admission.limit"
"""The limit or budget that refused the call: `team:search:month`."""
LLMGW_ADMISSION_LIMITS: Final = "llmgw.admission.limits"
LLMGW_ADMISSION_LOWERED: Final = "llmgw.admission.lowered"
"""Whether the answer was bounded to fit what is left of a budget."""
LLMGW_ADMISSION_REFUSALS: Final = "llmgw.admission.refusals"
LLMGW_LEDGER_LOST: Final = "llmgw.ledger.lost"
LLMGW_LEDGER_WAITING: Final = "llmgw.ledger.waiting"
LLMGW_JOURNAL_READY: Final = "llmgw.journal.ready"
LLMGW_CONTENT_REF: Final = "llmgw.content.ref"
"""The call under whose id its words are kept."""
LLMGW_COST: Final = "llmgw.cost"
"""US dollars of all attempts, and of the calls made for this one; absent where that is not known."""
LLMGW_COST_SOURCE: Final = "llmgw.cost.source"
"""Whose prices: `genai-prices@version`, `config@digest`, `provider` or `local`."""

LLMGW_FALLBACKS: Final = "llmgw.fallbacks"
"""How often the call moved on to another target."""
LLMGW_KEY_ID: Final = "llmgw.key.id"
LLMGW_OVERHEAD: Final = "llmgw.overhead"
"""Seconds of the call that were not spent waiting for providers."""
LLMGW_PROMPT: Final = "llmgw.prompt"
"""The prompt version that served the call: `name@7`."""
LLMGW_PROMPT_ARM: Final = "llmgw.prompt.arm"
"""`stable` or `candidate`, during a rollout."""
LLMGW_PROMPT_CALLS: Final = "llmgw.prompt.calls"
LLMGW_PROMPT_HASH: Final = "llmgw.prompt.hash"
LLMGW_PROMPT_LABEL: Final = "llmgw.prompt.label"
"""The label that led to the version; absent where the call named a number."""
LLMGW_PROMPT_OUTPUT: Final = "llmgw.prompt.output"
"""`valid`, `repaired` or `invalid`, where the version has an output schema and the answer came to its end."""
LLMGW_PROMPT_RESOLVE: Final = "llmgw.prompt.resolve"
"""The span in which the version was found, made ready and rendered."""
LLMGW_PROMPT_SNAPSHOT_AGE: Final = "llmgw.prompt.snapshot.age"
LLMGW_PROMPT_SOURCE: Final = "llmgw.prompt.source"
"""`memory`, or `disk` where the registry was not reached since the worker began."""
LLMGW_PROMPT_VERSION: Final = "llmgw.prompt.version"
LLMGW_REQUEST_ID: Final = "llmgw.request.id"
LLMGW_TAGS: Final = "llmgw.tags"
LLMGW_TARGET: Final = "llmgw.target"
LLMGW_TELEMETRY_DROPPED: Final = "llmgw.telemetry.dropped"
LLMGW_TENANT: Final = "llmgw.tenant"
LLMGW_TRUNCATED: Final = "llmgw.truncated"
"""True where something of the span was cut or left out, as it was too long."""

ARM: Final = "arm"
CACHE: Final = "cache"
CODE: Final = "code"
FROM: Final = "from"
KIND: Final = "kind"
LEVEL: Final = "level"
OP: Final = "op"
OUTCOME: Final = "outcome"
POINTER: Final = "pointer"
PROMPT: Final = "prompt"
RESULT: Final = "result"
RULE: Final = "rule"
SCOPE: Final = "scope"
SEVERITY: Final = "severity"
SIZE_CLASS: Final = "size_class"
SOURCE: Final = "source"
TO: Final = "to"
UNIT: Final = "unit"
VERDICT: Final = "verdict"
VERSION: Final = "version"

_CHECKS: Final[dict[Check, str]] = {
    "c1": LLMGW_CONTEXT_CHECK_C1,
    "c2": LLMGW_CONTEXT_CHECK_C2,
    "c3": LLMGW_CONTEXT_CHECK_C3,
    "c4": LLMGW_CONTEXT_CHECK_C4,
    "c5": LLMGW_CONTEXT_CHECK_C5,
    "c6": LLMGW_CONTEXT_CHECK_C6,
    "c7": LLMGW_CONTEXT_CHECK_C7,
    "c8": LLMGW_CONTEXT_CHECK_C8,
}

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


def check_name(check: Check) -> str:
    """Return the name of the attribute that says how a check ended."""
    return _CHECKS[check]
