"""`python -m loadtests`: measure what the gateway costs, beside its upstream, a bare forwarder and other gateways.

Ends with 0 when every scenario was measured without errors, 1 when one was not, 2 when a server did not start.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import uvloop
from llmgw.state.embedded import EmbeddedStateError

from loadtests import crossing, machine, parts, peers, results, slow_streams
from loadtests.run import Run
from loadtests.scenarios import SCENARIOS
from loadtests.subjects import StartError


def main() -> int:
    """Run what the command line asks for."""
    names = [*(scenario.name for scenario in SCENARIOS), crossing.NAME, slow_streams.NAME]
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short measurements: a look, not a result")
    parser.add_argument(
        "--peers", action="store_true", help="LiteLLM and Portkey as well, installed if need be"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[*names, *parts.NAMES],
        help=f"this alone; may be repeated; {', '.join(parts.NAMES)} are measured only when they are named",
    )
    parser.add_argument("--write", action="store_true", help=f"write {results.RESULTS.name} and the picture")
    asked = parser.parse_args()
    only = asked.only or names
    place = machine.Place.here()
    facts = machine.described(place)
    print("\n".join(facts), flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="llmgw-bench-") as home:
            run = Run(Path(home), place, quick=asked.quick, only=only)
            with run.servers(with_peers=asked.peers):
                if asked.peers:
                    facts.append(f"peers     {peers.versions()}")
                    print(facts[-1])
                print(flush=True)
                os.sched_setaffinity(0, {place.driver})
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(run.measure())
                    run.parts(runner)
                run.close()
    except (StartError, EmbeddedStateError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{run.legend()}\n{run.summary()}")
    if asked.write:
        run.write(facts)
    return 0 if run.sound else 1


if __name__ == "__main__":
    sys.exit(main())
