"""How a state document changes: by a JSON Patch (RFC 6902), or by what two branches made of one document.

A patch comes from a stranger: how much it may do and how large a document it may make on the way are bounded, and
it is applied as a whole or not at all.
"""

import copy
from collections.abc import Mapping
from typing import Final

import jsonpatch
import jsonpointer
from msgspec import UNSET, Struct, UnsetType, ValidationError, convert, field

from llmgw.types.context_errors import MergeConflict, PatchFailed
from llmgw.types.json import Json, encode
from llmgw.types.violation import Violation, pointer_to

OPERATIONS_MAX: Final = 1000
"""Operations of a patch."""
COPIED_MAX: Final = 1024 * 1024
"""Bytes that all `copy` operations of a patch may copy: each could double what is there."""

_VALUED: Final = frozenset({"add", "replace", "test"})
_FROM: Final = frozenset({"move", "copy"})
_KNOWN: Final = _VALUED | _FROM | {"remove"}
_NONE: Final = object()


class _Operation(Struct, frozen=True):
    """The members of an operation; others are ignored, as the standard asks."""

    op: str
    path: str
    value: Json | UnsetType = UNSET
    source: str | UnsetType = field(default=UNSET, name="from")


def patched(data: dict[str, Json], patch: Json) -> dict[str, Json]:
    """Apply a JSON Patch to a copy of a state.

    Raises:
        PatchFailed: it is no patch, does more than the bounds allow, cannot be applied to what is there, a `test`
            does not hold, or what comes out is no object; the violation points into the patch.
    """
    if not isinstance(patch, list):
        raise _failed("patch.form", "", "a JSON Patch is a list of operations")
    if len(patch) > OPERATIONS_MAX:
        raise _failed(
            "patch.size", "", f"the patch has {len(patch)} operations; the most are {OPERATIONS_MAX}"
        )
    operations = [_read(written, number) for number, written in enumerate(patch)]
    document: Json = copy.deepcopy(data)
    copied = 0
    for number, operation in enumerate(operations):
        place = pointer_to(number)
        if operation.op == "copy":
            copied += len(encode(_at(document, operation.source, place + "/from")))
            if copied > COPIED_MAX:
                raise _failed("patch.size", place, f"the patch copies more than {COPIED_MAX} bytes")
        document = _applied(document, operation, place)
    if not isinstance(document, dict):
        raise _failed("patch.result", "", "what comes out is no object, and a state is one")
    return document


def _read(written: Json, number: int) -> _Operation:
    place = pointer_to(number)
    if not isinstance(written, dict):
        raise _failed("patch.form", place, "an operation is an object")
    try:
        operation = convert(written, _Operation)
    except ValidationError as error:
        raise _failed("patch.form", place, str(error)) from None
    if operation.op not in _KNOWN:
        raise _failed(
            "patch.form", place + "/op", f"there is no operation of this name: it is one of {_NAMES}"
        )
    if operation.op in _VALUED and operation.value is UNSET:
        raise _failed("patch.form", place, f"{operation.op} needs a value")
    if operation.op in _FROM and operation.source is UNSET:
        raise _failed("patch.form", place, f"{operation.op} needs from")
    for name, path in (("path", operation.path), ("from", operation.source)):
        if isinstance(path, str):
            try:
                jsonpointer.JsonPointer(path)
            except jsonpointer.JsonPointerException:
                raise _failed("patch.form", f"{place}/{name}", "this is no JSON Pointer") from None
    return operation


_NAMES: Final = ", ".join(sorted(_KNOWN))


def _applied(document: Json, operation: _Operation, place: str) -> Json:
    if operation.op == "test":
        # The library compares as Python does, to which true is 1.
        if not is_same(_at(document, operation.path, place + "/path"), operation.value):
            raise _failed("patch.test", place, "the test does not hold: another value is there")
        return document
    written: dict[str, Json] = {"op": operation.op, "path": operation.path}
    if operation.value is not UNSET:
        # A later operation may reach into the value; the patch may yet be applied again.
        written["value"] = copy.deepcopy(operation.value)
    if operation.source is not UNSET:
        written["from"] = operation.source
    try:
        return jsonpatch.JsonPatch([written]).apply(document, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise _failed("patch.target", place, f"cannot be applied to what is there: {error}") from None


def _at(document: Json, path: str | UnsetType, place: str) -> Json:
    found = _NONE if path is UNSET else jsonpointer.resolve_pointer(document, path, _NONE)
    if found is _NONE or isinstance(found, jsonpointer.EndOfList):
        raise _failed("patch.target", place, "nothing is there")
    return found


def _failed(rule: str, pointer: str, message: str) -> PatchFailed:
    return PatchFailed(message, [Violation(rule=rule, pointer=pointer, message=message)])


def is_same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal as JSON has it: by type first, so that true is not 1; 1 and 1.0 are one."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def merged(base: Mapping[str, Json], ours: Mapping[str, Json], theirs: Mapping[str, Json]) -> dict[str, Json]:
    """Join what two branches made of one document, member by member; a list is one value.

    Raises:
        MergeConflict: both changed the same, and not to the same; the violations point to each such place.
    """
    conflicts: list[str] = []
    document = _joined(base, ours, theirs, "", conflicts)
    if conflicts:
        message = "both branches changed this, each in its own way"
        violations = [Violation(rule="merge.state", pointer=each, message=message) for each in conflicts]
        raise MergeConflict(
            f"the states differ in {len(conflicts)} places that both branches changed", violations
        )
    return document


def _joined(
    base: Mapping[str, Json],
    ours: Mapping[str, Json],
    theirs: Mapping[str, Json],
    pointer: str,
    conflicts: list[str],
) -> dict[str, Json]:
    joined: dict[str, Json] = {}
    for name in dict.fromkeys((*ours, *theirs)):
        was, one, other = (each.get(name, _NONE) for each in (base, ours, theirs))
        place = pointer + pointer_to(name)
        if is_same(other, was) or is_same(one, other):
            kept = one
        elif is_same(one, was):
            kept = other
        elif isinstance(one, dict) and isinstance(other, dict):
            # Where there was no object before, both made one: what only one of them put in does no harm.
            kept = _joined(was if isinstance(was, dict) else {}, one, other, place, conflicts)
        else:
            conflicts.append(place)
            kept = one
        if kept is not _NONE:
            joined[name] = copy.deepcopy(kept)
    return joined
