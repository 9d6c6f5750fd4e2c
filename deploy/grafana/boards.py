"""What the dashboards show."""

from typing import Final

from deploy.grafana.boards_contexts import CONTEXTS, PROMPTS
from deploy.grafana.boards_inside import INTERNALS
from deploy.grafana.boards_money import COST
from deploy.grafana.panels import Board, Panel, Query, quantile, rate
from deploy.grafana.selectors import ALL, ERRORS, MODELS, OF_MODEL, SHARES, VARIABLES

_AVAILABILITY: Final = "llmgw:availability"
_OVERHEAD: Final = "llmgw:overhead"
_BUDGET: Final = ((None, "red"), (0.0, "orange"), (0.25, "green"))
_WITHIN: Final = f'{ALL},le="0.3"'
_BURN: Final = ((None, "green"), (1.0, "yellow"), (6.0, "orange"), (14.4, "red"))


def _stat(
    title: str, unit: str, expr: str, about: str = "", steps: tuple[tuple[float | None, str], ...] = ()
) -> Panel:
    return Panel(
        title=title,
        kind="stat",
        unit=unit,
        about=about,
        queries=(Query(expr),),
        width=4,
        height=4,
        steps=steps or ((None, "green"),),
    )


def _burn(name: str, ratio: str) -> Panel:
    budget = f"scalar({name}:budget)"
    return Panel(
        title=f"How fast the budget of {name.split(':')[1]} burns",
        about="1 uses it up in 30 days; 14.4 over an hour and 6 over six hours page.",
        steps=_BURN,
        width=12,
        queries=tuple(
            Query(f"{name}:{ratio}{window} / {budget}", window) for window in ("5m", "1h", "6h", "3d")
        ),
    )


OVERVIEW: Final = Board(
    uid="llmgw-overview",
    title="llmgw: overview",
    about="What callers were promised, and what they get.",
    variables=VARIABLES,
    rows=(
        (
            "Promises",
            (
                _stat(
                    "Availability budget left",
                    "percentunit",
                    f"{_AVAILABILITY}:budget_left30d",
                    "Of 30 days; below 0 it is overdrawn. All instances.",
                    _BUDGET,
                ),
                _stat(
                    "Overhead budget left",
                    "percentunit",
                    f"{_OVERHEAD}:budget_left30d",
                    "Of 30 days: calls that spent more than 100 ms in the gateway itself. All instances.",
                    _BUDGET,
                ),
                _stat("Requests", "reqps", rate("llmgw_requests_total", ALL)),
                _stat(
                    "Not served",
                    "percentunit",
                    f"{_AVAILABILITY}:failed_ratio5m",
                    "Of the last 5 minutes.",
                    ERRORS,
                ),
                _stat("Calls at work", "short", f"sum(llmgw_calls_active{{{ALL}}})"),
                _stat(
                    "Workers",
                    "short",
                    f"count(process_start_time_seconds{{{ALL}}})",
                    "That answered the last scrape.",
                ),
                _burn(_AVAILABILITY, "failed_ratio"),
                _burn(_OVERHEAD, "slow_ratio"),
            ),
        ),
        (
            "Requests",
            (
                Panel(
                    title="Requests by status",
                    unit="reqps",
                    stacked=True,
                    queries=(
                        Query(
                            rate("llmgw_requests_total", ALL, "http_response_status_code"),
                            "{{http_response_status_code}}",
                        ),
                    ),
                ),
                Panel(
                    title="Errors by code",
                    unit="reqps",
                    stacked=True,
                    queries=(
                        Query(
                            rate("llmgw_requests_total", f'{ALL},error_type!=""', "error_type"),
                            "{{error_type}}",
                        ),
                    ),
                ),
                Panel(
                    title="Requests by route",
                    unit="reqps",
                    stacked=True,
                    queries=(Query(rate("llmgw_requests_total", ALL, "http_route"), "{{http_route}}"),),
                ),
            ),
        ),
        (
            "Times",
            (
                Panel(
                    title="Duration of requests",
                    unit="s",
                    about="Points are single requests: follow one to its trace in Jaeger.",
                    queries=tuple(
                        Query(
                            quantile(q, "http_server_request_duration_seconds", ALL),
                            f"p{q * 100:g}",
                            exemplar=True,
                        )
                        for q in (0.5, 0.95, 0.99)
                    ),
                ),
                Panel(
                    title="Overhead of the gateway",
                    unit="s",
                    about="Time of a call that was not spent waiting for providers.",
                    queries=tuple(
                        Query(quantile(q, "llmgw_overhead_seconds", ALL), f"p{q * 100:g}", exemplar=True)
                        for q in (0.5, 0.95, 0.99)
                    ),
                ),
                Panel(
                    title="Time to the first token of a stream",
                    unit="s",
                    queries=tuple(
                        Query(
                            quantile(q, "gen_ai_server_time_to_first_token_seconds", ALL),
                            f"p{q * 100:g}",
                            exemplar=True,
                        )
                        for q in (0.5, 0.95, 0.99)
                    ),
                ),
            ),
        ),
        (
            "Alerts",
            (
                Panel(
                    title="Alerts that fire",
                    kind="table",
                    width=24,
                    queries=(
                        Query(
                            'max by (alertname,severity,area,instance) (ALERTS{job="llmgw",alertstate="firing"})',
                            instant=True,
                        ),
                    ),
                ),
            ),
        ),
    ),
)

