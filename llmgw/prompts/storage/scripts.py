"""The Lua of this room: one file a script."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.prompts.storage") / "lua"


def _script(name: str, *, reads: bool = False) -> Script:
    """Read one script; one that only `reads` runs when there is no memory left, too."""
    flags = " flags=no-writes" if reads else ""
    body = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    return Script(f"prompts_{name}", f"{Script.HEADER}{flags}\n{body}")


COMMIT: Final = _script("commit")
PEEK: Final = _script("peek", reads=True)
READ: Final = _script("read", reads=True)
CONTENTS: Final = _script("contents", reads=True)
FLUSH: Final = _script("flush")
