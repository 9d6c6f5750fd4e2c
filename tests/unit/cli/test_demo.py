"""The demo's honesty: a step that does not show what it claims is said, and costs the exit code."""

from collections.abc import Iterator

from llmgw.cli import demo
from llmgw.cli.demo.stage import Stage
from llmgw.cli.demo.steps import Claim, Step
from rich.console import Console


def test_a_step_that_does_not_hold_is_told() -> None:
    """The walk goes on, prints which claim broke, and ends as failed."""

    def good(_stage: Stage) -> Iterator[str]:
        yield "fine"

    def bad(_stage: Stage) -> Iterator[str]:
        yield "so far"
        raise Claim("the answer was blue")

    console = Console(record=True, width=100)
    stage = Stage.__new__(Stage)
    steps = (
        Step("One", "one holds", good),
        Step("Two", "two holds", bad),
        Step("Three", "three holds", good),
    )
    assert demo.walk(console, stage, steps, pause_s=0) is False
    text = console.export_text()
    assert "did not hold: the answer was blue" in text
    assert "two holds" not in text
    assert "three holds" in text
    assert demo.walk(console, stage, steps[:1], pause_s=0) is True
