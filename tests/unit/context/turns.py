"""Turns as they lie in the store, made by hand: for what needs no store to be looked at."""

from typing import Any, Final

from llmgw.context.clock import moment
from llmgw.context.integrity import frame
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.cipher import Cipher
from llmgw.context.integrity.frame import Frame
from llmgw.context.kept import Kept, encode_json, kept, meta_of
from llmgw.types.message import Message, Part, Role, TextPart, ToolCallPart, ToolResultPart
from llmgw.types.secret import Secret
from llmgw.types.turn import Turn

SECRET: Final = Secret("a-chain-key-for-tests-only-0123456789")
OTHER: Final = Secret("another-key-for-tests-only-0123456789")
KEYS: Final = ChainKeys({"k1": SECRET})
KEY: Final = KEYS.chain("acme", "k1")
START: Final = bytes(range(32))
SALT: Final = bytes(range(16))
AT: Final = 1_700_000_000_000


def turn(seq: int, role: Role, *parts: Part, **more: Any) -> Turn:
    """A turn of these parts."""
    return Turn(id=f"turn_{seq:026}", seq=seq, role=role, created_at=moment(AT + seq), parts=parts, **more)


def held(seq: int, role: Role, *parts: Part, **more: Any) -> Kept:
    """A turn as a worker holds it."""
    made = turn(seq, role, *parts, **more)
    return kept(made, len(encode_json(made)), "ctx")


def text(words: str = "hello") -> TextPart:
    """A text."""
    return TextPart(text=words)


def call(name: str) -> ToolCallPart:
    """A call of a tool."""
    return ToolCallPart(id=name, name="look", arguments="{}")


def result(name: str, words: str = "found") -> ToolResultPart:
    """What a tool answered to a call."""
    return ToolResultPart(call_id=name, content=(TextPart(text=words),))


def said(role: Role, *parts: Part, **more: Any) -> Message:
    """A message as a caller says it."""
    return Message(role=role, parts=parts, **more)


def framed(made: Turn, cipher: Cipher | None = None, before: bytes = START) -> Frame:
    """The frame of a turn that follows a link."""
    body = encode_json(made)
    return frame.sealed(
        meta_of(kept(made, len(body), "ctx"), AT, len(body)),
        body if cipher is None else cipher.encrypt(body, str(made.seq)),
        SALT,
        key_id="k1",
        key=KEY,
        before=before,
        encrypted=cipher is not None,
    )
