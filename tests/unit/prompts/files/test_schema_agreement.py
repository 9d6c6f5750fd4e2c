"""The schema and the reader judge a front matter alike, whatever stands in one of its places."""

import copy
import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import pytest
from jsonschema import Draft202012Validator
from llmgw.prompts.files import parse
from llmgw.prompts.files.schema import json_schema
from llmgw.types.prompt_errors import InvalidPrompt

Place: TypeAlias = tuple[str | int, ...]

VALIDATOR: Final = Draft202012Validator(json_schema())
WHOLE: Final[dict[str, Any]] = {
    "name": "a/b",
    "description": "x",
    "model": "m",
    "config": {
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 3,
        "max_tokens": 5,
        "stop": ["a"],
        "seed": 1,
        "frequency_penalty": 1,
        "presence_penalty": -1,
        "reasoning_effort": "low",
    },
    "input": {"schema": {"type": "object"}},
    "output": {"schema": {"type": "object"}},
    "tools": [{"name": "t", "description": "d", "parameters": {"type": "object"}, "strict": True}],
    "tool_choice": "auto",
    "api": {
        "slug": "s",
        "major": 2,
        "summary": "x",
        "repair": True,
        "examples": [{"summary": "s", "input": {}, "output": 1}],
    },
    "tests": {
        "dataset": "a.jsonl",
        "cases": [{"vars": {}}],
        "gate": {"min_pass": 0.9, "max_drop": 0.1, "max_cost_increase": 1},
        "prices": {"input": 1, "output": 2},
    },
    "metadata": {"k": 1},
}
FRONTS: Final[dict[str, dict[str, Any]]] = {
    "whole": WHOLE,
    "messages": {"name": "p", "messages": [{"role": "user", "text": "x"}], "history": 1},
    "partial": {"name": "p", "partial": True},
    "partial text": {"name": "p", "partial": "text"},
}
# None is a whole number with a point: JSON Schema takes it for one without, and the reader wants it plain. None
# names a file beside the prompt, which only the reader can look for.
VALUES: Final[list[Any]] = [
    None, True, False, 0, 1, -1, 2.5, 0.5, -2.5, 1.5, 10**20, 1_000, "", "x", "A", "render", "a/render/b",
    "renders", "a/b/c/d", "a/b/c/d/e", "a b", "x" * 300, "x" * 5000, "user", "tool", [], ["x"], [1], {}, {"x": 1},
    ["a"] * 17, [{}] * 21,
]  # fmt: skip
FREE: Final[set[Place]] = {
    ("input", "schema"),
    ("output", "schema"),
    ("tools", 0, "parameters"),
    ("api", "examples", 0, "output"),
    ("tests", "cases", 0, "vars"),
    ("metadata",),
}
"""Here, or below, anything may stand, which is looked at elsewhere."""


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Where something stands."""
    if path:
        yield path
    if path not in FREE:
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        )
        for step, each in inner:
            yield from places(each, (*path, step))


def changes(front: dict[str, Any], path: Place) -> Iterator[dict[str, Any]]:
    """The front matter with something else in a place, without it, and with one member too many there."""
    for value in VALUES:
        changed, holder = _copied(front, path)
        holder[path[-1]] = value
        yield changed
    changed, holder = _copied(front, path)
    del holder[path[-1]]
    yield changed
    changed, holder = _copied(front, path)
    if isinstance(holder[path[-1]], dict):
        holder[path[-1]]["unheard-of"] = 1
        yield changed


def _copied(front: dict[str, Any], path: Place) -> tuple[dict[str, Any], Any]:
    changed = copy.deepcopy(front)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    return changed, holder


def is_read(front: dict[str, Any]) -> bool:
    """Whether the reader takes it, with a body where it wants one."""
    in_front = bool(front.get("messages")) or front.get("history") is not None
    body = "" if in_front or isinstance(front.get("partial"), str) else "user:\nx\n"
    try:
        parse(f"---\n{json.dumps(front)}\n---\n{body}")
    except InvalidPrompt:
        return False
    return True


def is_known_only_to_the_reader(front: dict[str, Any]) -> bool:
    """Whether messages are counted from more than one place."""
    history, messages = front.get("history"), front.get("messages") or []
    counted = type(history) is int and isinstance(messages, list) and history > len(messages)
    return counted or (front.get("partial", False) is not False and bool(messages))


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, front in FRONTS.items() for path in places(front)]
)
def test_schema_and_reader_agree(name: str, path: Place) -> None:
    """An editor marks exactly what the gateway refuses."""
    verdicts = set()
    for front in changes(FRONTS[name], path):
        if is_known_only_to_the_reader(front):
            continue
        taken = is_read(front)
        assert VALIDATOR.is_valid(front) == taken, front
        verdicts.add(taken)
    assert False in verdicts or path in FREE
