"""The columns of the log as a table, one for each member of an event."""

from typing import Any, Final, get_args, get_origin

import msgspec

from llmgw.calllog.event import CallEvent


def columns_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the SQL type of each member, in order: texts, whole numbers, fractions, truths, lists of texts.

    Raises:
        TypeError: a member is of another type.
    """
    return {field.encode_name: _sql_type(field.type) for field in msgspec.structs.fields(struct)}


def _sql_type(kind: Any) -> str:
    known = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}
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
