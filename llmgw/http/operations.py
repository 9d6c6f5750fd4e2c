"""What routes do with contexts, told to telemetry: `with telling(…) as operation`, around the work and no more."""

from contextlib import AbstractContextManager

from llmgw.context.erasure import Receipt
from llmgw.context.library import Verified
from llmgw.context.storage.names import CONTEXT_ID
from llmgw.http.asked import HttpRequest, caller_of, trace_of
from llmgw.http.runtime import Runtime
from llmgw.types.context import ContextInfo
from llmgw.types.operation import ContextOperation, OperationName


def telling(
    runtime: Runtime, request: HttpRequest, name: OperationName, context: str = ""
) -> AbstractContextManager[ContextOperation]:
    """Tell of an operation when the block ends, however it does.

    Begin it when the body is read: how fast a caller sends says nothing of the house. `context` is as the caller
    wrote it, and is told of only where a context can be called so.
    """
    known = context if CONTEXT_ID.fullmatch(context) else ""
    return runtime.recorder.operation(name, caller_of(request), known, trace_of(request))


def left(operation: ContextOperation, info: ContextInfo) -> ContextInfo:
    """Note the context that an operation left, and return it."""
    operation.context, operation.rev, operation.turns = info.id, info.rev, info.turns
    return info


def erased(operation: ContextOperation, *receipts: Receipt) -> None:
    """Note what an operation erased, forks that went along included."""
    operation.contexts = len(receipts) + sum(
        fate == "erased" for receipt in receipts for fate in receipt.forks.values()
    )
    operation.turns = sum(receipt.turns for receipt in receipts)


def examined(operation: ContextOperation, found: Verified) -> None:
    """Note what a proof came to."""
    operation.rev, operation.turns = found.rev, found.turns
    if found.missing_blobs:
        operation.checks = {"c1": "pass", "c7": "fail"}
    else:
        operation.checks = {"c1": "pass", "c7": "pass"} if found.ok else {"c1": "fail"}
