"""Writing a body whose messages are a stored conversation's: each message as its own bytes.

So it can be seen whether what a target was told before stands unchanged at the beginning of what it is told now.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from llmgw.types import json
from llmgw.types.invocation import Memo
from llmgw.types.json import Json
from llmgw.types.message import Details, Message

CACHE_MARK: Final = "cache_control"
"""A mark that moves from message to message with every call and says nothing to the model."""


class Written(NamedTuple):
    """A body, and of a stored conversation its messages behind what the model is told before them."""

    body: bytes
    head: bytes = b""
    messages: tuple[bytes, ...] = ()


def written(body: Details, member: str, before: Collection[str], *, stored: bool) -> Written:
    """Encode a body; `member` holds its messages, and `before` names what a model reads ahead of them.

    Messages of a stored conversation may be bytes already, without a mark.
    """
    if not stored or not isinstance(body.get(member), list):
        return Written(json.encode(body))
    messages = tuple(map(_encoded, body[member]))
    whole = _joined(body, member, messages)
    head = json.encode({name: body[name] for name in before if name in body})
    if CACHE_MARK.encode() in whole:
        messages = tuple(_encoded(_unmarked(message)) for message in body[member])
        head = json.encode(_unmarked({name: body[name] for name in before if name in body}))
    return Written(whole, head, messages)


def remembered(memo: Memo, message: Message, body: Json) -> Json:
    """Encode what a message is told as, and keep it for the next call; one that bears a mark stays as it is."""
    told = json.encode(body)
    if CACHE_MARK.encode() in told:
        return body
    memo[id(message)] = (message, told)
    return told


def _joined(body: Details, member: str, messages: Sequence[bytes]) -> bytes:
    """Encode a body around messages that are bytes: thousands of them are copied once."""
    if not messages:
        return json.encode(body)
    names = list(body)
    at = names.index(member)
    before = json.encode({name: body[name] for name in names[:at]})[:-1]
    after = json.encode({name: body[name] for name in names[at + 1 :]})[1:]
    opening = b"%b%b%b:[" % (before, b"," if at else b"", json.encode(member))
    closing = b"]%b%b" % (b"," if len(after) > 1 else b"", after)
    if len(messages) == 1:
        return b"".join((opening, messages[0], closing))
    return b",".join((opening + messages[0], *messages[1:-1], messages[-1] + closing))


def _encoded(message: Json) -> bytes:
    return message if message.__class__ is bytes else json.encode(message)


def _unmarked(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _unmarked(item) for name, item in value.items() if name != CACHE_MARK}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value
