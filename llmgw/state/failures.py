"""What can go wrong with the store, in our words."""

from typing import Any

from redis import exceptions

from llmgw.state.health import Problem
from llmgw.state.lane import LaneFull
from llmgw.types.errors import StoreUnavailable


def silent(answer: Any) -> bool:
    """Whether what came back is an error that shows no store."""
    return isinstance(answer, Exception) and not (
        isinstance(answer, exceptions.ResponseError | exceptions.MaxConnectionsError) or demoted(answer)
    )


def demoted(failure: BaseException) -> bool:
    """Whether it says that who answered is no primary any more."""
    # The client library hides a Sentinel primary's READONLY behind a connection error raised in its handler.
    return isinstance(failure, exceptions.ReadOnlyError) or isinstance(
        failure.__context__, exceptions.ReadOnlyError
    )


def unavailable(failure: BaseException) -> StoreUnavailable:
    """Name the failure of a command."""
    match failure:
        case LaneFull():
            return StoreUnavailable(
                "too many calls wait for the gateway's store", retry_after_s=1.0, asked=False
            )
        case exceptions.OutOfMemoryError():
            message = "the gateway's store is full"
        case (
            exceptions.AuthenticationError()
            | exceptions.AuthorizationError()
            | exceptions.NoPermissionError()
        ):
            message = "the gateway's store refuses the gateway's login"
        case exceptions.ResponseError():
            message = "the gateway's store refuses the command"
        case _:
            message = "the gateway's store does not answer"
    return StoreUnavailable(message, retry_after_s=1.0)


def absence(cause: BaseException | None) -> Problem:
    """Name what keeps the store from saying how it is."""
    match cause:
        case exceptions.BusyLoadingError():
            return Problem(
                code="store_loading",
                message="the store is reading its data from disk",
                fix="wait until it has loaded; its own log tells how far it is",
            )
        case exceptions.AuthenticationError() | exceptions.AuthorizationError() | exceptions.ResponseError():
            return Problem(
                code="store_refused",
                message="the store refuses the gateway's login or commands",
                fix="check the user name, password and ACL of state.url",
            )
        case _:
            return Problem(
                code="store_unreachable",
                message="the store does not answer",
                fix="check that the server of state.url runs and can be reached from here",
            )
