"""Diffs of prompt files: what difflib says, in a time that is bounded whatever the files are."""

import difflib

from hypothesis import given
from hypothesis import strategies as st
from llmgw.prompts.gates.differences import DIFF_WORK_MAX, unified

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "@@ -1 +1 @@\n"]), max_size=30)


def patched(old: list[str], diff: str) -> list[str]:
    """What a diff makes of a text: its hunks put in the place of the lines that they say."""
    made: list[str] = []
    at = 0
    for line in diff.splitlines(keepends=True)[2:]:
        if line.startswith("@@ -") and line.endswith(" @@\n"):
            start, _, length = line.split(" ")[1][1:].partition(",")
            begin = int(start) - (length != "0")
            made += old[at:begin]
            at = begin
        elif line[0] == "+":
            made.append(line[1:])
        else:
            assert old[at] == line[1:]
            at += 1
            made += [line[1:]] if line[0] == " " else []
    return made + old[at:]


@given(before=LINES, old=LINES, new=LINES, behind=LINES)
def test_a_diff_makes_one_text_of_the_other(
    before: list[str], old: list[str], new: list[str], behind: list[str]
) -> None:
    """Its hunks say the right lines, behind a beginning that both have, too."""
    one, two = [*before, *old, *behind], [*before, *new, *behind]
    assert patched(one, unified(one, two, "one", "two")) == two


def test_a_small_change_is_told_as_ever() -> None:
    """With three lines around it."""
    old = [f"line {number}\n" for number in range(20)]
    new = [*old[:10], "another\n", *old[11:]]
    assert unified(old, new, "a", "b") == "".join(difflib.unified_diff(old, new, "a", "b"))


def test_texts_that_would_take_too_long_are_told_whole() -> None:
    """Each line that stayed lies between two that are new: that many pairs are not gone through."""
    old = [f"{number}\n" for number in range(40_000)]
    new = [line for each in old for line in (f"new {each}", each)]
    assert len(old) * len(new) > DIFF_WORK_MAX
    diff = unified(["same\n", *old], ["same\n", *new], "a", "b")
    assert diff.count("\n") == 3 + len(old) - 1 + len(new) - 1
    assert patched(["same\n", *old], diff) == ["same\n", *new]
