"""What a target was told last, followed from one rendering to the next."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from llmgw.context.renders import Render, Rendering, agrees, follow

PIECES = st.lists(st.sampled_from([b"{}", b'{"a":1}', b'"b"']), max_size=5)
OPENINGS = st.sampled_from([b'{"messages":[', b'{"model":"m","messages":['])


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
