"""A real backend is sent a gateway's traces and asked for them as an SRE would."""

from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.phoenix.client import Phoenix
from tests.e2e.trace_story import check, config_for, tell
from tests.running import RunningGateway

pytestmark = pytest.mark.slow


def test_every_call_is_found_again_in_phoenix(phoenix: Phoenix, tmp_path: Path) -> None:
    """Trees, attributes, what is red, and the one call that lost context with what it lost and cost."""
    with (
        SimulatorProcess() as simulator,
        RunningGateway(tmp_path, config_for(simulator.base_url, phoenix.otlp)) as gateway,
    ):
        check(tell(gateway), phoenix)
        assert "traces do not reach the collector" not in gateway.log()
