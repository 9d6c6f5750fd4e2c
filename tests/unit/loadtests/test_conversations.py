"""Stored conversations stay near the length that is measured, and are cold or warm as the scenario wants."""

import pytest
from loadtests.conversations import USES, Conversation, Pool
from loadtests.generator import Shot

SHOT = Shot(payload=b"", marker=b"", markers=0, ending=b"")


def pool(count: int, turns: int, *, cold: bool) -> Pool:
    """Some conversations that were just made."""
    uses = USES[turns]
    found = Pool(cold=cold)
    for _ in range(count):
        found.add(Conversation(shot=SHOT, turns=turns - (uses - 1), left=uses))
    return found


@pytest.mark.parametrize("turns", sorted(USES))
def test_conversations_used_up_have_the_mean_length_of_the_title(turns: int) -> None:
    """Each is called as often as it may be, and before its calls there are on average as many turns."""
    conversations = pool(3, turns, cold=False)
    while conversations.left:
        conversations.give(conversations.take())

    assert conversations.calls == 3 * USES[turns]
    assert conversations.mean_turns == turns


def test_warm_conversations_are_few_and_cold_ones_come_by_turns() -> None:
    """One call after the other goes to the same conversation while warm; cold, all others come first."""
    for cold, different in ((False, 1), (True, 5)):
        conversations = pool(5, 10, cold=cold)
        seen = set()
        for _ in range(5):
            taken = conversations.take()
            seen.add(id(taken))
            conversations.give(taken)
        assert len(seen) == different


def test_nothing_is_handed_out_twice_at_once() -> None:
    """A context has one writer: what is taken is not there for others."""
    conversations = pool(2, 10, cold=False)

    assert conversations.take() is not conversations.take()
    assert len(conversations) == 0
