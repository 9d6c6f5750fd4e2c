"""Whose a call's instructions are: the profile that stands beside a target which is missed."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import llmgw

from loadtests.tables import NONE, drawn, number

LEAST: Final = 0.01
"""Rooms with less than this of every call are told together."""
LONGEST_S: Final = 120.0
REST: Final = "the rest"

_PACKAGE: Final = f"{Path(llmgw.__file__).parent}/"
_LIBRARIES: Final = (re.compile(r"/site-packages/(\w+)"), re.compile(r"/lib/python[0-9.]+/(\w+)"))


def room_of(file: str) -> str:
    """Name the room, library or module of the standard library that a source file belongs to."""
    if file.startswith(_PACKAGE):
        return f"llmgw/{file.removeprefix(_PACKAGE).partition('/')[0].removesuffix('.py')}"
    for library in _LIBRARIES:
        found = library.search(file)
        if found:
            return found[1]
    return REST


def by_room(files: Mapping[str, int]) -> dict[str, int]:
    """Add up instructions by room."""
    found: Counter[str] = Counter()
    for file, count in files.items():
        found[room_of(file)] += count
    return dict(found)


def profile(scenarios: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Count the instructions of scenarios' calls in a process of its own; returns them by room, by scenario.

    Raises:
        RuntimeError: they could not be counted.
    """
    command = [sys.executable, "-m", "loadtests.counts", "--json", *(f"--only={name}" for name in scenarios)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONGEST_S)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"instructions were not counted: {error.stderr[-300:]}") from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"instructions were not counted within {LONGEST_S:g} s") from error
    found: Mapping[str, Mapping[str, int]] = json.loads(ran.stdout)  # noqa: TID251  # ours
    return {name: by_room(files) for name, files in found.items()}


def table(found: Mapping[str, Mapping[str, int]]) -> str:
    """Draw a column for each scenario: instructions of the interpreter per call, and their share."""
    wholes = {name: sum(rooms.values()) for name, rooms in found.items()}
    shown = {room for name, rooms in found.items() for room in rooms if rooms[room] >= LEAST * wholes[name]}
    shown -= {REST}
    order = sorted(shown, key=lambda room: -max(rooms.get(room, 0) for rooms in found.values()))
    lines = [("instructions a call", *found), ("all", *(number(whole) for whole in wholes.values()))]
    lines += [(room, *(_cell(found[name].get(room, 0), wholes[name]) for name in found)) for room in order]
    rest = {name: wholes[name] - sum(rooms.get(room, 0) for room in shown) for name, rooms in found.items()}
    lines.append((REST, *(_cell(rest[name], wholes[name]) for name in found)))
    return drawn("profile: where the instructions of calls go whose target is missed", lines)


def _cell(count: int, whole: int) -> str:
    return f"{count:,} ({100 * count / whole:.0f} %)" if count else NONE
