"""Rules of the house that no linter knows."""

import ast
import asyncio
from pathlib import Path

import pytest
from llmgw import wire
from llmgw.http.permissions import Permission
from llmgw.types import auth_errors, context_errors, errors, prompt_errors
from llmgw.types.errors import GatewayError
from llmgw.types.json import decode
from llmgw.wire.base import WireFormat
from tests.route_table import application, routes_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "llmgw"
MAX_FILE = 400
MAX_FUNCTION = 60
"""Forty lines are the aim; past sixty a function is refused."""


def _sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _error_classes() -> list[type[GatewayError]]:
    found = {
        each
        for module in (errors, auth_errors, context_errors, prompt_errors)
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, GatewayError) and not name.startswith("_")
    }
    return sorted(found, key=lambda each: each.__name__)


def test_every_route_declares_its_permission() -> None:
    """A route without a declared permission cannot exist."""
    routes = list(routes_of(application()))
    assert {type(permission) for _, _, permission in routes} == {Permission}
    public = {path for _, path, permission in routes if permission is Permission.PUBLIC}
    assert public == {"/livez", "/readyz"}
    assert {each.path for each in wire.WIRES} <= {path for _, path, _ in routes}


@pytest.mark.parametrize("kind", _error_classes(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dialect", wire.WIRES, ids=lambda dialect: dialect.path)
def test_every_error_has_a_shape_in_every_dialect(kind: type[GatewayError], dialect: WireFormat) -> None:
    """Each error class has a code and a 4xx or 5xx status, and every wire format can say it."""
    error = kind("what happened")
    assert 400 <= error.status <= 599
    assert 400 <= dialect.status_of(error) <= 599
    told = decode(dialect.encode_error(error, "req_1"))["error"]
    code = told["code"] if "code" in told else told["details"]["error_code"]
    assert error.code == code
    assert "what happened" in told["message"]


def test_the_error_tree_in_the_docstring_is_whole() -> None:
    """Every class that answers callers is drawn at the top of one of the three files."""
    drawing = f"{errors.__doc__} {auth_errors.__doc__} {context_errors.__doc__} {prompt_errors.__doc__}"
    undrawn = {kind.__name__ for kind in _error_classes()} - set(drawing.split())
    assert set() == undrawn - {"GatewayError", "RequestError", "Unavailable", "ProviderError"}


def test_codes_are_not_shared() -> None:
    """A code names one class, bases that are never raised by themselves aside."""
    leaves = [
        kind
        for kind in _error_classes()
        if kind not in {GatewayError, errors.RequestError, errors.ProviderError}
    ]
    codes = [kind.code for kind in leaves]
    assert sorted(set(codes)) == sorted(codes)


def test_files_stay_readable() -> None:
    """No source file is over 400 lines."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in _sources()
        if (count := len(path.read_text().splitlines())) > MAX_FILE
    }
    assert long == {}


def test_functions_stay_readable() -> None:
    """No function is over sixty lines."""
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": node.end_lineno - node.lineno
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > MAX_FUNCTION
    }
    assert long == {}


def test_every_room_says_what_it_is_for() -> None:
    """Every module opens with a docstring, and no module has a name that says nothing."""
    silent = [str(path) for path in _sources() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []
    nameless = {"utils", "util", "helpers", "helper", "common", "core", "manager", "misc"}
    assert [str(path) for path in _sources() if path.stem in nameless or path.parent.name in nameless] == []


def test_nothing_names_a_package_index() -> None:
    """Locks are hash-pinned and free of addresses."""
    for lock in (ROOT / "requirements").glob("*.lock"):
        text = lock.read_text()
        assert "http" not in "".join(
            line for line in text.splitlines() if not line.strip().startswith("#") and "==" not in line
        )
        assert "--hash=sha256:" in text


def test_the_default_app_builds_without_touching_anything() -> None:
    """Building an application opens no connection: that is the lifespan's."""
    assert list(routes_of(application()))
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
