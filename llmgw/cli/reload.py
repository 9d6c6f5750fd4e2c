"""`llmgw config reload`: has the running gateway take over its file, and waits for its answer."""

import os
import signal
import sys
import threading

import rich_click as click

from llmgw.cli.runfile import RunFile, Running
from llmgw.settings import ConfigError, load

ANSWER_WITHIN_S = 10.0


@click.command("reload")
@click.option(
    "-c", "--config", type=click.Path(dir_okay=False), help="Configuration file [env: LLMGW_CONFIG]."
)
def reload(config: str | None) -> None:
    """Have the running gateway take over its configuration file, as SIGHUP would.

    A file that cannot be used changes nothing: its problems are printed, and the exit code is 1.
    """
    try:
        runfile = RunFile(load(config, os.environ).settings.state.dir)
    except ConfigError as error:
        click.echo(f"Nothing was changed:\n{error}", err=True)
        sys.exit(1)
    before = runfile.read()
    if before is None:
        click.echo(f"No gateway runs with the state directory {runfile.path.parent}.", err=True)
        sys.exit(1)
    os.kill(before.pid, signal.SIGHUP)
    answer = _answer(runfile, before)
    if answer is None:
        click.echo(f"The gateway (process {before.pid}) did not answer; see its log.", err=True)
        sys.exit(1)
    if answer.problems is not None:
        click.echo(f"Nothing was changed:\n{answer.problems}", err=True)
        sys.exit(1)
    click.echo(f"Configuration {answer.generation} is at work.")
    if answer.restart_needed:
        click.echo(f"Only a restart takes over: {', '.join(answer.restart_needed)}")


def _answer(runfile: RunFile, before: Running) -> Running | None:
    pause = threading.Event()
    for _ in range(int(ANSWER_WITHIN_S / 0.02)):
        now = runfile.read()
        if now is not None and now.asked > before.asked:
            return now
        pause.wait(0.02)
    return None
