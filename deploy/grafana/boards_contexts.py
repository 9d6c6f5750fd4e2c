"""What the dashboards of stored conversations and of prompts show."""

from typing import Final

from deploy.grafana.panels import Board, Panel, Query, quantile, rate
from deploy.grafana.selectors import ALL, NONE_IS_GOOD, OF_PROMPT, PROMPTS_NAMED, SHARES, VARIABLES

_SCORES: Final = "llmgw_context_preservation_score_count"
_BEGUN: Final = f'{ALL},op="begin"'
_LOST: Final = f'{ALL},verdict="lost"'
_HIT: Final = f'{ALL},result="hit"'
_SERIOUS: Final = f'{ALL},severity=~"major|fatal"'
_FAILED: Final = f'{OF_PROMPT},outcome="failed"'
_MISFIT: Final = f'{OF_PROMPT},outcome="invalid_output"'
_VERSIONED: Final = "prompt, version, arm"
_VERSION: Final = "{{prompt}}@{{version}} {{arm}}"


def _number(title: str, expr: str, about: str, unit: str = "short") -> Panel:
    return Panel(
        title=title,
        kind="stat",
        unit=unit,
        about=about,
        queries=(Query(expr),),
        width=6,
        height=4,
        steps=NONE_IS_GOOD if unit == "short" else ((None, "red"), (0.95, "yellow"), (0.99, "green")),
    )


CONTEXTS: Final = Board(
    uid="llmgw-contexts",
    title="llmgw: contexts",
    about="What of stored conversations reaches the models, and what it costs to see to that.",
    variables=VARIABLES,
    rows=(
        (
            "Preservation",
            (
                _number(
                    "Calls that lost context",
                    f"sum(increase({_SCORES}{{{_LOST}}}[$__range]))",
                    "In the time shown.",
                ),
                _number(
                    "Failed proofs",
                    f"sum(increase(llmgw_context_integrity_failures_total{{{ALL}}}[$__range]))",
                    "Stored bytes that were not what was stored, in the time shown.",
                ),
                _number(
                    "Major and fatal losses",
                    f"sum(increase(llmgw_context_losses_total{{{_SERIOUS}}}[$__range]))",
                    "In the time shown.",
                ),
                _number(
                    "Conversations found",
                    f"{rate('llmgw_context_retrieval_total', _HIT)} / {rate('llmgw_context_retrieval_total', ALL)}",
                    "Share of the calls that continue a conversation.",
                    "percentunit",
                ),
                Panel(
                    title="Calls by verdict",
                    unit="reqps",
                    stacked=True,
                    about="A point to follow: search Jaeger for llmgw.context.preservation.verdict=lost.",
                    queries=(Query(rate(_SCORES, ALL, "verdict"), "{{verdict}}"),),
                ),
                Panel(
                    title="Losses by code",
                    stacked=True,
                    queries=(
                        Query(
                            rate("llmgw_context_losses_total", ALL, "code, severity"),
                            "{{severity}}: {{code}}",
                        ),
                    ),
                ),
                Panel(
                    title="Serious losses by change of provider",
                    stacked=True,
                    queries=(
                        Query(rate("llmgw_context_losses_total", _SERIOUS, "from, to"), "{{from}} → {{to}}"),
                    ),
                ),
                Panel(
                    title="Rules that did not hold",
                    stacked=True,
                    queries=(
                        Query(
                            rate("llmgw_context_violations_total", ALL, "rule, level"), "{{level}}: {{rule}}"
                        ),
                    ),
                ),
                Panel(
                    title="Meetings with other writers",
                    stacked=True,
                    queries=(Query(rate("llmgw_context_conflicts_total", ALL, "kind"), "{{kind}}"),),
                ),
                Panel(
                    title="Conversations looked for",
                    unit="reqps",
                    stacked=True,
                    queries=(Query(rate("llmgw_context_retrieval_total", ALL, "result"), "{{result}}"),),
                ),
            ),
        ),
        (
            "Cost of it",
            (
                Panel(
                    title="Time of begin and commit, 99th percentile",
                    unit="s",
                    queries=(
                        Query(
                            quantile(0.99, "llmgw_context_overhead_seconds", ALL, "op, size_class"),
                            "{{op}} {{size_class}}",
                            exemplar=True,
                        ),
                    ),
                ),
                Panel(
                    title="What the worker knew of the conversation",
                    unit="reqps",
                    stacked=True,
                    queries=(
                        Query(rate("llmgw_context_overhead_seconds_count", _BEGUN, "cache"), "{{cache}}"),
                    ),
                ),
                Panel(
                    title="Size of conversations, median and 95th percentile",
                    queries=tuple(
                        Query(quantile(q, "llmgw_context_size", ALL, "unit"), f"{{{{unit}}}} p{q * 100:g}")
                        for q in (0.5, 0.95)
                    ),
                ),
                Panel(
                    title="Operations without a model, 99th percentile",
                    unit="s",
                    width=12,
                    queries=(
                        Query(
                            quantile(0.99, "llmgw_context_operation_duration_seconds", ALL, "op"), "{{op}}"
                        ),
                    ),
                ),
                Panel(
                    title="Summaries, and conversations erased",
                    width=12,
                    queries=(
                        Query(rate("llmgw_context_compactions_total", ALL, "result"), "summary {{result}}"),
                        Query(rate("llmgw_context_erasures_total", ALL), "erased"),
                    ),
                ),
            ),
        ),
    ),
)

