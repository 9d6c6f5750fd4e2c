"""Judging a server by its own INFO."""

import pytest
from llmgw.state.health import judge

GOOD = {"loading": 0, "role": "master", "maxmemory_policy": "noeviction", "aof_enabled": 1}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"loading": 1}, ["store_loading"]),
        ({"role": "slave"}, ["store_read_only"]),
        ({"maxmemory_policy": "allkeys-lru"}, ["store_evicts"]),
        ({"aof_enabled": 0}, ["store_not_durable"]),
        ({"role": "slave", "aof_enabled": 0}, ["store_read_only", "store_not_durable"]),
    ],
)
def test_each_fault_is_one_problem(changed: dict[str, object], expected: list[str]) -> None:
    """Nothing is reported twice, nothing good is reported."""
    assert [problem.code for problem in judge({**GOOD, **changed})] == expected


def test_a_server_that_tells_little_is_trusted() -> None:
    """Managed servers hide fields; what is not said is no fault."""
    assert judge({}) == []


def test_a_problem_tells_what_and_how_to_mend_it() -> None:
    """Readiness shows code, message and fix."""
    (problem,) = judge({**GOOD, "maxmemory_policy": "allkeys-lru"})
    assert problem.as_json() == {
        "code": "store_evicts",
        "message": "the store throws data away when memory is short (allkeys-lru)",
        "fix": "set maxmemory-policy noeviction on the server",
    }
