"""The pages of `llmgw prompts`: short, and nothing in them that a terminal obeys."""

from typing import Any

import msgspec
import pytest
from llmgw.cli.prompts import pages
from llmgw.cli.prompts.answers import (
    Caller,
    Callers,
    Difference,
    Gate,
    History,
    Progress,
    Prompts,
    Remark,
    Rendering,
    Version,
)
from llmgw.types.prompt import PromptInfo
from rich.console import Console, RenderableType
from tests.unit.cli.test_remote import EVIL, RAW

LABEL: dict[str, Any] = {
    "version": 1,
    "rev": 3,
    "moved_ms": 1,
    "moved_by": EVIL,
    "pending": {"version": 2, "by": EVIL, "at_ms": 1},
    "rollout": {
        "id": EVIL,
        "candidate": 2,
        "steps": [100, 2000],
        "weight": 2000,
        "step": 1,
        "started_by": EVIL,
    },
}
INFO: dict[str, Any] = {
    "number": 1,
    "hash": EVIL,
    "author": EVIL,
    "created_ms": 1,
    "message": EVIL,
    "source": {"kind": "cli", "repo": EVIL, "commit": "c", "path": EVIL},
    "successor": EVIL,
    "gate": {"verdict": "pass", "cases": 20, "passed": 20, "dataset": "d", "at_ms": 1, "reasons": [EVIL]},
}
GATE: dict[str, Any] = {
    "verdict": "fail",
    "cases": 2,
    "passed": 1,
    "reasons": [EVIL],
    "model": EVIL,
    "comparison": {"against": EVIL, "wins": 1, "losses": 2, "ties": 3, "p_value": 0.5},
    "results": [
        {"name": EVIL, "ok": False, "failures": [EVIL, {"message": EVIL}, {"other": EVIL}]},
        {"name": "b", "ok": True},
    ],
}
EVENT: dict[str, Any] = {
    "at_ms": 1,
    **dict.fromkeys(("who", "op", "subject", "before", "after", "reason", "detail"), EVIL),
}


def drawn(*found: RenderableType) -> str:
    """What is printed."""
    console = Console(record=True, width=10_000, soft_wrap=True, highlight=False)
    with console.capture() as capture:
        for each in found:
            console.print(each)
    return capture.get()


def read(kind: type[Any], value: Any) -> Any:
    """A value as it comes from a gateway."""
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)


def _prompt() -> dict[str, Any]:
    versions = {number: {**INFO, "number": number} for number in range(1, 31)}
    return {
        "name": "p",
        "rev": 1,
        "created_ms": 1,
        "updated_ms": 1,
        "versions": versions,
        "labels": {EVIL: LABEL},
    }


PAGES = {
    "list": pages.listing(
        read(Prompts, {"prompts": [{"name": EVIL, "newest": 2, "labels": {EVIL: LABEL}}]}).prompts
    ),
    "prompt": pages.prompt(read(PromptInfo, _prompt())),
    "version": pages.version("p", read(Version, {"info": INFO, "content": {}}).info, f"---\n{EVIL}\n\ttab"),
    "diff": pages.difference(
        read(
            Difference,
            {"from": 1, "to": 2, "text": f"+{EVIL}", "changed": [EVIL], "breaking": [{"message": EVIL}]},
        )
    ),
    "remarks": pages.remarks(EVIL, [Remark(rule=EVIL, pointer=EVIL, message=EVIL, severity="error")])[0],
    "rendering": pages.rendering(
        read(Rendering, {"messages": [{"role": EVIL, "content": EVIL}], "history": 1})
    ),
    "gate": pages.gate(EVIL, read(Gate, GATE)),
    "progress": pages.progress("production", 1, read(Progress, {"rollout": LABEL["rollout"], "arms": {}})),
    "history": pages.history(read(History, {"events": [EVENT], "intact": False, "problem": EVIL})),
    "callers": pages.callers(
        read(Callers, {"callers": [{"version": 1, "key_id": EVIL, "key_name": EVIL}]}).callers
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_nothing_on_a_page_is_obeyed_by_a_terminal(name: str) -> None:
    """Escapes, bells, carriage returns, reversed text and markup are shown as what they are."""
    text = drawn(PAGES[name])
    assert RAW.isdisjoint(text), text
    if name != "progress":
        assert "[bold]markup[/bold]" in text


def test_long_lists_end() -> None:
    """The last twenty versions, twenty cases that failed, five hundred lines of a file."""
    assert "and 10 earlier ones" in drawn(PAGES["prompt"])
    results = [{"name": f"case-{number}", "ok": number < 60} for number in range(90)]
    found = read(Gate, {**GATE, "results": results})
    text = drawn(pages.gate("p@1", found))
    assert "case-60" in text
    assert "case-0" not in text
    assert "and 10 more that failed" in text
    assert "case-0" in drawn(pages.gate("p@1", found, every=True))
    file = "\n".join(map(str, range(600)))
    assert "100 more lines" in drawn(
        pages.version("p", read(Version, {"info": INFO, "content": {}}).info, file)
    )


def test_the_place_of_the_conversation_is_shown() -> None:
    """Between the messages, and after the last one."""
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    for place, lines in (
        (1, ["system:", "a", "(the conversation)", "user:", "b"]),
        (2, ["system:", "a", "user:", "b", "(the conversation)"]),
    ):
        text = drawn(pages.rendering(read(Rendering, {"messages": messages, "history": place})))
        assert text.split("\n")[:5] == lines


def test_a_rollout_is_told_in_percents() -> None:
    """Both versions, the share, the step, and what keeps to one version; without a rollout that is said."""
    text = drawn(PAGES["progress"])
    assert "20% of calls get version 2, the others 1; running, step 2 of 2 (1%, 20%), by context" in text
    assert drawn(pages.progress("production", 1, Progress())).strip() == "no rollout of production"


def test_what_callers_are_told_as_a_breaking_change_is_marked() -> None:
    """A diff ends in what breaks callers."""
    found = {
        "from": 1,
        "to": 2,
        "text": "-a\n+b",
        "breaking": [{"pointer": "/input_schema", "message": "a new member is required"}],
    }
    assert "breaks callers a new member is required at /input_schema" in drawn(
        pages.difference(read(Difference, found))
    )


def test_callers_are_listed_by_name() -> None:
    """Version, key, name, calls."""
    row = drawn(pages.callers([Caller(version=3, key_id="k1", key_name="shop", calls=7, last_seen_ms=0)]))
    assert all(word in row for word in ("3", "k1", "shop", "7", "1970-01-01"))
