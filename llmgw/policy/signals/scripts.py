"""The Lua of this room."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.policy.signals") / "lua"

TELL: Final = Script.read(_FOLDER, "signals", "tell")
HOLD: Final = Script.read(_FOLDER, "signals", "hold")
NOTE: Final = Script.read(_FOLDER, "signals", "note")
LET_GO: Final = Script.read(_FOLDER, "signals", "let_go", flags="allow-oom")
