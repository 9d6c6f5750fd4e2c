"""Writing a body whose messages are a stored conversation's: each message as its own bytes.

So it can be seen whether what a target was told before stands unchanged at the beginning of what it is told now.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple

from llmgw.providers.base import Behind
from llmgw.providers.stored import plain_text, words_of
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import Json
from llmgw.types.memo import Begun, Memo, Run
from llmgw.types.message import Details, Message, Role

CACHE_MARK: Final = "cache_control"
"""A mark that moves from message to message with every call and says nothing to the model."""
_MARK: Final = CACHE_MARK.encode()
_INSTRUCTING: Final = frozenset({"system", "developer"})
_NOT_BEGUN: Final = Begun((), ())


_NONE_KNOWN: Final = range(0)


class Written(NamedTuple):
    """A body, and of a stored conversation its messages behind what the model is told before them.

    `at` is where the messages begin in the body, 0 where they stand there otherwise; `own` of their bytes were made
    for this one. `behind` is as in `UpstreamRequest`. `marked` tells that a stored conversation's body holds
    the name of a mark.
    """

    body: bytes
    head: bytes = b""
    messages: tuple[bytes, ...] = ()
    at: int = 0
    own: int = 0
    behind: Behind | None = None
    marked: bool = False


def written(
    body: Details, member: str, before: Collection[str], *, stored: bool, known: range = _NONE_KNOWN
) -> Written:
    """Encode a body; `member` holds its messages, and `before` names what a model reads ahead of them.

    Messages of a stored conversation may be bytes already, without a mark, and are at the places `known`.
    """
    if not stored or not isinstance(body.get(member), list):
        return Written(json.encode(body))
    said = body[member]
    # Of thousands but a few are not bytes, and what is done for each is done for these alone.
    places = [
        place
        for place in (*range(known.start), *range(known.stop, len(said)))
        if said[place].__class__ is not bytes
    ]
    messages = tuple(said)
    if places:
        encoded = list(said)
        for place in places:
            encoded[place] = json.encode(said[place])
        messages = tuple(encoded)
    opening, closing = _around(body, member)
    whole = _joined(opening, messages, closing)
    fresh = [(place, messages[place]) for place in places]
    own = sum(len(each) for _, each in fresh)
    head = {name: body[name] for name in before if name in body}
    marked = [place for place, each in fresh if _MARK in each]
    if marked or _MARK in opening or _MARK in closing:
        unmarked = list(messages)
        for place in marked:
            unmarked[place] = json.encode(_unmarked(said[place]))
        # Messages that bear marks stand otherwise in the body.
        at = len(opening) if tuple(unmarked) == messages else 0
        return Written(whole, json.encode(_unmarked(head)), tuple(unmarked), at, own, marked=True)
    return Written(whole, json.encode(head), messages, len(opening), own)


class Words(NamedTuple):
    """A stored conversation that is words alone, each message written by itself: alike whatever stands before it.

    `own` of the bytes were made for this request alone.
    """

    messages: tuple[bytes, ...]
    own: int


def words_alone(memo: Memo | None, messages: tuple[Message, ...], roles: Collection[Role]) -> Words | None:
    """Write messages of some roles as `{"role": …, "content": …}`; None where one is more than its words.

    What was written in earlier calls is not written again. What names no dialect stands before a conversation and
    may be said otherwise by each call, and the last message is not part of it yet: neither is remembered.
    """
    first, count = 0, len(messages)
    while first < count and not messages[first].protocol:
        first += 1
    known = _NOT_BEGUN if memo is None or first == count else memo.begin(messages, first)
    if not known.words:
        return None
    place = first + len(known.messages)
    before = _words(messages[:first], roles)
    fresh = _words(messages[place:], roles, stored=True)
    if before is None or fresh is None:
        return None
    if len(fresh) > 1 and memo is not None:
        memo.go_on(Begun(messages[place:-1], fresh[:-1]))
    own = sum(map(len, before)) + (len(fresh[-1]) if fresh else 0)
    return Words(before + (known.told + fresh), own)


def _words(
    messages: Iterable[Message], roles: Collection[Role], *, stored: bool = False
) -> tuple[bytes, ...] | None:
    """Write words; None where a message is more than that, or names no dialect though it is a `stored` one."""
    told: list[bytes] = []
    for message in messages:
        text, role = words_of(message), message.role
        if not text or role not in roles or (stored and not message.protocol):
            return None
        told.append(json.encode({"role": role, "content": text}))
    return None if _MARK in b"".join(told) else tuple(told)


def around(opening: bytes, words: Words, rest: Details, head: bytes) -> Written:
    """Encode a body that opens with `opening`, behind which its messages stand, and ends with members besides."""
    closing = b"],%b" % json.encode(rest)[1:] if rest else b"]}"
    return Written(_joined(opening, words.messages, closing), head, words.messages, len(opening), words.own)


def has_mark(told: bytes) -> bool:
    """Whether what is told bears a mark, or talks of one."""
    return _MARK in told


def remembered(memo: Memo, message: Message, body: Json) -> Json:
    """Encode what a message is told as, and keep it for the next call; one that bears a mark stays as it is."""
    told = json.encode(body)
    if _MARK in told:
        return body
    memo.keep(message, told)
    return told


def spoken_in_turns(
    memo: Memo, messages: Sequence[Message], at: int, body_of: Callable[[Message], Details | None]
) -> list[Json]:
    """Write what two sides say in turns from a place on, each message for itself; those of earlier calls are bytes.

    `body_of` writes a message of words alone, and gives None for any other: that ends it, as does who speaks twice.
    The last is never bytes, as what comes after may join it.
    """
    known = memo.run(messages, at)
    place = first = at + len(known.messages)
    fresh: list[bytes] = []
    while place < len(messages) and (place == at or messages[place].role != messages[place - 1].role):
        body = body_of(messages[place])
        told = b"" if body is None else json.encode(body)
        if not told or _MARK in told:
            break
        fresh.append(told)
        place += 1
    if place == at:
        return []
    run = known
    if fresh:
        run = Run((*known.messages, *messages[first:place]), (*known.told, *fresh))
        memo.keep_run(run, own=True)
    return [*run.told[:-1], body_of(messages[place - 1])]


def behind_instructions(
    told: Written, invocation: ChatInvocation, instructions: list[Json], head: Callable[[list[Json]], Details]
) -> Written:
    """Note that a conversation stands alone behind a prompt's instructions, which are told apart from messages.

    Each of these is a text, and so the first of what the model is told as `instructions`; `head` are the members
    before the messages, for what is left of them.
    """
    messages, count = invocation.messages, invocation.before
    if not (invocation.stored and 0 < count < len(messages)):
        return told
    for message in messages[:count]:
        text = plain_text(message)
        if message.role not in _INSTRUCTING or not text or text.isspace():
            return told
    alone = head(instructions[count:]) if len(instructions) > count else {}
    return told._replace(behind=Behind(json.encode(_unmarked(alone)), 0))


def _joined(opening: bytes, messages: tuple[bytes, ...], closing: bytes) -> bytes:
    """Write a body in one piece: a long one is not copied twice."""
    if len(messages) < 2:
        return b"".join((opening, *messages, closing))
    return b",".join((opening + messages[0], *messages[1:-1], messages[-1] + closing))


def _around(body: Details, member: str) -> tuple[bytes, bytes]:
    """Encode what stands before and behind the messages: of these thousands are copied, once."""
    names = list(body)
    at = names.index(member)
    before = json.encode({name: body[name] for name in names[:at]})[:-1]
    after = json.encode({name: body[name] for name in names[at + 1 :]})[1:]
    opening = b"%b%b%b:[" % (before, b"," if at else b"", json.encode(member))
    return opening, b"]%b%b" % (b"," if len(after) > 1 else b"", after)


def _unmarked(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _unmarked(item) for name, item in value.items() if name != CACHE_MARK}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value
