"""Every metric there is: name, unit, meaning, labels, bounds; those of the service in `service_definitions`.

No label holds an id, or text that a caller chose: models, targets and providers are those the configuration names,
tenants and budgets those that operators do, prompts those that publishers do.
"""

from typing import Final

from llmgw.telemetry import semconv
from llmgw.telemetry.aggregates import Definition
from llmgw.telemetry.service_definitions import SERVICE
from llmgw.types.money import NANO

_OF_OPERATIONS: Final = (
    semconv.GEN_AI_OPERATION_NAME,
    semconv.GEN_AI_PROVIDER_NAME,
    semconv.GEN_AI_REQUEST_MODEL,
)
_DOUBLING: Final = tuple(0.01 * 2**step for step in range(14))
"""The conventions' advice for durations of operations."""
_QUADRUPLING: Final = tuple(float(4**step) for step in range(14))
"""The conventions' advice for tokens."""
_OWN_TIME: Final = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
)
"""From a tenth of a millisecond: what the house itself costs."""

OPERATION_DURATION: Final = Definition(
    name=semconv.GEN_AI_CLIENT_OPERATION_DURATION,
    kind="histogram",
    unit="s",
    description="Time from asking the first provider until the last one's answer ended.",
    labels=(*_OF_OPERATIONS, semconv.ERROR_TYPE),
    bounds=_DOUBLING,
)
TOKEN_USAGE: Final = Definition(
    name=semconv.GEN_AI_CLIENT_TOKEN_USAGE,
    kind="histogram",
    unit="{token}",
    description="Tokens of one call, as its provider counted them.",
    labels=(*_OF_OPERATIONS, semconv.GEN_AI_TOKEN_TYPE),
    bounds=_QUADRUPLING,
)
TIME_TO_FIRST_CHUNK: Final = Definition(
    name=semconv.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK,
    kind="histogram",
    unit="s",
    description="Time from asking the first provider until the first content of a stream.",
    labels=_OF_OPERATIONS,
    bounds=_DOUBLING,
)
COST: Final = Definition(
    name=semconv.LLMGW_COST,
    kind="counter",
    unit="{USD}",
    description="US dollars that attempts cost, as far as their prices are known.",
    labels=(*_OF_OPERATIONS, semconv.SOURCE),
    per=NANO,
)
OVERHEAD: Final = Definition(
    name=semconv.LLMGW_OVERHEAD,
    kind="histogram",
    unit="s",
    description="Time of a call that was not spent waiting for providers.",
    labels=(semconv.HTTP_ROUTE,),
    bounds=_OWN_TIME,
)
CONTEXT_OVERHEAD: Final = Definition(
    name=semconv.LLMGW_CONTEXT_OVERHEAD,
    kind="histogram",
    unit="s",
    description="Time it took to begin a call with a context, and to store what it left.",
    labels=(semconv.OP, semconv.SIZE_CLASS, semconv.CACHE),
    bounds=_OWN_TIME,
)
CONTEXT_SIZE: Final = Definition(
    name=semconv.LLMGW_CONTEXT_SIZE,
    kind="histogram",
    unit="1",
    description="Turns and stored bytes of the contexts that calls continued, and tokens of what was told of them.",
    labels=(semconv.UNIT,),
    bounds=_QUADRUPLING,
)
PRESERVATION_SCORE: Final = Definition(
    name=semconv.LLMGW_CONTEXT_PRESERVATION_SCORE,
    kind="histogram",
    unit="1",
    description="How much of its context a call told, from 0 to 1; only what is whole is above 0.999.",
    labels=(semconv.VERDICT,),
    bounds=(0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999),
)
LOSSES: Final = Definition(
    name=semconv.LLMGW_CONTEXT_LOSSES,
    kind="counter",
    unit="{loss}",
    description="Things that were not told as they are stored, in every call anew.",
    labels=(semconv.CODE, semconv.SEVERITY, semconv.FROM, semconv.TO),
)
VIOLATIONS: Final = Definition(
    name=semconv.LLMGW_CONTEXT_VIOLATIONS,
    kind="counter",
    unit="{violation}",
    description="Rules of contexts that did not hold.",
    labels=(semconv.RULE, semconv.LEVEL),
)
CONFLICTS: Final = Definition(
    name=semconv.LLMGW_CONTEXT_CONFLICTS,
    kind="counter",
    unit="{conflict}",
    description="Calls and operations that met another writer, or another revision than they expected.",
    labels=(semconv.KIND,),
)
RETRIEVAL: Final = Definition(
    name=semconv.LLMGW_CONTEXT_RETRIEVAL,
    kind="counter",
    unit="{call}",
    description="Calls that wanted what was said before; those with nothing said before are not among them.",
    labels=(semconv.RESULT,),
)
INTEGRITY_FAILURES: Final = Definition(
    name=semconv.LLMGW_CONTEXT_INTEGRITY_FAILURES,
    kind="counter",
    unit="{failure}",
    description="Times that stored bytes were not what was stored, or that the store had lost acknowledged turns.",
    labels=(semconv.OP,),
)
ERASURES: Final = Definition(
    name=semconv.LLMGW_CONTEXT_ERASURES,
    kind="counter",
    unit="{context}",
    description="Contexts erased on request.",
)
COMPACTIONS: Final = Definition(
    name=semconv.LLMGW_CONTEXT_COMPACTIONS,
    kind="counter",
    unit="{summary}",
    description="Summaries that contexts needed.",
    labels=(semconv.RESULT,),
)
UPSTREAM_SHORTFALL: Final = Definition(
    name=semconv.LLMGW_CONTEXT_UPSTREAM_SHORTFALL,
    kind="histogram",
    unit="1",
    description="The share of the tokens sent that the provider does not count; above 0.3 check C6 may fail.",
    labels=(semconv.TO,),
    bounds=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9),
)
CONTEXT_OPERATION_DURATION: Final = Definition(
    name=semconv.LLMGW_CONTEXT_OPERATION_DURATION,
    kind="histogram",
    unit="s",
    description="Time of operations on contexts that ask no model.",
    labels=(semconv.OP, semconv.ERROR_TYPE),
    bounds=(*_OWN_TIME, 10.0, 60.0),
)
TELEMETRY_DROPPED: Final = Definition(
    name=semconv.LLMGW_TELEMETRY_DROPPED,
    kind="counter",
    unit="{item}",
    description="What telemetry could not tell: spans and lines that were kept, and workers that a scrape missed.",
    labels=(semconv.KIND,),
)

