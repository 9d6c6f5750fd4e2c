"""The Lua of this room: one file a script, each behind the same prelude."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.context.storage") / "lua"
_PRELUDE: Final = (_FOLDER / "prelude.lua").read_text(encoding="utf-8")


def _script(name: str, flags: str = "") -> Script:
    return Script.read(_FOLDER, "context", name, flags=flags, prelude=_PRELUDE)


BEGIN: Final = _script("begin")
COMMIT: Final = _script("commit")
RELEASE: Final = _script("release", "allow-oom")
RENEW: Final = _script("renew")
REMEMBER: Final = _script("remember")
READ: Final = _script("read").in_bulk()
CREATE: Final = _script("create")
STATE: Final = _script("state")
REPLACE: Final = _script("replace").in_bulk()
MARK: Final = _script("mark", "allow-oom")
ERASE: Final = _script("erase", "allow-oom").in_bulk()
FORK: Final = _script("fork")
