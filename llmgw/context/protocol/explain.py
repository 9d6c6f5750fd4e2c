"""What a validator found, told as violations: pointers, and messages in plain words that stay short."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from llmgw.types.json import Json, encode
from llmgw.types.violation import Violation, pointer_to

MAX_MESSAGE: Final = 300
MAX_QUOTED: Final = 64
"""Longest value or name that a message quotes, in characters."""

_NAMED: Final = 3
"""How many unknown members are named."""
_CAPITAL: Final = re.compile("[A-Z]")


def _reference(validator: Any, reference: str, instance: Json, schema: Json) -> Iterator[ValidationError]:
    """Keep the step through a reference in the path through the schema."""
    for error in Draft202012Validator.VALIDATORS["$ref"](validator, reference, instance, schema):
        error.schema_path.appendleft("$ref")
        yield error


def _required(_: Any, names: list[str], instance: Json, __: Json) -> Iterator[ValidationError]:
    for name in names if isinstance(instance, dict) else ():
        if name not in instance:
            yield ValidationError(f"{_quoted(name)} is missing")


def _others(validator: Any, others: Json, instance: Json, schema: Json) -> Iterator[ValidationError]:
    """Look at members in their order, one by one, and name a few unknown ones, however many there are."""
    if "patternProperties" in schema:
        original = Draft202012Validator.VALIDATORS["additionalProperties"]
        yield from original(validator, others, instance, schema)
    elif isinstance(instance, dict):
        known = schema.get("properties", {})
        unknown = (name for name in instance if name not in known)
        if others is not False:
            for name in unknown:
                yield from validator.descend(instance[name], others, path=name)
        elif named := list(islice(unknown, _NAMED)):
            yield ValidationError(f"there is no member {_either(map(_quoted, named))} here")


Explainer: Final[Any] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"$ref": _reference, "required": _required, "additionalProperties": _others}
)
"""jsonschema's validator, lazy where lists and objects are long, whose errors `explained` can tell."""


def explained(errors: Iterable[ValidationError], beneath: str = "") -> Iterator[Violation]:
    """Tell errors as violations, one after the other, as they are found.

    The `Explainer` that finds them was given a `$ref` to the schema, to which `beneath` is the pointer.
    """
    for error in errors:
        for cause in _causes(error):
            yield _told(cause, beneath)


def _causes(error: ValidationError) -> list[ValidationError]:
    """Of alternatives, what is wrong with the only one that was meant, where the value's type tells which."""
    if error.validator != "anyOf":
        return [error]
    branches: dict[Any, list[ValidationError]] = {}
    for cause in error.context or ():
        branches.setdefault(cause.relative_schema_path[0], []).append(cause)
    meant = [causes for causes in branches.values() if not any(map(_is_of_another_type, causes))]
    return [deeper for cause in meant[0] for deeper in _causes(cause)] if len(meant) == 1 else [error]


def _is_of_another_type(error: ValidationError) -> bool:
    return error.validator == "type" and not error.relative_path


def _told(error: ValidationError, beneath: str) -> Violation:
    keyword = str(error.validator or "false")
    # The first step is the reference to the schema itself.
    steps = list(error.absolute_schema_path)[1:]
    message = _message(error, keyword)
    return Violation(
        rule=f"schema.{_CAPITAL.sub(lambda capital: '_' + capital[0].lower(), keyword)}",
        pointer=pointer_to(*_short_steps(error.absolute_path)),
        message=message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 1]}…",
        schema_pointer=beneath + pointer_to(*steps),
    )


def _short_steps(path: Iterable[str | int]) -> Iterator[str | int]:
    """Lead as near as names of reasonable length do."""
    for step in path:
        if isinstance(step, str) and len(step) > MAX_QUOTED:
            return
        yield step


def _message(error: ValidationError, keyword: str) -> str:
    expected: Any = error.validator_value
    value = _quoted(error.instance, "name" if "propertyNames" in error.schema_path else "text")
    match keyword:
        case "required" | "additionalProperties":
            return error.message
        case "type":
            return (
                f"{value} is not of the type {_either([expected] if isinstance(expected, str) else expected)}"
            )
        case "enum":
            return f"{value} is not {_either(map(_quoted, expected))}"
        case "const":
            return f"{value} is not {_quoted(expected)}"
        case "pattern":
            return f"{value} does not match {expected}"
        case "anyOf":
            types = [
                str(cause.validator_value) for cause in error.context or () if _is_of_another_type(cause)
            ]
            return (
                f"{value} is not of the type {_either(types)}"
                if types
                else f"{value} fits no form of several"
            )
        case "oneOf":
            forms = [" and ".join(map(_quoted, form)) for form in map(_needs, expected) if form]
            return (
                f"exactly one must be given of {_either(forms)}"
                if forms
                else f"{value} does not fit exactly one form"
            )
        case _:
            return f"{value} {_out_of_bounds(keyword, expected)}"


def _needs(form: Json) -> list[str]:
    """The members by which one of several forms is known."""
    return form.get("required", []) if isinstance(form, dict) else []


def _out_of_bounds(keyword: str, bound: Json) -> str:
    match keyword:
        case "minimum":
            return f"is less than {bound}"
        case "exclusiveMinimum":
            return f"is not more than {bound}"
        case "maximum":
            return f"is more than {bound}"
        case "exclusiveMaximum":
            return f"is not less than {bound}"
        case "minLength" | "minItems" | "minProperties":
            return f"is shorter than {bound}"
        case "maxLength" | "maxItems" | "maxProperties":
            return f"is longer than {bound}"
        case _:
            return f"does not fit `{keyword}`"


def _quoted(value: Json, word: str = "text") -> str:
    """Write a value as JSON where that is short; else say what it is."""
    match value:
        case dict():
            return f"an object of {_counted(value, 'member')}"
        case list():
            return f"a list of {_counted(value, 'item')}"
        case str() if len(value) > MAX_QUOTED:
            return f"a {word} of {_counted(value, 'character')}"
        case int() if not -(2**64) < value < 2**64:
            return "a number of many digits"
        case _:
            return encode(value).decode()


def _counted(values: Json, word: str) -> str:
    return f"{len(values)} {word}{'' if len(values) == 1 else 's'}"


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
