"""No route reads or changes a context unseen."""

import ast
from collections.abc import Iterator
from pathlib import Path

import llmgw
import pytest

HTTP = Path(llmgw.__file__).parent / "http"
ROUTE = {"get", "post", "put", "patch", "delete"}
TELLS = {"telling", "recorded"}
"""`telling(…)` of an operation, or `recorded(…)` of a call."""
LISTS = {"contexts.py:find"}
"""Routes about no context in particular that change none."""


def _name(node: ast.expr) -> str:
    match node:
        case ast.Call(func=function):
            return _name(function)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _routes() -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    for path in sorted(HTTP.glob("context*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef) and ROUTE & set(map(_name, node.decorator_list)):
                yield f"{path.name}:{node.name}", node


ROUTES = dict(_routes())


def test_there_are_routes_to_look_at() -> None:
    """The search finds what it is about."""
    assert {"contexts.py:find", "context_compact.py:compact", "context_state.py:replace"} <= set(ROUTES)


@pytest.mark.parametrize("route", sorted(set(ROUTES) - LISTS))
def test_a_route_about_a_context_tells_of_it(route: str) -> None:
    """Each has an operation told, or a call recorded."""
    calls = {_name(node) for node in ast.walk(ROUTES[route]) if isinstance(node, ast.Call)}
    assert calls & TELLS
