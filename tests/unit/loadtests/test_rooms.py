"""Whose instructions are whose."""

from pathlib import Path

import llmgw
import pytest
from loadtests.rooms import by_room, room_of, table
from loadtests.targets import Target, missed

_HERE = str(Path(llmgw.__file__).parent)


@pytest.mark.parametrize(
    ("file", "room"),
    [
        (f"{_HERE}/gateway/accounts/claim.py", "llmgw/gateway"),
        (f"{_HERE}/gateway.py", "llmgw/gateway"),
        ("/home/me/llmgw/.venv/lib/python3.11/site-packages/litestar/app.py", "litestar"),
        ("/usr/lib/python3.12/asyncio/tasks.py", "asyncio"),
        ("/usr/lib/python3.12/hmac.py", "hmac"),
        ("<string>", "the rest"),
        ("/home/me/tool.py", "the rest"),
    ],
)
def test_a_file_belongs_to_its_room(file: str, room: str) -> None:
    """A file of the project belongs to its room, an installed one to its package, and others to nobody."""
    assert room_of(file) == room


def test_rooms_are_added_up_and_drawn_beside_each_other() -> None:
    """A table has what rooms take of each scenario; what is under a hundredth everywhere is told as the rest."""
    files = {"http/a.py": 600, "http/b.py": 300, "wire/a.py": 95, "cli.py": 5}
    rooms = by_room({f"{_HERE}/{file}": count for file, count in files.items()})
    assert rooms == {"llmgw/http": 900, "llmgw/wire": 95, "llmgw/cli": 5}
    lines = [
        line.replace(" ", "") for line in table({"chat": rooms, "long": {"llmgw/http": 50}}).splitlines()
    ]
    assert lines[2] == "|instructionsacall|chat|long|"
    assert lines[4:] == [
        "|all|1,000|50|",
        "|llmgw/http|900(90%)|50(100%)|",
        "|llmgw/wire|95(10%)|-|",
        "|therest|5(0%)|-|",
    ]


def test_a_profile_is_asked_for_what_costs_too_much() -> None:
    """Targets that are met, unmeasured, or not about a call's CPU ask for none."""
    targets = [
        Target(title="a", wanted="1", met=False, scenario="chat"),
        Target(title="b", wanted="1", met=True, scenario="all-on"),
        Target(title="c", wanted="1", scenario="context-1000"),
        Target(title="d", wanted="1", met=False),
    ]
    assert missed(targets) == ["chat"]
