"""What a key's list lets through."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.types.allowance import Allowance
from llmgw.types.errors import ModelNotAllowed


@pytest.mark.parametrize(
    ("entry", "model", "allowed"),
    [
        ("fast", "fast", True),
        ("fast", "Fast", False),
        ("fast", "faster", False),
        ("fast-*", "fast-", True),
        ("fast-*", "fast-large", True),
        ("*", "fast", True),
        ("*", "openai/gpt", False),
        ("*", "", True),
        ("*/*", "openai/gpt", True),
        ("*/*", "fast", False),
        ("openai/*", "openai/org/model", True),
        ("openai/*", "openai2/gpt", False),
        ("open*/gpt-*", "openai/gpt-5", True),
        ("o*/x", "o/p/x", False),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("a*a", "a", False),
        ("f?st", "fast", False),
        ("f.st", "fast", False),
        ("api:triage", "api:triage", False),
        ("prompt:*", "prompt:x", False),
        ("*", "api:x", False),
    ],
)
def test_an_entry_lets_a_model_through(entry: str, model: str, *, allowed: bool) -> None:
    """`*` is any run before or after the first slash, never the slash; nothing else is special."""
    assert Allowance((entry,)).has_model(model) is allowed


def test_a_name_without_end_is_let_through_by_nothing() -> None:
    """Nobody can have such a model, and nothing of it is remembered."""
    assert not Allowance(("*", "*/*")).has_model("x" * 1_000_000)


def test_an_empty_list_lets_nothing_through() -> None:
    """No entry, no model."""
    assert not Allowance(()).has_model("fast")


@pytest.mark.parametrize(
    ("entries", "slug", "prompt", "allowed"),
    [
        (("api:triage",), "triage", "team/triage", True),
        (("prompt:team/triage",), "triage", "team/triage", True),
        (("prompt:team/*",), "", "team/triage", True),
        (("api:triage",), "", "team/triage", False),
        (("*",), "triage", "triage", False),
        (("prompt:triage",), "", "", False),
        (("openai/gpt",), "triage", "team/triage", True),
    ],
)
def test_a_prompt_is_let_through_by_its_name_its_address_or_its_model(
    entries: tuple[str, ...], slug: str, prompt: str, *, allowed: bool
) -> None:
    """A prompt behind a model that the list lacks needs an entry of its own; `*` is none."""
    allowance = Allowance(entries)
    if allowed:
        allowance.require("openai/gpt", slug=slug, prompt=prompt)
    else:
        with pytest.raises(ModelNotAllowed):
            allowance.require("openai/gpt", slug=slug, prompt=prompt)


@given(pattern=st.text("ab*", max_size=8), text=st.text("ab", max_size=12))
def test_a_pattern_means_what_a_shell_means(pattern: str, text: str) -> None:
    """Where there is neither a slash nor another special character, the two agree."""
    expected = re.match(fnmatch.translate(pattern), text) is not None
    assert Allowance((pattern,)).has_model(text) is expected
