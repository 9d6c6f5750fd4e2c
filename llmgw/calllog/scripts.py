"""The Lua of this room."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.calllog") / "lua"

APPEND: Final = Script.read(_FOLDER, "calllog", "append").in_bulk()
CLAIM: Final = Script.read(_FOLDER, "calllog", "claim")
TAKE: Final = Script.read(_FOLDER, "calllog", "take", flags="allow-oom").in_bulk()
FINISH: Final = Script.read(_FOLDER, "calllog", "finish", flags="allow-oom")
HALT: Final = Script.read(_FOLDER, "calllog", "halt")
JOIN: Final = Script.read(_FOLDER, "calllog", "join")
LOOK: Final = Script.read(_FOLDER, "calllog", "look", flags="no-writes")
LIVE: Final = Script.read(_FOLDER, "calllog", "live", flags="no-writes").in_bulk()
