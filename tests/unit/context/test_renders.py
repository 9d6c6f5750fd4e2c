"""Whether a target is told what it was told before, and more: noticed by a worker that saw it, and by others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.context.views.renders import agrees, follow

MESSAGES = st.lists(st.binary(max_size=6), max_size=6)


@given(MESSAGES, MESSAGES)
def test_adding_is_noticed_as_adding(before: list[bytes], more: list[bytes]) -> None:
    """What is told now begins with what was settled before, whatever comes behind; the last one may still grow."""
    first, held = follow(None, b"head", before)
    assert held
    told = [*before, *more]
    second, held = follow(first, b"head", told)
    assert held
    assert agrees(first.stored, second)
    assert agrees(second.stored, second)
    grown = [*before[:-1], *(each + b"!" for each in before[-1:]), *more]
    third, held = follow(first, b"head", grown)
    assert held
    assert agrees(first.stored, third)
    assert follow(None, b"head", told)[0].stored == second.stored


@given(MESSAGES.filter(lambda messages: len(messages) > 1), st.data())
def test_any_change_of_what_was_settled_is_noticed(before: list[bytes], data: st.DataObject) -> None:
    """Another message, one less, or another head: both kinds of workers see that the beginning does not hold."""
    first, _ = follow(None, b"head", before)
    place = data.draw(st.integers(0, len(before) - 2))
    altered = [*before[:place], before[place] + b"!", *before[place + 1 :]]
    for head, told in ((b"head", altered), (b"other", before), (b"head", before[:-2])):
        second, held = follow(first, head, told)
        assert not held
        assert not agrees(first.stored, second)
        # From there on what is told now is what counts.
        third, held = follow(second, head, [*told, b"more"])
        assert held
        assert agrees(second.stored, third)


@given(MESSAGES)
def test_a_digest_does_not_run_into_itself(before: list[bytes]) -> None:
    """Following a rendering leaves the one before it as it was."""
    first, _ = follow(None, b"head", before)
    stored = first.stored
    follow(first, b"head", [*before, b"x", b"y"])
    assert first.stored == stored


@pytest.mark.parametrize("stored", ["", "x", ":", "²:ab", "-1:ab", "1", "9:ab", "٣:ab", "1.5:ab", "0:ab"])
def test_what_is_no_record_of_a_rendering_does_not_agree(stored: str) -> None:
    """Whatever the store says: it is no proof that a beginning holds."""
    render, _ = follow(None, b"head", [b"a", b"b"])
    assert not agrees(stored, render)
