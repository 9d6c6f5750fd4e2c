"""The Lua of this room: one file a script, each of a call's steps behind the same prelude."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.policy.spending") / "lua"
_PRELUDE: Final = (_FOLDER / "prelude.lua").read_text(encoding="utf-8")


def _script(name: str, *, frees: bool = False) -> Script:
    """Read one script of a call's steps; one that `frees` memory runs when there is none left, too."""
    flags = " flags=allow-oom" if frees else ""
    body = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    return Script(f"spending_{name}", f"{Script.HEADER}{flags}\n{_PRELUDE}\n{body}")


def _reader(name: str) -> Script:
    """Read one script that changes nothing, and stands alone."""
    body = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    return Script(f"spending_{name}", f"{Script.HEADER} flags=no-writes\n{body}")


ADMIT: Final = _script("admit")
SETTLE: Final = _script("settle")
RELEASE: Final = _script("release", frees=True)
LAPSE: Final = _script("lapse")
EXTEND: Final = _script("extend")
SNAPSHOT: Final = _reader("snapshot")
LOOK: Final = _reader("look")
