"""Metrics of the service as such: what it answers, whom it asks, what it waits for, and what it takes itself.

Bounds of `gen_ai.server.*` and of `http.server.request.duration` are the conventions' advice, carried on to one and
to ten minutes, as models take their time, and down to a millisecond per token.
"""

from typing import Final

from llmgw.telemetry import semconv
from llmgw.telemetry.aggregates import Definition
from llmgw.types.money import NANO

_OF_OPERATIONS: Final = (
    semconv.GEN_AI_OPERATION_NAME,
    semconv.GEN_AI_PROVIDER_NAME,
    semconv.GEN_AI_REQUEST_MODEL,
)
_OF_ANSWERS: Final = (semconv.HTTP_ROUTE, semconv.HTTP_RESPONSE_STATUS_CODE, semconv.ERROR_TYPE)

REQUEST_DURATION: Final = Definition(
    name=semconv.HTTP_SERVER_REQUEST_DURATION,
    kind="histogram",
    unit="s",
    description="Time of calls, from their first byte to their last.",
    labels=(semconv.HTTP_REQUEST_METHOD, *_OF_ANSWERS),
    bounds=(
        *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
        *(30.0, 60.0, 120.0, 300.0, 600.0),
    ),
)
REQUESTS: Final = Definition(
    name=semconv.LLMGW_REQUESTS,
    kind="counter",
    unit="{call}",
    description="Calls that are over.",
    labels=_OF_ANSWERS,
)
TIME_TO_FIRST_TOKEN: Final = Definition(
    name=semconv.GEN_AI_SERVER_TIME_TO_FIRST_TOKEN,
    kind="histogram",
    unit="s",
    description="Time from a call's first byte until the first content of its stream.",
    labels=_OF_OPERATIONS,
    bounds=(
        *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
        *(30.0, 60.0),
    ),
)
TIME_PER_OUTPUT_TOKEN: Final = Definition(
    name=semconv.GEN_AI_SERVER_TIME_PER_OUTPUT_TOKEN,
    kind="histogram",
    unit="s",
    description="Time between the tokens of a whole stream, the first one's left out.",
    labels=_OF_OPERATIONS,
    bounds=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
ATTEMPTS: Final = Definition(
    name=semconv.LLMGW_ATTEMPTS,
    kind="counter",
    unit="{attempt}",
    description="Tries at targets, by the code of the error that ended them, or ok.",
    labels=(semconv.LLMGW_PROVIDER, semconv.GEN_AI_REQUEST_MODEL, semconv.OUTCOME),
)
FALLBACKS: Final = Definition(
    name=semconv.LLMGW_FALLBACKS,
    kind="counter",
    unit="{fallback}",
    description="Times that a call moved on from one target to another.",
    labels=(semconv.FROM, semconv.TO),
)
TENANT_COST: Final = Definition(
    name=semconv.LLMGW_TENANT_COST,
    kind="counter",
    unit="{USD}",
    description="US dollars that a tenant's attempts cost, as far as their prices are known.",
    labels=(semconv.LLMGW_TENANT,),
    per=NANO,
)

BREAKER_STATE: Final = Definition(
    name=semconv.LLMGW_BREAKER_STATE,
    kind="gauge",
    unit="{state}",
    description="0 while a target's breaker is closed, 1 while it is half open, 2 while it is open.",
    labels=(semconv.LLMGW_TARGET,),
)
POOL_CONNECTIONS: Final = Definition(
    name=semconv.LLMGW_POOL_CONNECTIONS,
    kind="gauge",
    unit="{connection}",
    description="Connections to providers, of those at one address by the name of the first that was asked there.",
    labels=(semconv.LLMGW_PROVIDER, semconv.STATE),
)
CALLS_ACTIVE: Final = Definition(
    name=semconv.LLMGW_CALLS_ACTIVE,
    kind="gauge",
    unit="{call}",
    description="Calls at work.",
)
LOOP_LAG: Final = Definition(
    name=semconv.LLMGW_LOOP_LAG,
    kind="histogram",
    unit="s",
    description="How much later than it was due the worker's event loop came to a timer, four times a second.",
    bounds=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
QUEUE_DEPTH: Final = Definition(
    name=semconv.LLMGW_QUEUE_DEPTH,
    kind="gauge",
    unit="{item}",
    description="What waits in a queue of this worker.",
    labels=(semconv.QUEUE,),
)
QUEUE_LIMIT: Final = Definition(
    name=semconv.LLMGW_QUEUE_LIMIT,
    kind="gauge",
    unit="{item}",
    description="What a queue of this worker takes at most.",
    labels=(semconv.QUEUE,),
)
BUDGET_USED: Final = Definition(
    name=semconv.LLMGW_BUDGET_USED,
    kind="gauge",
    unit="1",
    description="The share of a budget that is spent or on hold, as this worker heard it last.",
    labels=(semconv.LLMGW_TENANT, semconv.BUDGET),
)
BOOKS_VIOLATIONS: Final = Definition(
    name=semconv.LLMGW_BOOKS_VIOLATIONS,
    kind="gauge",
    unit="{violation}",
    description="Windows of all tenants' books that do not agree, as this worker found when it proved them last.",
    labels=(semconv.INVARIANT,),
)
CONFIG_GENERATION: Final = Definition(
    name=semconv.LLMGW_CONFIG_GENERATION,
    kind="gauge",
    unit="{generation}",
    description="The number of the configuration at work; each reload that is taken over counts on.",
)
CONFIG_RELOADS: Final = Definition(
    name=semconv.LLMGW_CONFIG_RELOADS,
    kind="counter",
    unit="{reload}",
    description="Reloads of settings, applied and refused ones, told of by the first worker of a gateway.",
    labels=(semconv.OUTCOME,),
)
STORE_UP: Final = Definition(
    name=semconv.LLMGW_STORE_UP,
    kind="gauge",
    unit="{store}",
    description="1 while this worker's calls ask the store, 0 while its breaker keeps them from it.",
)

CALL_LOG_EVENTS: Final = Definition(
    name=semconv.LLMGW_CALL_LOG_EVENTS,
    kind="counter",
    unit="{event}",
    description="Events of the call log that the store took (stored), and that are in a segment (written).",
    labels=(semconv.OUTCOME,),
)
CALL_LOG_LOST: Final = Definition(
    name=semconv.LLMGW_CALL_LOG_LOST,
    kind="counter",
    unit="{event}",
    description="Events that are not in the call log, by why: full, store, disk or size.",
    labels=(semconv.REASON,),
)
CALL_LOG_BEHIND: Final = Definition(
    name=semconv.LLMGW_CALL_LOG_BEHIND,
    kind="gauge",
    unit="s",
    description="The age of the oldest event of the call log that is in no segment yet.",
)

PROCESS_CPU: Final = Definition(
    name=semconv.PROCESS_CPU,
    kind="counter",
    unit="s",
    description="Processor time of this worker.",
)
PROCESS_MAX_FDS: Final = Definition(
    name=semconv.PROCESS_MAX_FDS,
    kind="gauge",
    unit="{fd}",
    description="File descriptors that this worker may have open.",
)
PROCESS_OPEN_FDS: Final = Definition(
    name=semconv.PROCESS_OPEN_FDS,
    kind="gauge",
    unit="{fd}",
    description="File descriptors that this worker has open.",
)
PROCESS_RESIDENT_MEMORY: Final = Definition(
    name=semconv.PROCESS_RESIDENT_MEMORY,
    kind="gauge",
    unit="By",
    description="Memory that this worker has in use, shared pages included.",
)
PROCESS_START_TIME: Final = Definition(
    name=semconv.PROCESS_START_TIME,
    kind="gauge",
    unit="s",
    description="When this worker began, in seconds of unix time.",
)
PROCESS_VIRTUAL_MEMORY: Final = Definition(
    name=semconv.PROCESS_VIRTUAL_MEMORY,
    kind="gauge",
    unit="By",
    description="Memory that this worker has asked for.",
)

SERVICE: Final = (
    REQUEST_DURATION,
    REQUESTS,
    TIME_TO_FIRST_TOKEN,
    TIME_PER_OUTPUT_TOKEN,
    ATTEMPTS,
    FALLBACKS,
    TENANT_COST,
    BREAKER_STATE,
    POOL_CONNECTIONS,
    CALLS_ACTIVE,
    LOOP_LAG,
    QUEUE_DEPTH,
    QUEUE_LIMIT,
    BUDGET_USED,
    BOOKS_VIOLATIONS,
    CONFIG_GENERATION,
    CONFIG_RELOADS,
    STORE_UP,
    CALL_LOG_EVENTS,
    CALL_LOG_LOST,
    CALL_LOG_BEHIND,
    PROCESS_CPU,
    PROCESS_MAX_FDS,
    PROCESS_OPEN_FDS,
    PROCESS_RESIDENT_MEMORY,
    PROCESS_START_TIME,
    PROCESS_VIRTUAL_MEMORY,
)
