"""Deny by default: what each route asks of its caller is written down, and nothing is open that is not."""

import pytest
from litestar import Litestar, get
from llmgw.http.permissions import Permission, held_by
from llmgw.types.call import Caller, Role
from tests.route_table import ROWS, application, routes_of

WIDE = {Permission.PUBLIC, Permission.CALL, Permission.INSPECT}
"""What a caller's key holds."""

READING = {"/admin/v1/reconcile"}
"""Routes for viewers that take more words than an address has room for."""


def _generic(path: str) -> str:
    """A path without the names of its parameters."""
    return "/".join("{}" if step.startswith("{") else step for step in path.split("/"))


def declared() -> dict[tuple[str, str], object]:
    """What the routes declare."""
    found: dict[tuple[str, str], object] = {}
    for method, path, permission in routes_of(application()):
        # A prompt's name has up to four parts, each number a route of its own: all must declare the same.
        assert found.setdefault((method, _generic(path)), permission) is permission, path
    return found


def test_every_route_declares_what_is_written_down_for_it() -> None:
    """A route that is new, gone, or open to others than before, is seen here."""
    expected = {(row.method, _generic(row.path)): row.permission for row in ROWS}
    assert len(expected) == len(ROWS)
    assert declared() == expected


def test_a_route_that_declares_nothing_is_found() -> None:
    """The walk sees handlers without a permission."""

    @get("/nothing", sync_to_thread=False)
    def nothing() -> None:
        pass

    assert list(routes_of(Litestar([nothing], openapi_config=None))) == [("GET", "/nothing", None)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_nothing_is_wider_than_its_place(row: tuple[object, ...]) -> None:
    """What is under /admin is for no caller's key, what changes is not for viewers; only probes are public."""
    method, path, permission = row[:3]
    admin = str(path).startswith("/admin/")
    assert (permission is Permission.PUBLIC) == (path in {"/livez", "/readyz"})
    assert not (admin and permission in WIDE)
    assert not (admin and method != "GET" and permission is Permission.VIEW and path not in READING)
    assert admin or permission in WIDE or permission is Permission.PUBLISH or path == "/metrics"


@pytest.mark.parametrize(
    ("role", "held"),
    [
        ("viewer", {"inspect", "view"}),
        ("caller", {"call", "inspect"}),
        ("publisher", {"call", "inspect", "publish", "roll_back", "view"}),
        ("operator", {"call", "inspect", "view", "roll_back", "operate"}),
        ("admin", {"call", "inspect", "publish", "roll_back", "view", "operate", "administer"}),
    ],
)
def test_what_a_role_holds_is_written_down(role: Role, held: set[str]) -> None:
    """A right more is seen here; a token that may not call holds the same without that."""
    assert set(held_by(Caller(key_id="k", name="n", role=role))) == held
    assert set(held_by(Caller(key_id="k", name="n", role=role, may_call=False))) == held - {"call"}
