"""Datasets: a case a line, problems by their lines, and one digest for the same cases."""

import json

import pytest
from llmgw.prompts.gates.dataset import CASES_MAX, LINE_MAX, Dataset, read_cases, read_lines
from llmgw.types.prompt_errors import InvalidPrompt

GOOD = {"name": "a", "vars": {"text": "x"}, "assert": [{"type": "contains", "value": "x"}]}


def refusal(text: str) -> InvalidPrompt:
    """Why a dataset is none."""
    with pytest.raises(InvalidPrompt) as caught:
        read_lines(text)
    return caught.value


def test_a_dataset_is_read_line_by_line() -> None:
    """Empty lines are passed over, cases without names get their numbers."""
    text = f"{json.dumps(GOOD)}\n\n" + '{"messages": [{"role": "user", "content": "hi"}]}\n'
    dataset = read_lines(text)
    assert [case.name for case in dataset.cases] == ["a", "case 2"]
    assert dataset.cases[0].vars == {"text": "x"}
    assert dataset.cases[1].messages[0].content == "hi"


def test_the_digest_is_of_the_cases_not_of_their_writing() -> None:
    """The order of members and white space do not count; the order of cases, and what they say, do."""
    written = json.dumps(GOOD)
    other = json.dumps(dict(reversed(GOOD.items())), indent=None, separators=(" , ", ": "))
    assert read_lines(written).digest == read_lines(f"\n{other}\r\n").digest == read_cases([GOOD]).digest
    changed = {**GOOD, "vars": {"text": "y"}}
    assert read_cases([changed]).digest != read_cases([GOOD]).digest
    assert read_cases([GOOD, changed]).digest != read_cases([changed, GOOD]).digest


@pytest.mark.parametrize(
    "line",
    [
        "nonsense", "[]", '"text"', '{"vars": []}', '{"expected": "x"}', '{"assert": [{"type": "like"}]}',
        '{"assert": {"type": "is-json"}}', '{"messages": [{"role": "tool", "content": "x"}]}', '{"name": 7}',
        '{"vars": {"a": NaN}}',
    ],
)  # fmt: skip
def test_problems_are_told_by_their_lines(line: str) -> None:
    """The third line is wrong, and the violation points to it, empty lines counted."""
    error = refusal(f"{json.dumps(GOOD)}\n\n{line}\n")
    assert error.violations
    assert all(each.pointer.startswith("/3") for each in error.violations)
    assert "line 3" in error.violations[0].message


def test_all_problems_are_told_at_once() -> None:
    """Up to fifty of them."""
    assert len(refusal("\n".join(['{"x": 1}'] * 3)).violations) == 3
    assert len(refusal("\n".join(['{"x": 1}'] * 200)).violations) == 50


def test_datasets_are_bounded() -> None:
    """In cases, in the bytes of one, and in the bytes of all."""
    whole: Dataset = read_cases([GOOD] * CASES_MAX)
    assert len(whole.cases) == CASES_MAX
    with pytest.raises(InvalidPrompt, match="1000 cases"):
        read_cases([GOOD] * (CASES_MAX + 1))
    large = {"vars": {"text": "x" * LINE_MAX}}
    with pytest.raises(InvalidPrompt, match="case 2 has more than"):
        read_cases([GOOD, large])
    nearly = {"vars": {"text": "x" * (LINE_MAX - 100)}}
    with pytest.raises(InvalidPrompt, match="bytes at most"):
        read_cases([nearly] * 40)


def test_cases_within_a_document_point_into_it() -> None:
    """As cases beside a prompt do."""
    with pytest.raises(InvalidPrompt) as caught:
        read_cases([GOOD, {"assert": [{"type": "like"}]}], within="/tests/cases")
    assert caught.value.violations[0].pointer == "/tests/cases/1/assert/0"
