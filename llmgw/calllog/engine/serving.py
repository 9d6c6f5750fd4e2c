"""The engine's own life: one request after the other from a pipe, answers to another, until the worker ends."""

import os
import queue
import resource
import shutil
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Final

import duckdb
import msgspec

from llmgw.calllog.engine.asking import ask, sql
from llmgw.calllog.engine.database import DATASETS, Database
from llmgw.calllog.engine.exporting import export
from llmgw.calllog.engine.frames import (
    LENGTH,
    MAX_FRAME,
    Ask,
    Compact,
    Compacted,
    Export,
    Failed,
    Find,
    Opening,
    Operation,
    Page,
    Pieces,
    Reply,
    Request,
    Sql,
    Write,
    framed,
)
from llmgw.calllog.engine.paging import find, page
from llmgw.calllog.engine.waiting import Forgotten
from llmgw.calllog.engine.writing import compact, write

BESIDE: Final = 1536 * 1024 * 1024
"""Bytes that the process may take beside what DuckDB counts: it does not count all texts on their way."""
_NICE: Final = 5
_BROKEN: Final = 70
_FIRST_TO_GO: Final = "1000"


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more; returns early only by the process's end."""
    opening = msgspec.msgpack.decode(_read(requests), type=Opening)
    bound(opening.memory_bytes + BESIDE)
    scratch = Path(opening.scratch)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in scratch.iterdir():
        shutil.rmtree(each, ignore_errors=True) if each.is_dir() else each.unlink(missing_ok=True)
    database = Database(opening)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    decoder = msgspec.msgpack.Decoder(Request)
    while True:
        request = decoder.decode(waiting.get())
        replies.write(_framed(answered(database, request)))
        replies.flush()


def answered(database: Database, request: Request) -> Reply:
    """Answer one request, whatever comes of it."""
    try:
        with database.interrupting(request.within_s):
            return _operate(database, request.operation)
    except duckdb.InterruptException:
        return Failed(kind="slow", message=f"there was no answer within {request.within_s:g} s")
    except Forgotten:
        return Failed(kind="forgotten", message="what waits has to be sent again")
    except (duckdb.OutOfMemoryException, MemoryError):
        return Failed(kind="large", message="this takes more memory than one question may")
    except (duckdb.FatalException, duckdb.InternalException):
        # Nothing that this database says from here on can be relied on: the worker starts another.
        os._exit(_BROKEN)
    except (duckdb.IOException, OSError) as error:
        return Failed(
            kind="away", message=f"what is stored cannot be read or written: {type(error).__name__}"
        )
    except Exception as error:  # noqa: BLE001  # the next request is to be answered whatever this one met
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201  # the worker's to log
        return Failed(kind="internal", message="the engine could not answer")


def _operate(database: Database, operation: Operation) -> Reply:
    connection = database.connection
    match operation:
        case Page():
            return page(database, operation)
        case Find():
            return find(database, operation)
        case Ask():
            return ask(database, operation)
        case Sql():
            return sql(database, operation)
        case Export():
            return export(database, operation)
        case Write():
            pieces = write(connection, DATASETS[operation.dataset], operation.lines, database.scratch)
            return Pieces(pieces=pieces)
        case Compact():
            dataset = DATASETS[operation.dataset]
            return Compacted(rows=compact(connection, dataset, operation.sources, operation.target))


def bound(data_bytes: int) -> None:
    """Bound what the process may take, have it give way to others, and end first where memory is short."""
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _listen(requests: BinaryIO, waiting: "queue.SimpleQueue[bytes]") -> None:
    """Take requests as they come, and end the process when nobody can send more, whatever it is doing."""
    try:
        while True:
            waiting.put(_read(requests))
    finally:
        os._exit(0)


def _read(requests: BinaryIO) -> bytes:
    length = int.from_bytes(_exactly(requests, LENGTH), "big")
    if length > MAX_FRAME:
        raise EOFError
    return _exactly(requests, length)


def _exactly(requests: BinaryIO, length: int) -> bytes:
    read = requests.read(length)
    if len(read) < length:
        raise EOFError
    return read


def _framed(reply: Reply) -> bytearray:
    whole = framed(reply)
    if len(whole) > MAX_FRAME:
        return framed(Failed(kind="large", message="the answer is too long"))
    return whole
