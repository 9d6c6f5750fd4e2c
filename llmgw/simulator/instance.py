"""A small JSON value that a schema accepts, filled from the conversation where a member's name says how."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from llmgw.simulator.material import Material
from llmgw.simulator.merge import merged, resolved
from llmgw.simulator.pattern import example
from llmgw.types.json import Json

_MOST_STEPS = 20_000
_LONGEST = 100_000
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}
_KEYWORDS_OF_TYPE = {
    "object": {"properties", "required", "additionalProperties", "minProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}


class NoInstance(Exception):
    """No value could be made; the message says why."""


def instance(schema: Json, material: Material) -> Json:
    """Make a value that is valid against `schema`.

    Raises:
        NoInstance: the schema is malformed, refers elsewhere, or asks for more than this maker can do.
    """
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise NoInstance("a schema must be an object")
    validator_class = validator_for(schema, default=Draft202012Validator)
    try:
        validator_class.check_schema(schema)
        maker = _Maker(schema, _validator(validator_class, schema), material)
        value = maker.make(schema, "", 0)
        maker.require(value)
    except SchemaError as error:
        raise NoInstance(error.message) from None
    except Unresolvable as error:
        raise NoInstance(f"$ref cannot be followed: {error.ref}") from None
    except RecursionError:
        raise NoInstance("the schema is nested too deep") from None
    return value


def _validator(validator_class: Any, schema: dict[str, Json]) -> Any:
    """Make a validator that follows no reference out of the schema."""
    return validator_class(schema, registry=Registry(), format_checker=validator_class.FORMAT_CHECKER)


class _Maker:
    """Makes one instance of one schema."""

    def __init__(self, root: dict[str, Json], validator: Any, material: Material) -> None:
        self._root = root
        self._validator = validator
        self._material = material
        self._active = {"#"}
        self._budget = _MOST_STEPS

    def require(self, value: Json) -> None:
        """Raise `NoInstance` unless the value is valid."""
        try:
            self._validator.validate(value)
        except ValidationError as error:
            raise NoInstance(f"cannot satisfy {error.validator!r}") from None

    def make(self, schema: Json, name: str, nth: int) -> Json:
        """Make the `nth` value (they differ, where the schema lets them) for a member called `name`."""
        if schema is False:
            raise NoInstance("nothing is valid against false")
        if schema is True:
            schema = {}
        self._budget -= 1
        if self._budget < 0:
            raise NoInstance("the schema is too large")
        flat, followed = resolved(schema, self._root, NoInstance)
        # A finite value never needs a definition inside itself: another way, or nothing, must do there.
        if followed & self._active:
            raise NoInstance("the schema has no finite instance")
        self._active |= followed
        try:
            return self._choose(flat, name, nth)
        finally:
            self._active -= followed

    def _choose(self, schema: Mapping[str, Json], name: str, nth: int) -> Json:
        """Make the first alternative that can be made and is valid against the whole."""
        why = NoInstance("no alternative can be satisfied")
        for option in _options(schema):
            try:
                value = self._plain(option, name, nth)
            except NoInstance as error:
                why = error
                continue
            if self._valid(value, schema):
                return value
        raise why

    def _valid(self, value: Json, schema: Mapping[str, Json]) -> bool:
        return bool(self._validator.evolve(schema=schema).is_valid(value))

    def _plain(self, schema: Mapping[str, Json], name: str, nth: int) -> Json:
        """Make a value of a schema whose alternatives are settled."""
        if _has_choice(schema) or "$ref" in schema:
            return self.make(schema, name, nth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._member(schema, nth)
        if nth == 0:
            for offer in self._material.offers(name):
                if self._valid(offer, schema):
                    return offer
        return self._of_type(schema, name, nth)

    def _of_type(self, schema: Mapping[str, Json], name: str, nth: int) -> Json:
        match _type(schema):
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema, name)
            case "string":
                return self._string(schema, name, nth)
            case "integer":
                return self._number(schema, nth, whole=True)
            case "number":
                return self._number(schema, nth, whole=False)
            case "boolean":
                return nth == 1
            case _:
                return None

    def _member(self, schema: Mapping[str, Json], nth: int) -> Json:
        members = [member for member in schema["enum"] if self._valid(member, schema)]
        if not members:
            raise NoInstance("no member of the enum is valid")
        mentioned = [member for member in members if self._material.mentions(member)]
        return (mentioned + [member for member in members if member not in mentioned])[nth % len(members)]

    def _object(self, schema: Mapping[str, Json]) -> Json:
        properties: dict[str, Json] = schema.get("properties", {})
        required: list[str] = schema.get("required", [])
        additional = schema.get("additionalProperties", True)
        value: dict[str, Json] = {}
        for name in [*properties, *(name for name in required if name not in properties)]:
            if name in required:
                value[name] = self.make(properties.get(name, additional), name, 0)
            elif not required or self._offered(properties[name], name):
                try:
                    value[name] = self.make(properties[name], name, 0)
                except NoInstance:
                    continue  # it may be left out
        for name in self._missing(schema, properties, value):
            value[name] = self.make(properties.get(name, additional), name, 0)
        return value

    def _offered(self, schema: Json, name: str) -> bool:
        return isinstance(schema, dict) and any(
            self._valid(offer, schema) for offer in self._material.offers(name)
        )

    @staticmethod
    def _missing(
        schema: Mapping[str, Json], properties: Mapping[str, Json], value: Mapping[str, Json]
    ) -> Iterator[str]:
        """Names to add until there are `minProperties`, and those that present members depend on."""
        for trigger, names in schema.get("dependentRequired", {}).items():
            if trigger in value:
                yield from (name for name in names if name not in value)
        wanted = schema.get("minProperties", 0)
        spare = [name for name in properties if name not in value]
        spare += [f"member{number}" for number in range(1, wanted + 1)]
        for name in spare:
            if len(value) >= wanted:
                return
            yield name

    def _array(self, schema: Mapping[str, Json], name: str) -> Json:
        items = schema.get("items", True)
        prefix = list(schema.get("prefixItems", ()))
        if isinstance(items, list):  # how drafts before 2020-12 write prefixItems
            prefix, items = items, schema.get("additionalItems", True)
        least = max(schema.get("minItems", 0), schema.get("minContains", 1) if "contains" in schema else 0)
        most = schema.get("maxItems", max(least, len(prefix), 1))
        if least > _LONGEST:
            raise NoInstance("minItems is too large")
        value: list[Json] = []
        try:
            for index in range(min(max(least, len(prefix), 1), most)):
                item = prefix[index] if index < len(prefix) else items
                if "contains" in schema and item is not False:
                    item = merged({} if item is True else item, schema["contains"])
                nth = index if schema.get("uniqueItems") else 0
                value.append(self.make(item, _singular(name), nth))
        except NoInstance:
            if len(value) < least:
                raise
        return value

    def _string(self, schema: Mapping[str, Json], name: str, nth: int) -> str:
        least = schema.get("minLength", 0)
        most = schema.get("maxLength", _LONGEST)
        if least > _LONGEST:
            raise NoInstance("minLength is too large")
        if "pattern" in schema:
            return self._patterned(schema, least)
        text = _FORMATS.get(str(schema.get("format")), name or "text")
        if nth:
            number = str(nth)
            text = text[: max(0, most - len(number))] + number
        cut: str = text[:most].ljust(least, "x")
        return cut

    def _patterned(self, schema: Mapping[str, Json], least: int) -> str:
        text = example(schema["pattern"]) or ""
        for candidate in (text, text + text[-1:] * (least - len(text)), text * least):
            if self._valid(candidate, schema):
                return candidate
        raise NoInstance(f"no text is known for the pattern {schema['pattern']!r}")

    def _number(self, schema: Mapping[str, Json], nth: int, *, whole: bool) -> int | float:
        taken = self._material.number(whole=whole) if nth == 0 else None
        for candidate in _numbers(schema, nth, taken, whole=whole):
            if self._valid(candidate, schema):
                return candidate
        raise NoInstance("no number fits the bounds")


def _options(schema: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """The schema with each way through `anyOf`, `oneOf` or `if`, null last."""
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            rest = {key: value for key, value in schema.items() if key != keyword}
            ways = sorted(
                schema[keyword], key=lambda way: isinstance(way, dict) and way.get("type") == "null"
            )
            yield from (merged(rest, way) for way in ways if way is not False)
            return
    types = schema.get("type")
    if isinstance(types, list):
        for each in sorted(types, key="null".__eq__):
            yield {**schema, "type": each}
        return
    if "if" in schema:
        rest = {key: value for key, value in schema.items() if key not in {"if", "then", "else"}}
        yield merged(merged(rest, schema["if"]), schema.get("then", True))
        yield merged(rest, schema.get("else", True))
        return
    yield schema


def _has_choice(schema: Mapping[str, Json]) -> bool:
    return any(key in schema for key in ("anyOf", "oneOf", "allOf", "if")) or isinstance(
        schema.get("type"), list
    )


def _type(schema: Mapping[str, Json]) -> str:
    if "type" in schema:
        return str(schema["type"])
    return next((kind for kind, keywords in _KEYWORDS_OF_TYPE.items() if keywords & schema.keys()), "string")


def _singular(name: str) -> str:
    return name.removesuffix("ies") + "y" if name.endswith("ies") else name.removesuffix("s")


def _numbers(
    schema: Mapping[str, Json], nth: int, taken: int | float | None, *, whole: bool
) -> Iterator[int | float]:
    """Numbers worth trying: the one said, a small one, the ones at the bounds."""
    if taken is not None:
        yield taken
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    step = schema.get("multipleOf", 1)
    start = 1 + nth
    if math.isfinite(low):
        start = max(start, math.floor(low))
    elif math.isfinite(high):
        start = min(start, math.ceil(high))
    near = [start, start + nth, start + 1 + nth, start - 1 - nth]
    if math.isfinite(high):
        near += [math.floor(high) - nth, math.floor(high) - 1 - nth]
    for number in near:
        yield number
        yield math.ceil(number / step) * step
        yield math.floor(number / step) * step
    if not whole:
        yield from (bound for bound in (low, high) if math.isfinite(bound))
        if math.isfinite(low) and math.isfinite(high):
            yield low + (high - low) / (2 + nth)
        yield 0.5
