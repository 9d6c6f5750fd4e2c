"""The Lua of this room: one file a script, each of a call's steps behind the same prelude."""

from importlib.resources import files
from typing import Final

from llmgw.state.scripts import Script

_FOLDER: Final = files("llmgw.policy.spending") / "lua"
_RING: Final = (_FOLDER / "ring.lua").read_text(encoding="utf-8")
_PRELUDE: Final = _RING + (_FOLDER / "prelude.lua").read_text(encoding="utf-8")


def _script(name: str, flags: str = "") -> Script:
    return Script.read(_FOLDER, "spending", name, flags=flags, prelude=_PRELUDE)


ADMIT: Final = _script("admit")
SETTLE: Final = _script("settle")
RELEASE: Final = _script("release", "allow-oom")
LAPSE: Final = _script("lapse")
EXTEND: Final = _script("extend")
SNAPSHOT: Final = Script.read(_FOLDER, "spending", "snapshot", flags="no-writes").in_bulk()
STATES: Final = Script.read(_FOLDER, "spending", "states", flags="no-writes")
ROLLUPS: Final = Script.read(_FOLDER, "spending", "rollups", flags="no-writes").in_bulk()
PROVE: Final = Script.read(_FOLDER, "spending", "prove", flags="allow-oom").in_bulk()
TRIM: Final = Script.read(_FOLDER, "spending", "trim", flags="allow-oom").in_bulk()
LEASE: Final = Script.read(_FOLDER, "spending", "lease", flags="allow-oom")
ROOMS: Final = Script.read(_FOLDER, "spending", "rooms", flags="no-writes", prelude=_RING)
