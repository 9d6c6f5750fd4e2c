"""Errors on our own routes: RFC 9457 problem documents, where the callers' dialects have no say."""

from typing import Final

from llmgw.types.errors import GatewayError
from llmgw.types.violation import Problem, Violation, pointer_to

PROBLEM: Final = "application/problem+json"

_OURS_UNDER_V1: Final = (
    "/v1/apis",
    "/v1/contexts",
    "/v1/feedback",
    "/v1/me",
    "/v1/prompts",
    "/v1/schemas",
    "/v1/sessions",
    "/v1/tokens",
)


def speaks_problems(path: str) -> bool:
    """Whether errors at a path are problem documents: all but the routes of vendors' dialects."""
    if not path.startswith("/v1/"):
        return True
    return any(path == ours or path.startswith(f"{ours}/") for ours in _OURS_UNDER_V1)


def problem(error: GatewayError) -> Problem:
    """Describe an error as RFC 9457 asks."""
    violations = error.violations
    if not violations and error.param is not None:
        place = pointer_to(*error.param.split("."))
        violations = (Violation(rule=error.code, pointer=place, message=error.message),)
    return Problem(
        type="about:blank",
        title=error.code.replace("_", " "),
        status=error.status,
        detail=error.message,
        code=error.code,
        violations=violations,
    )
