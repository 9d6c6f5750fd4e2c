"""The docstrings of a struct's members, which only its source has, in the JSON Schema made of it."""

import ast
import inspect
import itertools
from typing import Any

from msgspec import Struct


def describe(definition: dict[str, Any], cls: type[Struct]) -> None:
    """Copy the docstrings of members into their schemas."""
    (body,) = ast.parse(inspect.getsource(cls)).body
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for member, docstring in itertools.pairwise(statements):
        match member, docstring:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ) if name in definition["properties"]:
                definition["properties"][name]["description"] = " ".join(text.split())
