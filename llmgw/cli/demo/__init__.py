"""`llmgw demo`: everything started with a simulated provider, and a walk through what it does."""

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import rich_click as click
from rich.console import Console

from llmgw.cli.demo.budgets import BUDGET_STEPS
from llmgw.cli.demo.contexts import CONTEXT_STEPS
from llmgw.cli.demo.prompts import PROMPT_STEPS
from llmgw.cli.demo.protocols import PROTOCOL_STEPS
from llmgw.cli.demo.stage import Stage, StageError
from llmgw.cli.demo.step import Claim, Step
from llmgw.cli.demo.steps import STEPS
from llmgw.simulator.process import SimulatorError


@click.command()
@click.option("--fast", is_flag=True, help="No pauses for reading.")
@click.option(
    "--exit", "leave", is_flag=True, help="Stop after the walk, with exit code 0 if every step held."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: a free one.")
def demo(*, fast: bool, leave: bool, port: int) -> None:
    """Start Valkey, a simulated provider and the gateway, walk through what it does, and keep serving.

    Needs no key, no container and no network.
    """
    console = Console(highlight=False, soft_wrap=True)
    with _ended_in_order(), ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llmgw-demo-")))
        try:
            stage = stack.enter_context(Stage(home, port))
        except (SimulatorError, StageError) as error:
            console.print(f"[bold red]The demo could not start:[/] {error}")
            sys.exit(1)
        console.print(
            f"[bold]llmgw[/] is serving at [cyan]{stage.url}[/], in front of a simulated provider.\n"
        )
        steps = (*STEPS, *PROTOCOL_STEPS, *CONTEXT_STEPS, *PROMPT_STEPS, *BUDGET_STEPS)
        held = walk(console, stage, steps, pause_s=0.0 if fast else 1.5)
        if leave:
            sys.exit(0 if held else 1)
        _how_to_go_on(console, stage)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            console.print("\nStopping, and leaving nothing behind.")


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP of a closed terminal, end the block as an exception would."""

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in before:  # a second signal must not cut short what the first one set off
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    # nohup has SIGHUP ignored, and means it.
    heard = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, leave) for each in heard}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def walk(console: Console, stage: Stage, steps: Sequence[Step], *, pause_s: float) -> bool:
    """Run every step and print it; says whether each showed what it claims."""
    held = True
    reader = threading.Event()
    for number, step in enumerate(steps, start=1):
        console.print(f"[bold]{number}. {step.title}[/]")
        try:
            for line in step.run(stage):
                console.print(f"   {line}")
        except Claim as broken:
            held = False
            console.print(f"   [bold red]did not hold:[/] {broken}")
        else:
            console.print(f"   [green]✓ {step.shows}[/]\n")
        reader.wait(pause_s)
    return held


def _how_to_go_on(console: Console, stage: Stage) -> None:
    console.print("[bold]Try it yourself[/] (it serves until Ctrl-C):\n")
    console.print(
        f"  curl {stage.url}/chat/completions \\\n"
        f"    -H 'Authorization: Bearer {stage.key}' -H 'Content-Type: application/json' \\\n"
        """    -d '{"model": "demo", "messages": [{"role": "user", "content": "what is 17 + 25?"}]}'\n""",
        markup=False,
    )
    console.print(
        "  from openai import OpenAI\n"
        f'  client = OpenAI(base_url="{stage.url}", api_key="{stage.key}")\n'
        '  print(client.chat.completions.create(model="demo", messages=[\n'
        '      {"role": "user", "content": "count to 5"}]).choices[0].message.content)\n',
        markup=False,
    )
