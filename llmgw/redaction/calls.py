"""Calls as they may be told of: names that others chose hold no secret, and less is said where that is wished."""

from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from llmgw.redaction.text import is_plain, redact_secrets
from llmgw.types.call import Attempt, Call, Caller
from llmgw.types.operation import ContextOperation

_LONGEST: Final = 1024
"""Characters of a name that are looked at; what is longer is cut."""
_NAMES: Final = ("request_id", "alias", "answered_model", "answered_id", "tier", "trace_state")
_OF_ATTEMPT: Final = ("target", "model", "upstream_id")


def tellable(call: Call) -> Call:
    """Return the call as spans, logs and stores may have it; the same one where nothing is to be changed.

    At the level `none` it has no ids, tags, key, context, prompt and trace, and no words of errors.
    """
    if call.capture != "none" and not call.inner and _is_plain(call):
        return call
    inner = [tellable(each) for each in call.inner]
    attempts = [_attempt(each, bare=call.capture == "none") for each in call.attempts]
    changed = _cleaned(call, _NAMES)
    tags, reasons = _each(call.tags), _each(call.finish_reasons)
    if tags is not call.tags:
        changed["tags"] = tags
    if reasons is not call.finish_reasons:
        changed["finish_reasons"] = reasons
    if any(ours is not theirs for ours, theirs in zip(attempts, call.attempts, strict=True)):
        changed["attempts"] = attempts
    if any(ours is not theirs for ours, theirs in zip(inner, call.inner, strict=True)):
        changed["inner"] = inner
    if call.capture == "none":
        return _bare(replace(call, **changed))
    return replace(call, **changed) if changed else call


def _is_plain(call: Call) -> bool:
    """Whether no name of a call needs a closer look: those that most calls share were looked at before."""
    shared = [call.alias, call.answered_model, call.tier, *call.finish_reasons]
    own = [call.answered_id, call.trace_state, *call.tags]
    if call.request_id[4:] != call.id[5:]:
        own.append(call.request_id)  # its caller's: ours is drawn together with the id of the call
    for each in call.attempts:
        shared += (each.target, each.model)
        own.append(each.upstream_id)
    names = "\n".join(filter(None, shared))
    # Providers name models as they like, of whatever length: short names alone are remembered.
    plain = _is_known_plain(names) if len(names) <= _LONGEST else is_plain(names)
    return plain and is_plain("\n".join(filter(None, own)))


_is_known_plain = lru_cache(maxsize=1024)(is_plain)


def tellable_operation(operation: ContextOperation) -> ContextOperation:
    """Return the operation as spans may have it: at the level `none` without ids, key and trace."""
    if operation.capture != "none":
        state = _clean(operation.trace_state)
        return operation if state is operation.trace_state else replace(operation, trace_state=state)
    return replace(
        operation, context="", key_id=None, forked_from=None, trace_id=0, parent_span_id=None, trace_state=""
    )


def _bare(call: Call) -> Call:
    """What sums need."""
    caller = call.caller
    return replace(
        call,
        id="",
        request_id="",
        trace_id=0,
        parent_span_id=None,
        trace_state="",
        caller=None if caller is None else Caller(key_id="", name="", role=caller.role, tenant=caller.tenant),
        admission=None,
        tags=(),
        answered_id=None,
        context=None,
        prompt=None,
        error_message=None,
        content=None,
    )


def _attempt(attempt: Attempt, *, bare: bool) -> Attempt:
    if bare:
        return replace(attempt, **{**_cleaned(attempt, _OF_ATTEMPT), "upstream_id": None, "message": None})
    changed = _cleaned(attempt, _OF_ATTEMPT)
    return replace(attempt, **changed) if changed else attempt


def _cleaned(of: Call | Attempt, names: tuple[str, ...]) -> dict[str, object]:
    """Those of the names that hold something, without it."""
    changed: dict[str, object] = {}
    for name in names:
        value = getattr(of, name)
        if value and (clean := _clean(value)) is not value:
            changed[name] = clean
    return changed


def _each(words: tuple[str, ...]) -> tuple[str, ...]:
    clean = tuple(map(_clean, words))
    return words if clean == words else clean


def _clean(name: str) -> str:
    return redact_secrets(name if len(name) <= _LONGEST else name[:_LONGEST])
