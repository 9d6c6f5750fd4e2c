"""What several dashboards have in common: which series they look at, and where they change colour."""

from typing import Final

ALL: Final = 'job="llmgw",instance=~"$instance",worker=~"$worker"'
OF_MODEL: Final = f'{ALL},gen_ai_request_model=~"$model"'
OF_PROMPT: Final = f'{ALL},prompt=~"$prompt"'

VARIABLES: Final = (
    ("instance", 'label_values(llmgw_calls_active{job="llmgw"}, instance)'),
    ("worker", 'label_values(llmgw_calls_active{job="llmgw",instance=~"$instance"}, worker)'),
)
MODELS: Final = (
    "model",
    'label_values(gen_ai_client_operation_duration_seconds_count{job="llmgw"}, gen_ai_request_model)',
)
PROMPTS_NAMED: Final = ("prompt", 'label_values(llmgw_prompt_calls_total{job="llmgw"}, prompt)')

ERRORS: Final = ((None, "green"), (0.001, "yellow"), (0.0144, "red"))
"""Shares of failures; the highest is what pages."""
SHARES: Final = ((None, "green"), (0.05, "yellow"), (0.2, "red"))
NONE_IS_GOOD: Final = ((None, "green"), (0.5, "red"))
