"""What is wrong with a value, in plain words that stay short, whatever the value."""

import re
from collections.abc import Iterable
from typing import Final

from llmgw.types.json import Json, encode
from llmgw.types.violation import Violation, pointer_to
from llmgw.user_schemas.keywords import Steps

MESSAGE_MAX: Final = 300
"""Characters of a message."""
QUOTED_MAX: Final = 40
"""Characters up to which a value or name is quoted; longer ones are described."""
NAME_MAX: Final = 256
"""Characters of a member's name up to which a pointer leads into the member; else it leads to what holds it."""

_LISTED: Final = 5
_LONG: Final = 128
"""Bits up to which a number is written out."""
_CAPITAL: Final = re.compile("[A-Z]")
_BOUNDS: Final = {
    "multipleOf": "is no multiple of {}",
    "minimum": "is less than {}",
    "maximum": "is more than {}",
    "exclusiveMinimum": "is not more than {}",
    "exclusiveMaximum": "is not less than {}",
    "minLength": "is shorter than {}",
    "maxLength": "is longer than {}",
    "minItems": "has fewer than {}",
    "maxItems": "has more than {}",
    "minProperties": "has fewer than {}",
    "maxProperties": "has more than {}",
    "contains": "has no item of the form that one must have",
    "minContains": "has fewer than {} of the form that is wanted",
    "maxContains": "has more than {} of the form that is limited",
    "uniqueItems": "has equal items",
    "const": "is not {}",
    "pattern": "does not match {}",
    "anyOf": "fits none of the forms it may have",
    "not": "fits a form it must not have",
}

_COUNTED: Final = {
    **dict.fromkeys(("minLength", "maxLength"), "character"),
    **dict.fromkeys(("minItems", "maxItems", "minContains", "maxContains"), "item"),
    **dict.fromkeys(("minProperties", "maxProperties"), "member"),
}


def violation(schema_pointer: str, keyword: str, expected: Json, value: Json, at: Steps) -> Violation:
    """Say that a value at a place breaks a keyword of the schema at a pointer.

    `expected` is the keyword's value; for `required` the name that is missing, for `oneOf` how many forms fit.
    """
    if keyword == "false":
        keyword = _refusing(schema_pointer)
        message = f"{_place(at, value)} is not allowed here"
    else:
        schema_pointer += f"/{keyword}"
        message = _message(keyword, expected, value)
    return Violation(
        rule=f"schema.{rule_of(keyword)}",
        pointer=pointer_to(*_near(at)),
        message=message if len(message) <= MESSAGE_MAX else f"{message[: MESSAGE_MAX - 1]}…",
        schema_pointer=schema_pointer,
    )


def _message(keyword: str, expected: Json, value: Json) -> str:
    match keyword:
        case "type":
            return f"{told(value)} is not of type {_either([expected] if isinstance(expected, str) else expected)}"
        case "enum":
            return f"{told(value)} is not {_either(map(told, expected[: _LISTED + 1]))}"
        case "required":
            return f"the member {told(expected)} is missing"
        case "dependentRequired":
            key, missing = next(
                (key, name)
                for key, names in expected.items()
                if key in value
                for name in names
                if name not in value
            )
            return f"beside {told(key)} the member {told(missing)} is missing"
        case "oneOf":
            return f"{told(value)} fits {expected or 'none'} of the forms of which it must have one"
        case _:
            limit = _several(int(expected), _COUNTED[keyword]) if keyword in _COUNTED else told(expected)
            return f"{told(value)} {_BOUNDS[keyword].format(limit)}"


def rule_of(keyword: str) -> str:
    """The name of a keyword in the name of a rule."""
    return _CAPITAL.sub(lambda capital: "_" + capital[0].lower(), keyword)


def told(value: Json) -> str:
    """Quote a short value, describe a long one."""
    if isinstance(value, dict | list) and value:
        kind, part = ("an object", "member") if isinstance(value, dict) else ("an array", "item")
        return f"{kind} of {_several(len(value), part)}"
    if isinstance(value, str) and len(value) > QUOTED_MAX:
        return f"a text of {len(value)} characters"
    if type(value) is int and value.bit_length() > _LONG:
        return "a very long number"
    return encode(value).decode()


def _several(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _place(at: Steps, value: Json) -> str:
    if not at:
        return told(value)
    return f"item {at[-1]}" if isinstance(at[-1], int) else f"the member {told(at[-1])}"


def _refusing(schema_pointer: str) -> str:
    """The keyword by which a schema that refuses everything stands where it stands."""
    keyword = schema_pointer.rpartition("/")[2]
    return (
        keyword
        if keyword in {"additionalProperties", "unevaluatedProperties", "unevaluatedItems", "items"}
        else "false"
    )


def _either(words: Iterable[str]) -> str:
    listed = list(words)
    if len(listed) > _LISTED:
        listed = [*listed[:_LISTED], "another of several"]
    return " or ".join(filter(None, (", ".join(listed[:-1]), listed[-1]))) if listed else "anything"


def _near(at: Steps) -> Iterable[str | int]:
    for step in at:
        if isinstance(step, str) and len(step) > NAME_MAX:
            return
        yield step
