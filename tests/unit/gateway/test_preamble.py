"""What a version says before a stored conversation: where it ends, and that the conversation stands behind it."""

import pytest
from llmgw.gateway.preamble import Preamble, preamble_of, stands_behind
from llmgw.types.loss import Loss, LossCode
from llmgw.types.memo import Memo, PassingMemo, Run
from llmgw.types.message import Message, TextPart

BEFORE = (
    Message(role="system", parts=(TextPart(text="Be kind."),)),
    Message(role="user", parts=(TextPart(text="Hi."),)),
)
TURNS = tuple(Message(role="user", parts=(TextPart(text=str(number)),)) for number in range(4))


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/messages/0", None),
        ("/messages/1/parts/0", None),
        ("/messages/2", "/messages/0"),
        ("/messages/5/parts/1", "/messages/3/parts/1"),
        ("/tools", "/tools"),
        ("/sampling/temperature", "/sampling/temperature"),
        ("/messages/x", "/messages/x"),
    ],
)
def test_places_are_those_of_the_conversation(pointer: str, place: str | None) -> None:
    """What is about the preamble is about no turn; without one all places stay."""
    assert Preamble(BEFORE).place(pointer) == place
    assert Preamble(()).place(pointer) == pointer


def test_losses_of_the_preamble_are_none_of_the_conversation() -> None:
    """The others lead to their turns."""
    losses = [
        Loss(LossCode.DEVELOPER_AS_SYSTEM, "/messages/0"),
        Loss(LossCode.NAME_DROPPED, "/messages/2"),
        Loss(LossCode.PARAMETER_DROPPED, "/user"),
    ]
    assert [(each.code, each.pointer) for each in Preamble(BEFORE).without(losses)] == [
        (LossCode.NAME_DROPPED, "/messages/0"),
        (LossCode.PARAMETER_DROPPED, "/user"),
    ]


def test_another_preamble_has_another_digest() -> None:
    """And none has none, so that contexts without prompts are what they were."""
    digests = {Preamble(BEFORE).digest, Preamble(BEFORE[:1]).digest, Preamble(()).digest}
    assert len(digests) == 3
    assert Preamble(()).digest == ""


@pytest.mark.parametrize(
    ("whole", "alone", "stands"),
    [
        ([b"p", b"a", b"b"], [b"a", b"b"], True),
        ([b"a", b"b"], [b"a", b"b"], True),
        ([b"p"], [], True),
        ([b'{"c":[1,2]}', b"b"], [b'{"c":[2]}', b"b"], True),
        ([b'{"c":[1,3]}', b"b"], [b'{"c":[2]}', b"b"], False),
        ([b"p", b"x", b"b"], [b"a", b"b"], False),
        ([b"p", b"a", b"x"], [b"a", b"b"], False),
        ([b"b"], [b"a", b"b"], False),
        ([b"a", b"b", b"q"], [b"a", b"b"], False),
    ],
)
def test_the_conversation_stands_at_the_end_as_it_would_alone(
    whole: list[bytes], alone: list[bytes], *, stands: bool
) -> None:
    """Its first message may have been joined by what comes before; nothing else may differ."""
    assert stands_behind(whole, alone) is stands


def test_a_preamble_is_remembered_by_none() -> None:
    """What is told of the conversation is, and is found by calls with another preamble or without one."""
    memo = Memo()
    passing = PassingMemo(memo, BEFORE)
    passing.keep(BEFORE[0], b"p")
    passing.keep_run(Run((*BEFORE, *TURNS), (b"p", b"q", b"0", b"1", b"2", b"3")), own=True)
    passing.keep_run(Run(BEFORE, (b"p", b"q")), own=True)
    assert memo.known(BEFORE[0]) is None
    assert memo.run((*BEFORE, *TURNS), 0).messages == ()
    assert memo.run(TURNS, 0) == Run(TURNS, (b"0", b"1", b"2", b"3"))
    assert PassingMemo(memo, TURNS[:0]).run(TURNS, 0) == memo.run(TURNS, 0)
    passing.keep(TURNS[0], b"0")
    assert memo.known(TURNS[0]) == passing.known(TURNS[0]) == b"0"
    assert [passing.passes(each) for each in (*BEFORE, TURNS[0])] == [True, True, False]


def test_the_same_messages_are_looked_at_once() -> None:
    """What a version says to the same variables is the same object; messages that are alike are still their own."""
    assert preamble_of(BEFORE) is preamble_of(BEFORE)
    others = (*BEFORE[:1], Message(role="user", parts=(TextPart(text="Ho."),)))
    assert preamble_of(others).digest == Preamble(others).digest != preamble_of(BEFORE).digest
    assert preamble_of(()).messages == ()
