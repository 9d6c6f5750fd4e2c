"""Messages between processes of one gateway, over Unix sockets that only its own user can reach.

Each is a length of four bytes and a struct in MessagePack.
"""

import os
import socket
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Struct

Connection: TypeAlias = socket.socket
Listener: TypeAlias = socket.socket
T = TypeVar("T", bound=Struct)

_LENGTH = 4
_BACKLOG = 128
_MODE = 0o600
_encode = msgspec.msgpack.Encoder().encode


def listen(path: Path) -> Listener:
    """Listen at a path, in the place of whoever did so before.

    Raises:
        OSError: nobody can.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(os.fspath(path))
        path.chmod(_MODE)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def inherited(descriptor: int) -> Listener:
    """The listener that the process which started this one has as a descriptor."""
    return socket.socket(fileno=descriptor)


def connect(path: Path, timeout_s: float) -> Connection:
    """Connect to whoever listens at a path; nothing that is asked of it may take longer.

    Raises:
        OSError: nobody does.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_s)
        connection.connect(os.fspath(path))
    except BaseException:
        connection.close()
        raise
    return connection


def send(to: Connection, said: Struct) -> None:
    """Send one message.

    Raises:
        OSError: nobody takes it.
        UnicodeEncodeError: a text in it has half a character.
        OverflowError: it is longer than 4 GiB.
    """
    body = _encode(said)
    to.sendall(len(body).to_bytes(_LENGTH, "big") + body)


def receive(of: Connection, kind: type[T]) -> T:
    """Receive one message.

    Raises:
        EOFError: there is no more.
        OSError: the connection broke, or its time is over.
    """
    length = int.from_bytes(_exactly(of, _LENGTH), "big")
    return msgspec.msgpack.decode(_exactly(of, length), type=kind)


def _exactly(of: Connection, length: int) -> bytearray:
    found = bytearray(length)
    view, at = memoryview(found), 0
    while at < length:
        more = of.recv_into(view[at:])
        if not more:
            raise EOFError
        at += more
    return found
