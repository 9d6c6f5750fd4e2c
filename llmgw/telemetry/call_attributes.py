"""What the spans of a call say, its stored conversation apart."""

from collections.abc import Sequence

from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import Facts
from llmgw.types.call import AdmissionFacts, Attempt, Call
from llmgw.types.event import Usage
from llmgw.types.money import NANO
from llmgw.types.prompt import PromptFacts


def operation_of(call: Call) -> str:
    """The conventions' word for what is asked of a model."""
    return operation_at(call.endpoint)


def operation_at(endpoint: str) -> str:
    """The same of all calls at a route."""
    return "embeddings" if endpoint.endswith("/embeddings") else "chat"


def first_chunk_s(call: Call) -> float | None:
    """Seconds from asking until the first content of a stream; None where nothing was streamed."""
    if not call.stream or call.first_content_ns is None or not call.attempts:
        return None
    return (call.first_content_ns - call.attempts[0].started_ns) / 1e9


def server_attributes(call: Call) -> Facts:
    """Attributes of the request."""
    return {
        semconv.HTTP_REQUEST_METHOD: "POST",
        semconv.HTTP_ROUTE: call.endpoint,
        semconv.HTTP_RESPONSE_STATUS_CODE: call.status or None,
        semconv.ERROR_TYPE: call.error,
        semconv.LLMGW_CALL_ID: call.id or None,
        semconv.LLMGW_REQUEST_ID: call.request_id or None,
        semconv.LLMGW_KEY_ID: (call.caller.key_id or None) if call.caller else None,
        semconv.LLMGW_TENANT: call.caller.tenant if call.caller else None,
        semconv.LLMGW_ALIAS: call.alias,
        semconv.LLMGW_TARGET: call.target,
        semconv.LLMGW_TAGS: call.tags or None,
        semconv.LLMGW_ATTEMPTS: len(call.attempts),
        semconv.LLMGW_FALLBACKS: call.fallbacks,
        semconv.LLMGW_RETRIES: call.retries,
        semconv.LLMGW_OVERHEAD: call.overhead_ns / 1e9,
        semconv.LLMGW_COST: _usd(call),
    }


def admission_attributes(facts: AdmissionFacts) -> Facts:
    """Attributes of the admission, on the request and on the span in which the store was asked."""
    return {
        semconv.LLMGW_ADMISSION: facts.outcome,
        semconv.LLMGW_ADMISSION_LIMIT: facts.limit or None,
        semconv.LLMGW_ADMISSION_LIMITS: facts.limits,
        semconv.LLMGW_ADMISSION_BUDGETS: facts.budgets,
        semconv.LLMGW_ADMISSION_ESTIMATE: facts.estimate_nano / NANO,
        semconv.LLMGW_ADMISSION_LOWERED: facts.lowered or None,
    }


def prompt_attributes(facts: PromptFacts) -> Facts:
    """Attributes of the prompt version, on the request and on the span in which it was found."""
    return {
        semconv.GEN_AI_PROMPT_NAME: facts.name,
        semconv.LLMGW_PROMPT: facts.served,
        semconv.LLMGW_PROMPT_VERSION: facts.version,
        semconv.LLMGW_PROMPT_HASH: facts.hash,
        semconv.LLMGW_PROMPT_LABEL: facts.label or None,
        semconv.LLMGW_PROMPT_ARM: facts.arm,
        semconv.LLMGW_PROMPT_SOURCE: facts.source,
        semconv.LLMGW_PROMPT_OUTPUT: facts.output or None,
    }


def chat_attributes(call: Call, last: Attempt) -> Facts:
    """Attributes of the logical call, over all attempts."""
    return {
        semconv.GEN_AI_OPERATION_NAME: operation_of(call),
        semconv.GEN_AI_PROVIDER_NAME: semconv.provider_name(last.kind),
        semconv.GEN_AI_REQUEST_MODEL: last.model,
        semconv.GEN_AI_REQUEST_STREAM: call.stream or None,
        semconv.GEN_AI_RESPONSE_MODEL: call.answered_model or None,
        semconv.GEN_AI_RESPONSE_ID: call.answered_id or None,
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: call.finish_reasons or None,
        semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: first_chunk_s(call),
        semconv.ERROR_TYPE: last.error,
        semconv.LLMGW_ATTEMPTS: len(call.attempts),
        semconv.LLMGW_FALLBACKS: call.fallbacks,
        semconv.LLMGW_RETRIES: call.retries,
        semconv.LLMGW_COST: _usd(call),
        **(_usage_attributes(call.usage) if call.usage else {}),
    }


def attempt_attributes(attempt: Attempt, index: int, before: Sequence[Attempt] = ()) -> Facts:
    """Attributes of one try, after those `before`."""
    first_byte, charge = attempt.first_byte_ns, attempt.charge
    again = any(each.target == attempt.target for each in before)
    return {
        semconv.HTTP_REQUEST_METHOD: "POST",
        semconv.HTTP_RESPONSE_STATUS_CODE: attempt.status,
        semconv.ERROR_TYPE: attempt.error,
        semconv.LLMGW_ATTEMPT_INDEX: index,
        semconv.LLMGW_ATTEMPT_MODEL: attempt.model,
        semconv.LLMGW_ATTEMPT_REASON: "retry" if again else "fallback" if before else "first",
        semconv.LLMGW_ATTEMPT_FIRST_BYTE: None
        if first_byte is None
        else (first_byte - attempt.started_ns) / 1e9,
        semconv.LLMGW_ATTEMPT_UPSTREAM_ID: attempt.upstream_id,
        semconv.LLMGW_TARGET: attempt.target,
        semconv.PEER_SERVICE: attempt.provider,
        semconv.LLMGW_COST: None if charge is None else charge.nano / NANO,
        semconv.LLMGW_COST_SOURCE: None if charge is None else charge.prices,
    }


def _usd(call: Call) -> float | None:
    cost = call.cost_nano
    return None if cost is None else cost / NANO


def _usage_attributes(usage: Usage) -> Facts:
    return {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: usage.input_tokens,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: usage.output_tokens,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage.cached_read_tokens,
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_write_tokens,
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning_tokens,
        semconv.GEN_AI_USAGE_AUDIO_INPUT_TOKENS: usage.audio_input_tokens,
        semconv.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS: usage.audio_output_tokens,
    }
