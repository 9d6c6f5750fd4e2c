"""The columns of a log as a table, one for each member of an event."""

from typing import Any, Final, get_args, get_origin

import msgspec

from llmgw.calllog.event import CallEvent


def columns_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the SQL type of each member, in order: texts, numbers, fractions, truths, bytes, lists of texts.

    Raises:
        TypeError: a member is of another type.
    """
    return {field.encode_name: _sql_type(field.type) for field in msgspec.structs.fields(struct)}


def defaults_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return as SQL what a member is that was left out, where that is not NULL.

    Raises:
        TypeError: a default is no constant.
    """
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(struct):
        value = field.default
        if value is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT:
            continue
        if value is not None:
            found[field.encode_name] = _literal(value)
    return found


def _literal(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str() if "'" not in value:
            return f"'{value}'"
        case bytes() if not value:
            return "''"
        case ():
            return "[]"
    raise TypeError(f"no column has the default {value!r}")


def _sql_type(kind: Any) -> str:
    known = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", bytes: "BLOB"}
    if kind in known:
        return known[kind]
    members = [each for each in get_args(kind) if each is not type(None) and each is not Ellipsis]
    if get_origin(kind) is tuple and members == [str]:
        return "VARCHAR[]"
    if all(isinstance(each, str) for each in members) and members:
        return "VARCHAR"
    if len(members) == 1 and members[0] in known:
        return known[members[0]]
    raise TypeError(f"no column is made of {kind}")


CALL_COLUMNS: Final = columns_of(CallEvent)
