"""The Lua of this room: one file a script."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.prompts.storage") / "lua"


def _script(name: str, flags: str = "") -> Script:
    return Script.read(_FOLDER, "prompts", name, flags=flags)


COMMIT: Final = _script("commit").in_bulk()
PEEK: Final = _script("peek", "no-writes")
READ: Final = _script("read", "no-writes").in_bulk()
CONTENTS: Final = _script("contents", "no-writes").in_bulk()
FLUSH: Final = _script("flush")
