"""How the problems of a whole file are told."""

from collections.abc import Callable

Problems = Callable[..., list[str]]


def test_the_list_of_problems_is_bounded(problems: Problems) -> None:
    """A large wrong file is answered quickly, with what comes first."""
    targets = ", ".join(f"q{index}/m" for index in range(100))
    aliases = "".join(f"  a{index}: {{targets: [{targets}]}}\n" for index in range(900))
    told = problems(f"providers: {{p: {{kind: ollama}}}}\naliases:\n{aliases}")
    assert len(told) == 101
    assert told[-1] == "further problems are not listed"
    assert told[0] == "line 3: aliases.a0.targets[0]: unknown provider"


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    """Typing, ranges, references and variables are told together."""
    text = """server:
  prt: 8080
  workers: many
auth: {mode: nobody}
providers:
  openai: {kind: opnai, api_key: "${MISSING}"}
  local: {kind: openai_compatible}
aliases:
  smart:
    targets:
      - openai/gpt-5
      - opena/gpt-5
  fast: {strategy: wighted, targets: []}
  a/b: {targets: [local/x]}
"""
    lines = [problem.split(": ")[:2] for problem in problems(text)]
    assert lines == [
        ["line 2", "server.prt"],
        ["line 3", "server.workers"],
        ["line 4", "auth.mode"],
        ["line 6", "providers.openai.api_key"],
        ["line 6", "providers.openai.kind"],
        ["line 7", "providers.local.base_url"],
        ["line 12", "aliases.smart.targets[1]"],
        ["line 13", "aliases.fast.strategy"],
        ["line 13", "aliases.fast.targets"],
        ["line 14", 'aliases["a/b"]'],
    ]


def test_one_mistake_is_one_problem(problems: Problems) -> None:
    """A broken provider section does not make every alias wrong, nor a broken URL a missing one."""
    assert len(problems("providers: []\naliases: {a: {targets: [p/m]}}")) == 1
    assert len(problems("providers: {p: {kid: openai, kind: 5}}\naliases: {a: {targets: [p/m]}}")) == 2
    assert len(problems("providers: {p: {kind: azure, base_url: 5}}")) == 1


def test_names_cannot_forge_lines_or_colours(problems: Problems) -> None:
    """Control characters of a key are escaped and endless keys cut."""
    (problem,) = problems('"a\\nerror\\e[31m\\u202e": {}')
    assert problem == 'line 1: ["a\\nerror\\u001b[31m\\u202e"]: unknown key'
    (problem,) = problems("x" * 500 + ": {}")
    assert len(problem) < 150
