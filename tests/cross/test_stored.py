"""Stored conversations of mixed origin, written for every target: in its grammar, whole, and ever the same way."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from llmgw.providers import PROVIDERS
from llmgw.providers.base import UpstreamRequest
from llmgw.types import json
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import ChatInvocation
from llmgw.types.memo import Memo, PassingMemo
from llmgw.types.message import Message, Seal, TextPart, ToolCallPart
from msgspec import structs
from tests.cross import told
from tests.cross.losses import Account
from tests.cross.scribe import Conversation
from tests.cross.stored_conversations import CONVERSATIONS, asking, decoded, stored_conversations
from tests.cross.targets import PLACES, Place

each_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.row}/{place.model}")
many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
SYNTHESISED = ("Begin.", "Continue.", "There is no result of this call.")


def write(place: Place, invocation: ChatInvocation) -> UpstreamRequest | None:
    """The request for a place; None where the call is refused, by the name and the place of what is refused."""
    target = place.target
    if invocation.needs.keys() - target.features:
        return None
    try:
        return PROVIDERS[target.protocol].build_request(invocation, target)
    except UnsupportedParameter as refused:
        named = refused.param or ""
        if not named or (refused.pointer is not None) != named.startswith("messages["):
            raise
        event("refused")
        return None


def body_of(place: Place, invocation: ChatInvocation) -> dict[str, Any] | None:
    """The request's body, without marks for caching: of these the latest stay, so that they move on."""
    request = write(place, invocation)
    return None if request is None else unmarked(json.decode(request.body))


def unmarked(value: Any) -> Any:
    """A value without marks for caching."""
    match value:
        case list():
            return [unmarked(item) for item in value]
        case dict():
            return {name: unmarked(item) for name, item in value.items() if name != "cache_control"}
        case _:
            return value


def turns_of(body: dict[str, Any]) -> list[Any]:
    """The conversation of a request."""
    turns: list[Any] = body.get("messages") or body["contents"]
    return turns


def heads_of(body: dict[str, Any]) -> list[Any]:
    """What of a conversation stands before it."""
    instruction = body.get("systemInstruction") or {}
    return [*(body.get("system") or ()), *instruction.get("parts", ())]


def seals_of(messages: tuple[Message, ...]) -> Iterator[Seal]:
    """Every seal in a conversation."""
    for message in messages:
        for part in message.parts:
            seal = getattr(part, "seal", None)
            if isinstance(seal, Seal):
                yield seal


@each_place
@many
@given(messages=stored_conversations(), call=CONVERSATIONS)
def test_every_target_takes_what_was_stored(
    messages: tuple[Message, ...], call: Conversation, place: Place
) -> None:
    """Whatever the call that goes on says besides: in its grammar, nothing silently lost, and seals at home."""
    asked = decoded(call)
    invocation = structs.replace(asked, messages=(*messages, *asked.messages), stored=True)
    request = write(place, invocation)
    if request is None:
        return
    event("written")
    note(f"{messages}\n->\n{request.body.decode()}")
    body = json.decode(request.body)
    protocol = place.target.protocol
    assert place.violation(body) is None
    assert Account(protocol, body, request.losses).silent(invocation) == []
    for seal in seals_of(invocation.messages):
        assert seal.protocol == protocol or seal.value.encode() not in request.body
    check_calls(invocation.messages, protocol, body)


def check_calls(messages: tuple[Message, ...], protocol: str, body: dict[str, Any]) -> None:
    """Calls keep names, arguments and order, and each has its own result; an id is written in one way."""
    asked = [part for message in messages for part in message.parts if isinstance(part, ToolCallPart)]
    passed = told.calls(protocol, body)
    assert [(call.name, call.arguments) for call in passed] == [
        (part.name, {"input": part.arguments} if part.kind == "custom" else told.arguments(part.arguments))
        for part in asked
    ]
    answers = told.results(protocol, body)
    assert len(answers) == len(passed)
    if protocol == "openai":
        assert len({(part.id, call.id) for part, call in zip(asked, passed, strict=True)}) == len(
            {part.id for part in asked}
        )
    if protocol == "anthropic":
        assert {call.id for call in passed} == {answer.id for answer in answers}


@each_place
@many
@given(messages=stored_conversations(), cut=st.integers(min_value=1, max_value=30))
def test_what_was_written_once_stays_as_it_is(messages: tuple[Message, ...], cut: int, place: Place) -> None:
    """A longer conversation begins with the bytes of the shorter one, up to what stands at its very end."""
    shorter = body_of(place, asking(messages[:cut], "openai"))
    longer = body_of(place, asking(messages, "openai"))
    if shorter is None or longer is None:
        return
    note(f"{shorter}\n->\n{longer}")
    before, after = turns_of(shorter), turns_of(longer)
    if place.target.protocol == "openai":
        # A result that is not there yet is made up, so that the conversation could be told at all.
        while before[-1].get("content") in SYNTHESISED:
            before.pop()
        assert json.encode(after).startswith(json.encode(before)[:-1])
        return
    said = [number for number, turn in enumerate(before) if turn["role"] in {"assistant", "model"}]
    settled = said[-1] if said else 0
    assert json.encode(after[:settled]) == json.encode(before[:settled])
    assert heads_of(longer)[: len(heads_of(shorter))] == heads_of(shorter)
    check_end(told.turns(place.target.protocol, shorter), told.turns(place.target.protocol, longer))


