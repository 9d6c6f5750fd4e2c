"""What workers and the counting process say to each other: a length of four bytes, then MessagePack."""

import socket
from typing import TypeVar

import msgspec
from msgspec import Struct

_LENGTH = 4
_encode = msgspec.msgpack.Encoder().encode

T = TypeVar("T", bound=Struct)


class Texts(Struct, frozen=True):
    """Texts to be counted in a vocabulary, each by itself."""

    vocabulary: str
    texts: list[str]


class Counts(Struct, frozen=True):
    """How many tokens each text is; or, with none, why that cannot be told."""

    counts: list[int]
    problem: str = ""


def send(to: socket.socket, said: Struct) -> None:
    """Send one message.

    Raises:
        OSError: nobody takes it.
        UnicodeEncodeError: a text in it has half a character.
        OverflowError: it is longer than 4 GiB.
    """
    body = _encode(said)
    to.sendall(len(body).to_bytes(_LENGTH, "big") + body)


def receive(of: socket.socket, kind: type[T]) -> T:
    """Receive one message.

    Raises:
        EOFError: there is no more.
        OSError: the connection broke, or its time is over.
    """
    length = int.from_bytes(_exactly(of, _LENGTH), "big")
    return msgspec.msgpack.decode(_exactly(of, length), type=kind)


def _exactly(of: socket.socket, length: int) -> bytearray:
    found = bytearray(length)
    view, at = memoryview(found), 0
    while at < length:
        more = of.recv_into(view[at:])
        if not more:
            raise EOFError
        at += more
    return found
