"""What workers have in common, made before they are forked, so that it is in memory once."""

import gc
import importlib

from llmgw.settings import Settings


def prepare_to_fork(settings: Settings) -> None:
    """Read what every worker with these settings will need, and keep the collector from writing on its pages."""
    if settings.telemetry.otlp_endpoint:
        importlib.import_module("llmgw.telemetry.sending")
        importlib.import_module("llmgw.telemetry.metrics_export")
    gc.collect()
    gc.freeze()
