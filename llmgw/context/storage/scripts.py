"""The Lua of this room: one file a script, each behind the same prelude."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.context.storage") / "lua"
_PRELUDE: Final = (_FOLDER / "prelude.lua").read_text(encoding="utf-8")


def _script(name: str, *, frees: bool = False) -> Script:
    """Read one script; one that `frees` memory runs when there is none left, too."""
    flags = " flags=allow-oom" if frees else ""
    body = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    return Script(f"context_{name}", f"{Script.HEADER}{flags}\n{_PRELUDE}\n{body}")


BEGIN: Final = _script("begin")
COMMIT: Final = _script("commit")
RELEASE: Final = _script("release", frees=True)
RENEW: Final = _script("renew")
REMEMBER: Final = _script("remember")
READ: Final = _script("read")
CREATE: Final = _script("create")
STATE: Final = _script("state")
REPLACE: Final = _script("replace")
MARK: Final = _script("mark", frees=True)
ERASE: Final = _script("erase", frees=True)
FORK: Final = _script("fork")