def check_end(before: list[Any], after: list[Any]) -> None:
    """The last answer goes on as it was; of what stands behind it the words do, but for those nobody said."""
    answered = [number for number, (role, _) in enumerate(before) if role in {"assistant", "model"}]
    at = answered[-1] + 1 if answered else 0
    assert [trimmed(piece) for piece in after[:at]] == [trimmed(piece) for piece in before[:at]]
    words = list(words_of(before[at:]))
    if words:
        assert list(words_of(after[at:]))[: len(words)] == words


def trimmed(piece: Any) -> Any:
    """A piece without the white space at its end, which the vendor does not take of a message to be continued."""
    role, part = piece
    text = part.get("text")
    return (role, {**part, "text": text.rstrip()} if isinstance(text, str) else part)


def words_of(pieces: list[Any]) -> Iterator[Any]:
    """What users said themselves, up to the next answer."""
    for role, part in pieces:
        if role in {"assistant", "model"}:
            return
        result = part.keys() & {"functionResponse", "tool_use_id"}
        if role == "user" and not result and part.get("text") not in SYNTHESISED:
            yield part


@each_place
@many
@given(messages=stored_conversations(), call=CONVERSATIONS)
def test_the_call_that_goes_on_changes_nothing(
    messages: tuple[Message, ...], call: Conversation, place: Place
) -> None:
    """Over either wire, and whatever is asked for besides, the conversation is written in the same bytes."""
    written = []
    for wire in ("openai", "anthropic"):
        for stream in (False, True):
            body = body_of(place, asking(messages, wire, stream=stream))
            written.append(body and json.encode([turns_of(body), heads_of(body)]))
    assert len(set(written)) == 1
    if written[0] is None or messages[-1].role == "assistant":
        return
    other = body_of(place, structs.replace(decoded(call), messages=messages, stored=True))
    if other is not None:
        event("asked for more")
        assert json.encode([turns_of(other), heads_of(other)]) == written[0]


@each_place
@many
@given(
    messages=stored_conversations(),
    cuts=st.lists(st.integers(min_value=1, max_value=30), min_size=1, max_size=5),
    first=st.integers(min_value=0, max_value=3),
)
def test_what_is_remembered_changes_nothing(
    messages: tuple[Message, ...], cuts: list[int], first: int, place: Place
) -> None:
    """With what earlier calls were told at hand, longer, shorter or begun later, the same bytes and losses."""
    memo = Memo()
    told_before = [messages[:cut] for cut in cuts]
    for told_now in (*told_before, messages, messages[first:] or messages, messages):
        afresh = write(place, asking(told_now, "anthropic"))
        again = write(place, structs.replace(asking(told_now, "anthropic"), memo=memo))
        # Whose the bytes are is no matter of what is sent.
        assert (
            again == afresh if afresh is None else again == structs.replace(afresh, history_own=_own(again))
        )
    event("remembered" if memo.count else "nothing to remember")


def _own(request: UpstreamRequest | None) -> int:
    return -1 if request is None else request.history_own


@each_place
@many
@given(messages=stored_conversations())
def test_messages_stand_in_the_body_where_it_is_said(messages: tuple[Message, ...], place: Place) -> None:
    """From `history_at` on the body has the messages with a comma between them, unless marks make them other."""
    request = write(place, asking(messages, "openai"))
    if request is None:
        return
    if request.history_at:
        assert request.body[request.history_at :].startswith(b",".join(request.history))
    else:
        assert b"cache_control" in request.body


BEFORE = (
    Message(role="system", parts=(TextPart(text="Be kind."),)),
    Message(role="user", parts=(TextPart(text="Hi."),)),
    Message(role="developer", parts=(TextPart(text="Be brief."),)),
)
"""What prompt versions say before a conversation."""


@each_place
@many
@given(
    messages=stored_conversations(),
    calls=st.lists(
        st.tuples(st.integers(min_value=1, max_value=30), st.integers(min_value=0, max_value=3)),
        min_size=1,
        max_size=5,
    ),
)
def test_what_is_said_before_changes_nothing_behind_it(
    messages: tuple[Message, ...], calls: list[tuple[int, int]], place: Place
) -> None:
    """Calls with and without a prompt remember together; and what is said to stand alike behind it does so."""
    memo = Memo()
    for cut, count in (*calls, (len(messages), 2)):
        before, said = BEFORE[:count], messages[:cut]
        whole = structs.replace(asking((*before, *said), "anthropic"), before=count)
        afresh = write(place, whole)
        again = write(place, structs.replace(whole, memo=PassingMemo(memo, before) if before else memo))
        if again is None or afresh is None:
            assert again is afresh
            continue
        assert again == structs.replace(afresh, history_own=_own(again))
        alone = write(place, structs.replace(asking(said, "anthropic"), memo=memo))
        if again.history_behind is not None and alone is not None:
            event("alike")
            head, first = again.history_behind
            assert (head, again.history[first:]) == (alone.history_head, alone.history)
