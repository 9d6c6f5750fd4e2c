"""A tenant's events in their chain: each change of what was written is noticed, and the first is told."""

from collections.abc import Callable

import pytest
from llmgw.prompts.registry.audit import (
    FIRST,
    AuditEvent,
    Chain,
    Tail,
    digest_of,
    head_of,
    head_text,
    written,
)


def chain(count: int) -> list[bytes]:
    """Events as they are stored, each with the digest of the one before."""
    stored: list[bytes] = []
    prev = FIRST
    for seq in range(1, count + 1):
        event = AuditEvent(seq=seq, at_ms=seq, who="key", call="call", op="push", prompt="a", prev=prev)
        stored.append(written(event))
        prev = digest_of(stored[-1])
    return stored


def problem(stored: list[bytes], head: Tail) -> str:
    """What is wrong with a chain that is followed to its end, some events at a time."""
    followed = Chain()
    for first in range(0, len(stored), 2):
        followed.follow(stored[first : first + 2])
    followed.end(head)
    return followed.problem


def head(stored: list[bytes]) -> Tail:
    """The end that is noted beside it."""
    return Tail(len(stored), digest_of(stored[-1]))


def test_a_chain_as_it_was_written_has_no_problem() -> None:
    """Whole, and empty."""
    assert problem(chain(5), head(chain(5))) == ""
    assert problem([], head_of(None)) == ""
    assert [each.seq for each in Chain().follow(chain(3))] == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda whole: [*whole[:2], whole[2].replace(b'"push"', b'"move"'), *whole[3:]], "event 4 does not"),
        (lambda whole: [*whole[:2], *whole[3:]], "event 3 does not"),
        (lambda whole: [whole[1], whole[0], *whole[2:]], "event 1 does not"),
        (lambda whole: [*whole[:2], whole[2], *whole[2:]], "event 4 does not"),
        (lambda whole: [*whole[:2], b"{", *whole[3:]], "event 3 cannot be read"),
        (lambda whole: whole[:-1], "there are 4 events that end otherwise than the 5"),
        (lambda whole: [*whole[:-1], whole[-1].replace(b'"push"', b'"move"')], "there are 5 events that end"),
        (lambda _: [], "there are 0 events"),
    ],
)
def test_what_was_altered_is_told(change: Callable[[list[bytes]], list[bytes]], told: str) -> None:
    """Altered, taken out, put in another order, doubled, spoilt, cut off; of several problems the first."""
    assert problem(change(chain(5)), head(chain(5))).startswith(told)


def test_the_end_is_stored_as_text() -> None:
    """It is read as it was written; what is none fits no chain."""
    end = head(chain(3))
    assert head_of(head_text(end).encode()) == end
    for spoilt in (b"x y", b"\xff", b"-1 z", "\u0663 z".encode()):
        assert head_of(spoilt).events == -1
        assert problem([], head_of(spoilt)) != ""
