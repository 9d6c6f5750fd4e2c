"""The fake provider and the gateway of the short rows, and the invariants told at the end."""

import pytest
from tests.faults.conftest import fake, gateway
from tests.faults.money import BROKEN, INVARIANTS, PROVED

__all__ = ["fake", "gateway"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how often each invariant was looked at, and how often it was violated."""
    terminalreporter.section("invariants")
    for name, promise in INVARIANTS.items():
        terminalreporter.write_line(
            f"{name}  {BROKEN[name]:>6} violations in {PROVED[name]:>8} looks  {promise}"
        )
