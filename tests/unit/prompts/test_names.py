"""What a prompt may be called, and how what it may not be called is repeated."""

import pytest
from llmgw.prompts.names import check_name, told
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import RESERVED, is_prompt_name


@pytest.mark.parametrize("name", ["a", "support/triage", "a/b/c/d", "0-_", "a" * 64])
def test_a_name_is_taken(name: str) -> None:
    """Up to four words."""
    check_name(name)
    assert is_prompt_name(name)
    assert told(name) == name


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "a//b", "/a", "a/", "a/b/c/d/e", "a" * 65, "-a", "é", "a\n", "../a"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    """And repeated, if at all, short and without characters that do something to a terminal or a log."""
    with pytest.raises(InvalidRequest):
        check_name(name)
    assert not is_prompt_name(name)
    shown = told(f"{name}\x1b[2J\u202e" * 50)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) < 1000


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_step_of_an_address_is_no_word_of_a_name(word: str) -> None:
    """Alone, and beside others; as a part of a word it may be."""
    for name in (word, f"a/{word}", f"{word}/a"):
        with pytest.raises(InvalidRequest, match=word):
            check_name(name)
    check_name(f"{word}-x")
