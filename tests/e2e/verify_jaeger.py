"""The story of the traces, told to a Jaeger that somebody runs: `scripts/verify_jaeger`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from llmgw.simulator.process import SimulatorProcess
from tests.e2e.jaeger import Jaeger
from tests.e2e.trace_story import Told, check, config_for, tell
from tests.running import RunningGateway


def main(arguments: Sequence[str]) -> int:
    """Start a gateway, make the calls and look for them; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="verify_jaeger",
        description="Starts a gateway in front of simulated providers, sends its traces to a Jaeger, and finds "
        "them again through Jaeger's HTTP API.",
    )
    parser.add_argument("--query", default="http://127.0.0.1:16686", help="where Jaeger's pages are")
    parser.add_argument("--otlp", default="http://127.0.0.1:4318", help="where Jaeger takes OTLP over HTTP")
    given = parser.parse_args(arguments)
    jaeger = Jaeger(given.query, given.otlp)
    try:
        jaeger.services()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"no Jaeger answers at {given.query}: {error}\n")
        return 1
    with (
        tempfile.TemporaryDirectory() as home,
        SimulatorProcess() as simulator,
        RunningGateway(Path(home), config_for(simulator.base_url, jaeger.otlp)) as gateway,
    ):
        story = tell(gateway)
        try:
            check(story, jaeger)
        except AssertionError as error:
            sys.stderr.write(f"not as it should be: {error}\n")
            return 1
    for name in story.__struct_fields__:
        told = getattr(story, name)
        if isinstance(told, Told):
            sys.stdout.write(f"{name:9} {told.spans} spans  {jaeger.page}/trace/{told.trace}\n")
    sys.stdout.write(f"all of it is there; the lost one by {jaeger.page}/search?{jaeger.LOST}\n")
    return 0