PROVIDERS: Final = Board(
    uid="llmgw-providers",
    title="llmgw: providers",
    about="Who is asked, how they answer, and what takes their place when they do not.",
    variables=(*VARIABLES, MODELS),
    rows=(
        (
            "Health",
            (
                Panel(
                    title="Breakers",
                    kind="state-timeline",
                    states="breaker",
                    width=12,
                    about="Of the worker that thinks worst of the target.",
                    queries=(
                        Query(f"max by (llmgw_target) (llmgw_breaker_state{{{ALL}}})", "{{llmgw_target}}"),
                    ),
                ),
                Panel(
                    title="Attempts that failed",
                    unit="percentunit",
                    width=12,
                    most=1,
                    steps=ERRORS,
                    about="Of 10 minutes, all instances; a refusal of the caller's mistake is none.",
                    queries=(Query("llmgw:attempts_failed:ratio10m", "{{llmgw_provider}}"),),
                ),
                Panel(
                    title="Attempts by how they ended",
                    unit="reqps",
                    stacked=True,
                    queries=(
                        Query(
                            rate("llmgw_attempts_total", OF_MODEL, "llmgw_provider, outcome"),
                            "{{llmgw_provider}}: {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="Fallbacks",
                    unit="reqps",
                    stacked=True,
                    queries=(Query(rate("llmgw_fallbacks_total", ALL, "from, to"), "{{from}} → {{to}}"),),
                ),
                Panel(
                    title="Connections",
                    stacked=True,
                    queries=(
                        Query(
                            f"sum by (llmgw_provider, state) (llmgw_pool_connections{{{ALL}}})",
                            "{{llmgw_provider}}: {{state}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Speed",
            (
                Panel(
                    title="Duration of calls, 95th percentile",
                    unit="s",
                    queries=(
                        Query(
                            quantile(
                                0.95,
                                "gen_ai_client_operation_duration_seconds",
                                OF_MODEL,
                                "gen_ai_request_model",
                            ),
                            "{{gen_ai_request_model}}",
                            exemplar=True,
                        ),
                    ),
                ),
                Panel(
                    title="Time to the first chunk, 95th percentile",
                    unit="s",
                    queries=(
                        Query(
                            quantile(
                                0.95,
                                "gen_ai_client_operation_time_to_first_chunk_seconds",
                                OF_MODEL,
                                "gen_ai_request_model",
                            ),
                            "{{gen_ai_request_model}}",
                            exemplar=True,
                        ),
                    ),
                ),
                Panel(
                    title="Time per token of a stream, median",
                    unit="s",
                    queries=(
                        Query(
                            quantile(
                                0.5,
                                "gen_ai_server_time_per_output_token_seconds",
                                OF_MODEL,
                                "gen_ai_request_model",
                            ),
                            "{{gen_ai_request_model}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Volume",
            (
                Panel(
                    title="Tokens in a second",
                    width=12,
                    stacked=True,
                    queries=(
                        Query(
                            rate(
                                "gen_ai_client_token_usage_sum",
                                OF_MODEL,
                                "gen_ai_request_model, gen_ai_token_type",
                            ),
                            "{{gen_ai_request_model}} {{gen_ai_token_type}}",
                        ),
                    ),
                ),
                Panel(
                    title="Calls whose provider counted less than 70 % of what it was sent",
                    unit="percentunit",
                    width=12,
                    most=1,
                    steps=SHARES,
                    queries=(
                        Query(
                            f"1 - {rate('llmgw_context_upstream_shortfall_bucket', _WITHIN, 'to')}"
                            f" / {rate('llmgw_context_upstream_shortfall_count', ALL, 'to')}",
                            "{{to}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

BOARDS: Final = (OVERVIEW, PROVIDERS, CONTEXTS, PROMPTS, COST, INTERNALS)
