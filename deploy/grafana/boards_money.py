"""What the dashboard of cost and budgets shows."""

from typing import Final

from deploy.grafana.panels import Board, Panel, Query, rate
from deploy.grafana.selectors import ALL, MODELS, NONE_IS_GOOD, OF_MODEL, VARIABLES

_USD: Final = "currencyUSD"
_TENANT: Final = ("tenant", 'label_values(llmgw_tenant_cost_total{job="llmgw"}, llmgw_tenant)')
_OF_TENANT: Final = f'{ALL},llmgw_tenant=~"$tenant"'
_PER_HOUR: Final = 3600


def _spent(metric: str, selector: str, by: str) -> str:
    return f"sum by ({by}) (increase({metric}{{{selector}}}[$__range]))"


COST: Final = Board(
    uid="llmgw-cost",
    title="llmgw: cost",
    about="What calls cost, and what budgets make of it. Exact sums are the ledger's: llmgw usage.",
    variables=(*VARIABLES, MODELS, _TENANT),
    rows=(
        (
            "Spent",
            (
                Panel(
                    title="In the time shown",
                    kind="stat",
                    unit=_USD,
                    height=4,
                    queries=(Query(f"sum(increase(llmgw_tenant_cost_total{{{_OF_TENANT}}}[$__range]))"),),
                ),
                Panel(
                    title="In an hour, at the rate of now",
                    kind="stat",
                    unit=_USD,
                    height=4,
                    queries=(Query(f"{rate('llmgw_tenant_cost_total', _OF_TENANT)} * {_PER_HOUR}"),),
                ),
                Panel(
                    title="In an hour, by whose prices",
                    kind="stat",
                    unit=_USD,
                    height=4,
                    queries=(
                        Query(f"{rate('llmgw_cost_total', OF_MODEL, 'source')} * {_PER_HOUR}", "{{source}}"),
                    ),
                ),
                Panel(
                    title="US dollars in an hour, by model",
                    unit=_USD,
                    stacked=True,
                    width=12,
                    queries=(
                        Query(
                            f"{rate('llmgw_cost_total', OF_MODEL, 'gen_ai_request_model')} * {_PER_HOUR}",
                            "{{gen_ai_request_model}}",
                        ),
                    ),
                ),
                Panel(
                    title="US dollars in an hour, by tenant",
                    unit=_USD,
                    stacked=True,
                    width=12,
                    queries=(
                        Query(
                            f"{rate('llmgw_tenant_cost_total', _OF_TENANT, 'llmgw_tenant')} * {_PER_HOUR}",
                            "{{llmgw_tenant}}",
                        ),
                    ),
                ),
                Panel(
                    title="By model, in the time shown",
                    kind="table",
                    unit=_USD,
                    width=12,
                    queries=(
                        Query(
                            _spent(
                                "llmgw_cost_total", OF_MODEL, "gen_ai_provider_name, gen_ai_request_model"
                            ),
                            instant=True,
                        ),
                    ),
                ),
                Panel(
                    title="By tenant, in the time shown",
                    kind="table",
                    unit=_USD,
                    width=12,
                    queries=(
                        Query(_spent("llmgw_tenant_cost_total", _OF_TENANT, "llmgw_tenant"), instant=True),
                    ),
                ),
            ),
        ),
        (
            "Budgets",
            (
                Panel(
                    title="Used",
                    kind="bargauge",
                    unit="percentunit",
                    width=12,
                    most=1,
                    steps=((None, "green"), (0.8, "yellow"), (0.95, "red")),
                    queries=(
                        Query(
                            f"max by (llmgw_tenant, budget) (llmgw_budget_used_ratio{{{_OF_TENANT}}})",
                            "{{llmgw_tenant}} {{budget}}",
                            instant=True,
                        ),
                    ),
                ),
                Panel(
                    title="Calls refused by limits and budgets",
                    unit="reqps",
                    stacked=True,
                    width=12,
                    queries=(
                        Query(
                            rate("llmgw_admission_refusals_total", ALL, "code, scope"), "{{scope}}: {{code}}"
                        ),
                    ),
                ),
            ),
        ),
        (
            "Books",
            (
                Panel(
                    title="Calls that wait for the ledger",
                    queries=(Query(f"sum by (instance) (llmgw_ledger_waiting{{{ALL}}})", "{{instance}}"),),
                ),
                Panel(
                    title="Lost costs, and books that disagree",
                    steps=NONE_IS_GOOD,
                    queries=(
                        Query(f"sum(llmgw_ledger_lost{{{ALL}}})", "lost"),
                        Query(f"max by (invariant) (llmgw_books_violations{{{ALL}}})", "{{invariant}}"),
                    ),
                ),
                Panel(
                    title="Journals",
                    kind="state-timeline",
                    states="up",
                    queries=(
                        Query(
                            f"min by (instance, worker) (llmgw_journal_ready{{{ALL}}})",
                            "{{instance}} {{worker}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