PROMPTS: Final = Board(
    uid="llmgw-prompts",
    title="llmgw: prompts",
    about="Prompts by version and, during a rollout, by arm.",
    variables=(*VARIABLES, PROMPTS_NAMED),
    rows=(
        (
            "Versions",
            (
                Panel(
                    title="Calls",
                    unit="reqps",
                    stacked=True,
                    width=12,
                    queries=(Query(rate("llmgw_prompt_calls_total", OF_PROMPT, _VERSIONED), _VERSION),),
                ),
                Panel(
                    title="Calls by how they ended",
                    unit="reqps",
                    stacked=True,
                    width=12,
                    queries=(
                        Query(
                            rate("llmgw_prompt_calls_total", OF_PROMPT, "prompt, outcome"),
                            "{{prompt}}: {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="Failed",
                    unit="percentunit",
                    width=12,
                    most=1,
                    steps=SHARES,
                    queries=(
                        Query(
                            f"{rate('llmgw_prompt_calls_total', _FAILED, _VERSIONED)}"
                            f" / {rate('llmgw_prompt_calls_total', OF_PROMPT, _VERSIONED)}",
                            _VERSION,
                        ),
                    ),
                ),
                Panel(
                    title="Answers that do not fit the output schema",
                    unit="percentunit",
                    width=12,
                    most=1,
                    steps=SHARES,
                    queries=(
                        Query(
                            f"{rate('llmgw_prompt_calls_total', _MISFIT, _VERSIONED)}"
                            f" / {rate('llmgw_prompt_calls_total', OF_PROMPT, _VERSIONED)}",
                            _VERSION,
                        ),
                    ),
                ),
            ),
        ),
        (
            "Rollouts and registry",
            (
                Panel(
                    title="Share of the candidate",
                    unit="percentunit",
                    width=12,
                    most=1,
                    about="Of the calls during a rollout, by prompt.",
                    queries=(
                        Query(
                            f"""{rate("llmgw_prompt_calls_total", f'{OF_PROMPT},arm="candidate"', "prompt")}"""
                            f""" / {rate("llmgw_prompt_calls_total", f'{OF_PROMPT},arm!=""', "prompt")}""",
                            "{{prompt}}",
                        ),
                    ),
                ),
                Panel(
                    title="Age of what workers know of prompts",
                    unit="s",
                    width=12,
                    steps=((None, "green"), (60.0, "red")),
                    queries=(
                        Query(
                            f"max by (instance, worker) (llmgw_prompt_snapshot_age_seconds{{{ALL}}})",
                            "{{instance}} {{worker}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
