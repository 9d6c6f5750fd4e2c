"""A call's messages, one after the other; those of a stored conversation that were written before are at hand."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from llmgw.providers.history import has_mark, remembered
from llmgw.providers.openai.call_ids import CallIds
from llmgw.providers.openai.messages import PLAIN_ROLES, PROTOCOL, MessageWriter
from llmgw.providers.openai.quirks import quirks_of
from llmgw.providers.openai.transcript import Transcript
from llmgw.providers.stored import Origins, plain_text
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import Json
from llmgw.types.loss import Loss, Losses
from llmgw.types.memo import Begun, Memo, Noted
from llmgw.types.message import MediaPart, Message, ReasoningPart, RefusalPart, TextPart, ToolResultPart
from llmgw.types.target import Target

_WORDS: Final = (TextPart, RefusalPart, ReasoningPart)


class Said(NamedTuple):
    """Messages as they are sent; those at the places `known` are bytes that earlier calls were told.

    `alone` tells that each message before a stored conversation became one, and that nothing behind looks at them.
    """

    messages: list[Json]
    known: range = range(0)
    alone: bool = False


class _Settled(NamedTuple):
    """A message before which all that was said is settled, and how much was written and lost by then."""

    place: int
    told: int
    losses: int


def written_messages(invocation: ChatInvocation, target: Target, losses: Losses) -> Said:
    """Write the messages of a call.

    Raises:
        UnsupportedParameter: a part belongs to another protocol.
    """
    stored, messages = invocation.stored, invocation.messages
    if not stored and (plain := _plain_messages(messages)):
        return Said(plain)
    quirks = quirks_of(target)
    # In a stored conversation an id is written in one way, whoever said it.
    ids = CallIds(quirks, losses, native=invocation.wire == PROTOCOL and not stored)
    origins = Origins(
        invocation,
        PROTOCOL,
        losses,
        native=MessageWriter(target, losses, ids, native=True, stored=stored),
        foreign=MessageWriter(target, losses, ids, native=False, stored=stored),
    )
    bridged = not quirks.user_after_tool
    writing = _Writing(messages, origins, losses, Transcript(losses, stored=stored, bridged=bridged))
    if not stored or bridged:
        # Hosts that want an answer between a result and a user's words look back at what was written.
        writing.write(0, len(messages), None)
        return Said(writing.end())
    return writing.conversation(invocation.memo)


class _Writing:
    """The messages of one call while they are written."""

    def __init__(
        self,
        messages: tuple[Message, ...],
        origins: Origins[MessageWriter],
        losses: Losses,
        written: Transcript,
    ) -> None:
        self._messages = messages
        self._origins = origins
        self._losses = losses
        self._written = written

    def conversation(self, memo: Memo | None) -> Said:
        """Write a stored conversation, from where that of earlier calls was settled; before it the rest."""
        messages, written = self._messages, self._written
        first, count = 0, len(messages)
        while first < count and not messages[first].protocol:
            first += 1
        alone = True
        for place in range(first):
            self.write(place, place + 1, None)
            # A call that waits for its result is the business of what comes after.
            alone = alone and len(written.messages) == place + 1 and not written.waits
        at = len(written.messages)
        known: tuple[bytes, ...] = ()
        if memo is None or written.waits or first == count:
            self.write(first, count, memo)
        else:
            known = self._go_on(memo, first)
        return Said(self.end(), range(at, at + len(known)), alone)

    def _go_on(self, memo: Memo, first: int) -> tuple[bytes, ...]:
        """Write what follows the conversation of earlier calls; returns what of it now is at hand for the next."""
        messages, written, losses = self._messages, self._written, self._losses
        begun = memo.begin(messages, first)
        for noted in begun.losses:
            losses.note(noted.code, f"/messages/{first + noted.place}{noted.rest}")
        at = len(written.messages)
        written.messages += begun.told
        place, noted_before = first + len(begun.messages), losses.count
        settled = self.write(place, len(messages), memo)
        fresh = written.messages[at + len(begun.told) : settled.told]
        told = tuple(each if each.__class__ is bytes else json.encode(each) for each in fresh)
        if settled.place == place or has_mark(b"".join(told)):
            return begun.told
        written.messages[at + len(begun.told) : settled.told] = told
        more = Begun(
            messages[place : settled.place],
            told,
            tuple(_noted(loss, first) for loss in losses.noted()[noted_before : settled.losses]),
            words=False,
            held=_held(messages[place : settled.place]),
        )
        return memo.go_on(more).told

    def write(self, first: int, end: int, memo: Memo | None) -> _Settled:
        """Write messages; returns the last of them before which all was settled."""
        written, losses = self._written, self._losses
        settled = _Settled(first, len(written.messages), losses.count)
        # What a message of no dialect becomes is a matter of the call's, so that it is written anew for each.
        lasts = True
        for position in range(first, end):
            message = self._messages[position]
            # While results are awaited it is a matter of these, too, what a message becomes.
            at_hand = None if written.waits else memo
            place, noted = len(written.messages), losses.count
            if lasts and not written.waits:
                settled = _Settled(position, place, noted)
            lasts = lasts and message.protocol != ""
            if at_hand is not None and (known := at_hand.known(message)):
                written.messages.append(known)
                continue
            text = plain_text(message)
            if text and message.role in PLAIN_ROLES:
                # Who speaks so and says plain words is told alike everywhere.
                written.add({"role": message.role, "content": text}, f"/messages/{position}")
            else:
                writer = self._origins.writer_of(message)
                writer.write(self._origins.as_asked(message, position), position, written)
            one = len(written.messages) == place + 1 and losses.count == noted
            if at_hand is not None and one and _is_its_own(message):
                written.messages[place] = remembered(at_hand, message, written.messages[place])
        return settled

    def end(self) -> list[Json]:
        """All that was written."""
        self._written.settle()
        return self._written.messages


def _held(parts_of: Iterable[Message | ToolResultPart]) -> int:
    """The bytes of media in messages, and in results of tools."""
    size = 0
    for each in parts_of:
        for part in each.parts if isinstance(each, Message) else each.content:
            if isinstance(part, MediaPart):
                size += len(part.base64 or part.text or "")
            elif isinstance(part, ToolResultPart):
                size += _held((part,))
    return size


def _noted(loss: Loss, first: int) -> Noted:
    """A loss, and where in the conversation."""
    _, _, place, *rest = loss.pointer.split("/")
    return Noted(loss.code, int(place) - first, "".join(f"/{step}" for step in rest))


def _plain_messages(messages: Sequence[Message]) -> list[Json]:
    """Write messages all of which are plain words of the usual roles; empty where one is not."""
    told: list[Json] = []
    for message in messages:
        text = plain_text(message)
        if not text or message.role not in PLAIN_ROLES:
            return []
        told.append({"role": message.role, "content": text})
    return told


def _is_its_own(message: Message) -> bool:
    """Whether what a message is told as depends on itself alone: it is words, of a dialect it names."""
    return message.protocol != "" and all(isinstance(part, _WORDS) for part in message.parts)
