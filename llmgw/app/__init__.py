"""The only room that knows every room: builds the application of one worker from the settings."""

from llmgw.app.call_log import open_content_key
from llmgw.app.handover import Handed, Handover, HandoverError
from llmgw.app.parts import Secrets, open_archive
from llmgw.app.shared import prepare_to_fork
from llmgw.app.worker import DRAIN_SIGNAL, RELOAD_SIGNAL, Worker, create_app

__all__ = [
    "DRAIN_SIGNAL",
    "RELOAD_SIGNAL",
    "Handed",
    "Handover",
    "HandoverError",
    "Secrets",
    "Worker",
    "create_app",
    "open_archive",
    "open_content_key",
    "prepare_to_fork",
]
