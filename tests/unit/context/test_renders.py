"""Whether a target is told what it was told before, and more: noticed by a worker that saw it, and by others."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.context.views.renders import Render, Rendering, agrees, follow

PIECES = st.lists(st.sampled_from([b"{}", b'{"a":1}', b'"b"']), max_size=5)
OPENINGS = st.sampled_from([b'{"messages":[', b'{"model":"m","messages":['])
MESSAGES = st.lists(st.binary(max_size=6), max_size=6)


@given(MESSAGES, MESSAGES)
def test_adding_is_noticed_as_adding(before: list[bytes], more: list[bytes]) -> None:
    """What is told now begins with what was settled before, whatever comes behind; the last one may still grow."""
    first, held = follow(None, Rendering(b"head", before))
    assert held
    told = [*before, *more]
    second, held = follow(first, Rendering(b"head", told))
    assert held
    assert agrees(first.stored, second)
    assert agrees(second.stored, second)
    grown = [*before[:-1], *(each + b"!" for each in before[-1:]), *more]
    third, held = follow(first, Rendering(b"head", grown))
    assert held
    assert agrees(first.stored, third)
    assert follow(None, Rendering(b"head", told))[0].stored == second.stored


@given(MESSAGES.filter(lambda messages: len(messages) > 1), st.data())
def test_any_change_of_what_was_settled_is_noticed(before: list[bytes], data: st.DataObject) -> None:
    """Another message, one less, or another head: both kinds of workers see that the beginning does not hold."""
    first, _ = follow(None, Rendering(b"head", before))
    place = data.draw(st.integers(0, len(before) - 2))
    altered = [*before[:place], before[place] + b"!", *before[place + 1 :]]
    for head, told in ((b"head", altered), (b"other", before), (b"head", before[:-2])):
        second, held = follow(first, Rendering(head, told))
        assert not held
        assert not agrees(first.stored, second)
        # From there on what is told now is what counts.
        third, held = follow(second, Rendering(head, [*told, b"more"]))
        assert held
        assert agrees(second.stored, third)


@given(MESSAGES)
def test_a_digest_does_not_run_into_itself(before: list[bytes]) -> None:
    """Following a rendering leaves the one before it as it was."""
    first, _ = follow(None, Rendering(b"head", before))
    stored = first.stored
    follow(first, Rendering(b"head", [*before, b"x", b"y"]))
    assert first.stored == stored


@pytest.mark.parametrize("stored", ["", "x", ":", "²:ab", "-1:ab", "1", "9:ab", "٣:ab", "1.5:ab", "0:ab"])
def test_what_is_no_record_of_a_rendering_does_not_agree(stored: str) -> None:
    """Whatever the store says: it is no proof that a beginning holds."""
    render, _ = follow(None, Rendering(b"head", [b"a", b"b"]))
    assert not agrees(stored, render)


def rendering(
    head: bytes, opening: bytes, messages: list[bytes], closing: bytes, *, apart: bool
) -> Rendering:
    """Write a body around messages; `apart` tells that it is not known where in it they stand."""
    body = b"".join((opening, b",".join(messages), closing))
    return Rendering(head, tuple(messages), body, 0 if apart else len(opening))


RENDERINGS = st.builds(
    rendering,
    st.sampled_from([b"", b"head"]),
    OPENINGS,
    PIECES,
    st.sampled_from([b"]}", b'],"n":1}']),
    apart=st.booleans(),
)


@given(st.lists(RENDERINGS, min_size=1, max_size=6))
def test_digests_are_those_of_the_whole(renderings: list[Rendering]) -> None:
    """Whatever was told before, both digests are those of all that is told now, reckoned at once."""
    before: Render | None = None
    for now in renderings:
        goes_on = before is None or (
            before.head == now.head and now.messages[: before.count] == before.messages[: before.count]
        )
        before, held = follow(before, now)
        assert held == goes_on
        assert before.digest == hashlib.sha256(now.body).hexdigest()
        settled = hashlib.sha256(now.head + b"".join(now.messages[:-1])).hexdigest()
        assert before.stored == f"{max(0, len(now.messages) - 1)}:{settled}"
        assert agrees(before.stored, before)


def test_a_conversation_that_goes_on_is_not_digested_again() -> None:
    """The running digest has come to the last message, whose end may still change."""
    opening = b'{"messages":['
    first, _ = follow(None, rendering(b"", opening, [b"1", b"2"], b"]}", apart=False))
    assert first.begun == len(opening + b"1,")
    second, held = follow(first, rendering(b"", opening, [b"1", b"2", b"3"], b"]}", apart=False))
    assert held
    assert second.begun == len(opening + b"1,2,")
