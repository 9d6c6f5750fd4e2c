"""The Lua of this room."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.policy.signals") / "lua"

TELL: Final = Script.read(_FOLDER, "signals", "tell")
NOTE: Final = Script.read(_FOLDER, "signals", "note")
