"""Every code block of the README is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from llmgw.cli.demo.budgets import BUDGET_STEPS
from llmgw.cli.demo.contexts import CONTEXT_STEPS
from llmgw.cli.demo.prompts import PROMPT_STEPS
from llmgw.cli.demo.protocols import PROTOCOL_STEPS
from llmgw.cli.demo.steps import STEPS
from llmgw.settings import load
from tests.running import RunningGateway

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line for language, text in BLOCKS if language == "sh" for line in text.splitlines() if line.strip()
]
(STORY,) = re.findall(r"^## Prompts that are released.*?(?=^## )", README, re.MULTILINE | re.DOTALL)
"""The chapter whose commands follow from each other; test_readme_prompts runs them in order."""
(MONEY,) = re.findall(r"^## Budgets that hold.*?(?=^## )", README, re.MULTILINE | re.DOTALL)
"""Another; test_readme_money runs it."""
(SEEN,) = re.findall(r"^## Every call can be found.*?(?=^## )", README, re.MULTILINE | re.DOTALL)
"""Another; test_readme_calls runs it."""

PYTHON = [text for language, text in BLOCKS if language == "python"]

RUN_ELSEWHERE = {
    "make test": "the command that runs this test",
    "make serve": "run by test_serve.test_the_defaults_need_nothing, which is what it calls",
    "make demo": "run by test_the_demo_holds with --fast --exit",
}


def test_every_block_has_a_language_that_is_run() -> None:
    """A block of another language would be a block that nobody runs."""
    assert {"sh", "python", "yaml"} == {language for language, _ in BLOCKS}


@pytest.mark.parametrize(
    "line", [line for line in COMMANDS if line not in RUN_ELSEWHERE and line not in STORY + MONEY + SEEN]
)
def test_a_command_succeeds(line: str, tmp_path: Path) -> None:
    """The README's commands run as they stand there, from the project's directory."""
    program = line.split(maxsplit=1)[0]
    assert program == ".venv/bin/llmgw"
    arguments = line.split()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "llmgw", *arguments],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "LLMGW_CONFIG": "", "LLMGW_ADMIN_KEY": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "printed"),
    list(zip(PYTHON, ["5", "Your name is Ada."], strict=True)),
)
def test_a_python_block_runs(gateway: RunningGateway, code: str, printed: str) -> None:
    """The client examples do with a running gateway what they seem to do, its address aside."""
    done = subprocess.run(
        [sys.executable, "-c", code.replace("http://127.0.0.1:8080/v1", gateway.url)],
        env={**os.environ, "LLMGW_KEY": gateway.key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_the_configuration_block_loads(tmp_path: Path) -> None:
    """The example configuration is a good one."""
    (text,) = [text for language, text in BLOCKS if language == "yaml"]
    path = tmp_path / "llmgw.yaml"
    path.write_text(text)
    assert {"smart", "fast"} == set(load(str(path), {}).settings.aliases)


def test_the_demo_holds() -> None:
    """`make demo` walks through every step, and each shows what it claims."""
    assert "make demo" in COMMANDS
    done = subprocess.run(
        [sys.executable, "-m", "llmgw", "demo", "--fast", "--exit", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == sum(
        map(len, (STEPS, PROTOCOL_STEPS, CONTEXT_STEPS, PROMPT_STEPS, BUDGET_STEPS))
    )
