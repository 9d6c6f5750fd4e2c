"""What is missing: the store's own account of itself, judged."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

ProblemCode: TypeAlias = Literal[
    "store_unreachable",
    "store_refused",
    "store_loading",
    "store_read_only",
    "store_evicts",
    "store_not_durable",
    "store_reset",
]


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong with the store; a `fatal` one means that calls cannot be served rightly."""

    code: ProblemCode
    message: str
    fix: str
    fatal: bool = True

    def as_json(self) -> dict[str, str]:
        """The problem as readiness tells it: public, so without addresses."""
        return {"code": self.code, "message": self.message, "fix": self.fix}


def judge(info: Mapping[str, Any]) -> list[Problem]:
    """Read one node's INFO answer; an empty list means that all is well."""
    problems = []
    if _is(info, "loading", "1"):
        problems.append(
            Problem(
                code="store_loading",
                message="the store is reading its data from disk",
                fix="wait until it has loaded; its own log tells how far it is",
            )
        )
    if info.get("role") == "slave":
        problems.append(
            Problem(
                code="store_read_only",
                message="the store is a read-only replica",
                fix="point state.url at the primary, or use a redis+sentinel:// URL that finds it",
            )
        )
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        problems.append(
            Problem(
                code="store_evicts",
                message=f"the store throws data away when memory is short ({info['maxmemory_policy']})",
                fix="set maxmemory-policy noeviction on the server",
            )
        )
    if _is(info, "aof_enabled", "0"):
        problems.append(
            Problem(
                code="store_not_durable",
                message="the store keeps no append-only file, so a crash loses keys and budgets",
                fix="set appendonly yes on the server",
                fatal=False,
            )
        )
    return problems


def _is(info: Mapping[str, Any], field: str, value: str) -> bool:
    return str(info.get(field, "")) == value
