"""What docs/prompts.md says is so: its files, datasets, commands, routes and the job for CI."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rich_click as click
import yaml
from llmgw.cli import main
from llmgw.http.permissions import Permission
from llmgw.prompts.files import parse
from llmgw.prompts.gates.assertions import TYPES, read_assertion
from llmgw.prompts.gates.dataset import read_lines
from llmgw.prompts.gates.lint import lint
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.conftest import config_for
from tests.route_table import application, routes_of
from tests.running import RunningGateway

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8")
JOB = (ROOT / "docs" / "examples" / "prompts-ci.yml").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
RIGHTS = {
    "call": Permission.CALL,
    "view": Permission.VIEW,
    "publish": Permission.PUBLISH,
    "roll back": Permission.ROLL_BACK,
}


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [text for each, text in BLOCKS if each == language]


def commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    """Every command below a group, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def prompts_group() -> click.Group:
    """`llmgw prompts`."""
    group = main.get_command(click.Context(main), "prompts")
    assert isinstance(group, click.Group)
    return group


def test_every_block_is_of_a_language_that_is_checked() -> None:
    """A block of another language would be one that nobody reads."""
    assert {language for language, _ in BLOCKS} == {"sh", "prompt", "json", "jsonl", "yaml"}


@pytest.mark.parametrize("text", blocks("prompt"))
def test_every_file_parses_and_has_no_fault(text: str) -> None:
    """The format's examples are prompts that the lint finds no error in."""
    found = parse(text, files=None)
    assert [each for each in lint(found.content) if each.severity == "error"] == []


@pytest.mark.parametrize("text", blocks("jsonl"))
def test_every_line_of_a_dataset_reads(text: str) -> None:
    """The dataset's cases are cases."""
    assert len(read_lines(text).cases) == len(text.splitlines())


@pytest.mark.parametrize("text", blocks("json"))
def test_every_json_block_is_json(text: str) -> None:
    """Bodies and answers can be copied."""
    assert json.loads(text)


def test_every_assertion_has_an_example_that_reads() -> None:
    """The table has each type once, and each example is one."""
    rows = re.findall(r"^\| `(\{\"type\": .*?\})` \|", PAGE, re.MULTILINE)
    for row in rows:
        read_assertion(json.loads(row))
    assert sorted(json.loads(row)["type"] for row in rows) == sorted(TYPES)


def test_the_table_of_commands_is_whole() -> None:
    """Each command is in the table, and no other."""
    told = set()
    for words, also in re.findall(
        r"^\| `llmgw prompts ([a-z ]+?)(?: [A-Z\[].*?)?` \|(.*)$", PAGE, re.MULTILINE
    ):
        told.add(words)
        if words == "rollout step":
            told |= {f"rollout {word}" for word in re.findall(r"`([a-z]+)`", also)}
    assert told == set(commands(prompts_group()))


def test_every_command_line_is_understood() -> None:
    """Commands and options that the page and the job name are there."""
    lines = [line for text in (*blocks("sh"), JOB) for line in text.splitlines()]
    lines = [line.partition("#")[0].strip().removeprefix("run: ") for line in lines]
    checked = 0
    for line in lines:
        if not line.startswith("llmgw prompts "):
            continue
        words = line.split()[2:]
        command: click.Command = prompts_group()
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, line
        checked += 1
    assert checked >= 15


def test_the_table_of_routes_is_whole() -> None:
    """Each route is in the table with the right it asks for, and no other."""
    told = {
        re.sub(r"v?\{\w+\}", "{}", path): RIGHTS[right]
        for _, path, right in re.findall(r"^\| `([A-Z]+) (/\S+)` \| ([a-z ]+) \|", PAGE, re.MULTILINE)
        if right in RIGHTS
    }
    declared = {re.sub(r"\{\w+\}", "{}", path) for _, path, _ in routes_of(application())}
    ours = {
        path
        for path in declared
        if path.startswith(("/v1/prompts", "/v1/apis", "/admin/v1/prompt"))
        and not re.search(r"/prompts(/\{\}){2}", path)
    }
    assert set(told) == ours


def test_the_page_shows_the_job_as_it_is() -> None:
    """The job on the page is the file beside it, and YAML."""
    (shown,) = blocks("yaml")
    assert shown == JOB
    job = yaml.safe_load(JOB)
    assert {"check", "evaluate"} == set(job["jobs"])


def test_the_job_runs(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Its steps do in a repository what their names say: at the end staging leads to the version of the commit."""
    work = tmp_path / "work"
    (work / "bin").mkdir(parents=True)
    script = work / "bin" / "llmgw"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llmgw "$@"\n')
    script.chmod(0o755)
    with RunningGateway(tmp_path / "gateway", config_for(simulator.base_url)) as running:
        environ = {
            **os.environ,
            "PATH": f"{work / 'bin'}:{os.environ['PATH']}",
            "LLMGW_URL": running.root,
            "LLMGW_KEY": running.key,
            "GITHUB_SHA": "0123456789abcdef",
        }

        def run(command: str) -> str:
            done = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", command],
                cwd=work, env=environ, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            return done.stdout

        run("git init -q && llmgw prompts new support/mood --model demo")
        # The model behind the alias is the simulator, which understands nothing.
        run("mv prompts/support/mood-shape.jsonl prompts/support/mood.jsonl && git add prompts")
        run("git -c user.name=t -c user.email=t@t.example -c commit.gpgsign=false commit -qm one")
        for job in yaml.safe_load(JOB)["jobs"].values():
            for step in job["steps"]:
                if "run" in step and step["run"] != "pip install llmgw":
                    run(step["run"])
        told = json.loads(run("llmgw prompts show support/mood --json"))
    assert told["labels"]["staging"]["version"] == 1
    assert told["versions"]["1"]["message"] == "0123456789abcdef"
    assert told["versions"]["1"]["source"]["path"] == "prompts/support/mood.prompt"