ADMISSION_REFUSALS: Final = Definition(
    name=semconv.LLMGW_ADMISSION_REFUSALS,
    kind="counter",
    unit="{call}",
    description="Calls that a limit or a budget refused, by its code and by whose it is.",
    labels=(semconv.CODE, semconv.SCOPE),
)
LEDGER_WAITING: Final = Definition(
    name=semconv.LLMGW_LEDGER_WAITING,
    kind="gauge",
    unit="{call}",
    description="Calls in this worker's journal that are not known to be in the ledger, those under way included.",
)
LEDGER_LOST: Final = Definition(
    name=semconv.LLMGW_LEDGER_LOST,
    kind="gauge",
    unit="{call}",
    description="Calls of this worker whose cost is lost, as neither the journal nor the store took it.",
)
JOURNAL_READY: Final = Definition(
    name=semconv.LLMGW_JOURNAL_READY,
    kind="gauge",
    unit="{journal}",
    description="1 while this worker's journal takes records, else 0.",
)

PROMPT_CALLS: Final = Definition(
    name=semconv.LLMGW_PROMPT_CALLS,
    kind="counter",
    unit="{call}",
    description="Calls that were served by a prompt version.",
    labels=(semconv.PROMPT, semconv.VERSION, semconv.ARM, semconv.OUTCOME),
)
PROMPT_SNAPSHOT_AGE: Final = Definition(
    name=semconv.LLMGW_PROMPT_SNAPSHOT_AGE,
    kind="gauge",
    unit="s",
    description="Time since what this worker knows of prompts was known to be what the registry says.",
)

FEEDBACK: Final = Definition(
    name=semconv.LLMGW_FEEDBACK,
    kind="counter",
    unit="{judgement}",
    description="Judgements of answers that were taken, by who judged and what it came to.",
    labels=(semconv.RATING, semconv.SOURCE),
)

DEFINITIONS: Final = (
    OPERATION_DURATION,
    TOKEN_USAGE,
    TIME_TO_FIRST_CHUNK,
    COST,
    OVERHEAD,
    CONTEXT_OVERHEAD,
    CONTEXT_SIZE,
    PRESERVATION_SCORE,
    LOSSES,
    VIOLATIONS,
    CONFLICTS,
    RETRIEVAL,
    INTEGRITY_FAILURES,
    ERASURES,
    COMPACTIONS,
    UPSTREAM_SHORTFALL,
    CONTEXT_OPERATION_DURATION,
    PROMPT_CALLS,
    PROMPT_SNAPSHOT_AGE,
    ADMISSION_REFUSALS,
    LEDGER_WAITING,
    LEDGER_LOST,
    JOURNAL_READY,
    FEEDBACK,
    TELEMETRY_DROPPED,
    *SERVICE,
)
