"""What the dashboard of the gateway's insides shows."""

from typing import Final

from deploy.grafana.panels import Board, Panel, Query, quantile, rate
from deploy.grafana.selectors import ALL, NONE_IS_GOOD, VARIABLES

_WORKER: Final = "instance, worker"
_NAME: Final = "{{instance}} {{worker}}"
_OF_MODELS: Final = "gen_ai_client_operation_duration_seconds_count"


def _by_worker(metric: str, how: str = "sum") -> Query:
    return Query(f"{how} by ({_WORKER}) ({metric}{{{ALL}}})", _NAME)


INTERNALS: Final = Board(
    uid="llmgw-internals",
    title="llmgw: internals",
    about="Workers, queues, the store, and what is told of calls.",
    variables=VARIABLES,
    rows=(
        (
            "Workers",
            (
                Panel(
                    title="Lag of the event loop, 99th percentile",
                    unit="s",
                    steps=((None, "green"), (0.1, "red")),
                    queries=(Query(quantile(0.99, "llmgw_loop_lag_seconds", ALL, _WORKER), _NAME),),
                ),
                Panel(title="Calls at work", queries=(_by_worker("llmgw_calls_active"),)),
                Panel(
                    title="Requests by worker",
                    unit="reqps",
                    queries=(Query(rate("llmgw_requests_total", ALL, _WORKER), _NAME),),
                ),
                Panel(
                    title="Processor",
                    unit="percentunit",
                    about="1 is one core.",
                    queries=(Query(rate("process_cpu_seconds_total", ALL, _WORKER), _NAME),),
                ),
                Panel(
                    title="Processor time per call that reached a provider",
                    unit="s",
                    queries=(
                        Query(
                            f"{rate('process_cpu_seconds_total', ALL)} / {rate(_OF_MODELS, ALL)}", "per call"
                        ),
                    ),
                ),
                Panel(title="Memory", unit="bytes", queries=(_by_worker("process_resident_memory_bytes"),)),
                Panel(
                    title="Open files, by what is allowed",
                    unit="percentunit",
                    most=1,
                    queries=(
                        Query(
                            f"max by ({_WORKER}) (process_open_fds{{{ALL}}} / process_max_fds{{{ALL}}})",
                            _NAME,
                        ),
                    ),
                ),
                Panel(
                    title="Age of workers",
                    unit="s",
                    about="Falls to nothing when a worker is started again.",
                    queries=(
                        Query(f"time() - max by ({_WORKER}) (process_start_time_seconds{{{ALL}}})", _NAME),
                    ),
                ),
                Panel(
                    title="Generation of settings",
                    about="Workers of one gateway go by the same one.",
                    least=None,
                    queries=(_by_worker("llmgw_config_generation", "max"),),
                ),
                Panel(
                    title="Reloads of settings",
                    about="What is refused changes nothing.",
                    queries=(
                        Query(
                            "sum by (instance, outcome)"
                            f" (increase(llmgw_config_reloads_total{{{ALL}}}[$__rate_interval]))",
                            "{{instance}} {{outcome}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Store and queues",
            (
                Panel(
                    title="Store",
                    kind="state-timeline",
                    states="up",
                    queries=(_by_worker("llmgw_store_up", "min"),),
                ),
                Panel(
                    title="Queues, by what they take",
                    unit="percentunit",
                    most=1,
                    steps=((None, "green"), (0.8, "red")),
                    queries=(
                        Query(
                            f"max by (queue) (llmgw_queue_depth{{{ALL}}} / llmgw_queue_limit{{{ALL}}})",
                            "{{queue}}",
                        ),
                    ),
                ),
                Panel(
                    title="Waiting in queues",
                    stacked=True,
                    queries=(Query(f"sum by (queue) (llmgw_queue_depth{{{ALL}}})", "{{queue}}"),),
                ),
            ),
        ),
        (
            "What is told of calls",
            (
                Panel(
                    title="Call log",
                    unit="reqps",
                    about="Stored in the buffer, and written to segments.",
                    queries=(Query(rate("llmgw_call_log_events_total", ALL, "outcome"), "{{outcome}}"),),
                ),
                Panel(
                    title="Call log: age of what is not yet written",
                    unit="s",
                    steps=((None, "green"), (300.0, "red")),
                    queries=(Query(f"max(llmgw_call_log_behind_seconds{{{ALL}}})", "oldest event"),),
                ),
                Panel(
                    title="Lost and dropped",
                    steps=NONE_IS_GOOD,
                    queries=(
                        Query(
                            f"sum by (reason) (increase(llmgw_call_log_lost_total{{{ALL}}}[$__rate_interval]))",
                            "call log: {{reason}}",
                        ),
                        Query(
                            f"sum by (kind) (increase(llmgw_telemetry_dropped_total{{{ALL}}}[$__rate_interval]))",
                            "{{kind}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
