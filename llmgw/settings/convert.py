"""Plain values into settings structs; everything that does not fit is noted, not only the first."""

from collections.abc import Set as AbstractSet
from enum import StrEnum
from pathlib import Path as FilePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from llmgw.settings.document import Value
from llmgw.settings.problem import Finding, Path, closest
from llmgw.types.secret import Secret

_Settings = TypeVar("_Settings", bound=Struct)

_END = r"\Z"
_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
    NoneType: "nothing",
}


class Unusable(Exception):
    """A value gives no setting; a finding already says why."""


class Converter:
    """Builds structs from the values of one file.

    Text at a path in `expanded` came from the environment or a file: it may stand for a number or a truth
    value. Plain values at a path in `broken` have been reported before. No finding repeats a value.
    """

    def __init__(
        self, *, expanded: AbstractSet[Path] = frozenset(), broken: AbstractSet[Path] = frozenset()
    ) -> None:
        self.findings: list[Finding] = []
        self._expanded = expanded
        self._broken = broken

    def struct(self, cls: type[_Settings], value: Value, path: Path) -> _Settings:
        """Build `cls`; a member that does not fit is noted and has its default.

        Raises:
            Unusable: the value is no mapping, or a member without default is missing or does not fit.
        """
        short_form = getattr(cls, "SHORT_FORM", None)
        if short_form is not None and isinstance(value, str):
            return cls(**{short_form: value})
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._refuse(
                path, f"expected a mapping{' or text' if short_form else ''}, got {_name(value)}"
            )
        fields = {field.name: field for field in msgspec.structs.fields(cls)}
        for key in value:
            if key not in fields:
                self._note((*path, key), "unknown key", closest(key, fields))
        members: dict[str, Any] = {}
        complete = True
        for name, field in fields.items():
            required = field.required
            if name in value:
                try:
                    members[name] = self._value(field.type, value[name], (*path, name))
                except Unusable:
                    complete = complete and not required
            elif required:
                self._note((*path, name), "is required")
                complete = False
        if not complete:
            raise Unusable
        return cls(**members)

    def _value(self, kind: Any, value: Value, path: Path) -> Any:
        if path in self._broken and not isinstance(value, dict | list):
            raise Unusable
        meta = Meta()
        if get_origin(kind) is Annotated:
            kind, meta = get_args(kind)
        origin = get_origin(kind)
        if origin in {Union, UnionType}:
            if value is None:
                return None
            (inner,) = (option for option in get_args(kind) if option is not NoneType)
            return self._value(inner, value, path)
        if origin is dict:
            return self._dict(kind, value, path, meta)
        if origin is tuple:
            return self._tuple(get_args(kind)[0], value, path, meta)
        if origin is Literal:
            return self._choice(get_args(kind), value, path)
        if issubclass(kind, Struct):
            return self.struct(kind, value, path)
        if issubclass(kind, StrEnum):
            return kind(self._choice(tuple(kind), value, path))
        if issubclass(kind, Secret):
            return kind(self._leaf(str, value, path, meta))
        if issubclass(kind, FilePath):
            return self._path(value, path)
        return self._leaf(kind, value, path, meta)

    def _dict(self, kind: Any, value: Value, path: Path, meta: Meta) -> dict[str, Any]:
        names, item = get_args(kind)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._refuse(path, f"expected a mapping, got {_name(value)}")
        self._fits(len(value), path, meta)
        items: dict[str, Any] = {}
        known = get_args(names) if get_origin(names) is Literal else None
        for key, inner in value.items():
            if known is not None and key not in known:
                self._note((*path, key), "unknown key", closest(key, known))
                continue
            try:
                items[key] = self._value(item, inner, (*path, key))
            except Unusable:
                continue
        return items

    def _tuple(self, item: Any, value: Value, path: Path, meta: Meta) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._refuse(path, f"expected a list, got {_name(value)}")
        self._fits(len(value), path, meta)
        items: list[Any] = []
        for index, inner in enumerate(value):
            try:
                items.append(self._value(item, inner, (*path, index)))
            except Unusable:
                continue
        if len(items) < len(value):  # a list with holes would shift the indexes that later findings name
            raise Unusable
        return tuple(items)

    def _choice(self, options: tuple[str, ...], value: Value, path: Path) -> str:
        if isinstance(value, str) and value in options:
            return value
        expected = f"expected one of {', '.join(options)}"
        if not isinstance(value, str):
            raise self._refuse(path, f"{expected}; got {_name(value)}")
        raise self._refuse(path, expected, closest(value, options))

    def _path(self, value: Value, path: Path) -> FilePath:
        text = self._leaf(str, value, path, Meta())
        if not text or "\0" in text:
            raise self._refuse(path, "expected a path")
        return FilePath(text)

    def _leaf(self, kind: type, value: Value, path: Path, meta: Meta) -> Any:
        lax = path in self._expanded and kind is not str
        try:
            return msgspec.convert(value, Annotated[kind, meta], strict=not lax)
        except msgspec.ValidationError:
            raise self._refuse(path, _mismatch(kind, value, meta)) from None

    def _fits(self, count: int, path: Path, meta: Meta) -> None:
        if meta.max_length is not None and count > meta.max_length:
            raise self._refuse(path, f"holds {count} entries; the most is {meta.max_length}")
        if meta.min_length is not None and count < meta.min_length:
            raise self._refuse(path, f"needs at least {meta.min_length}")

    def _refuse(self, path: Path, message: str, suggestion: str | None = None) -> Unusable:
        self._note(path, message, suggestion)
        return Unusable(message)

    def _note(self, path: Path, message: str, suggestion: str | None = None) -> None:
        self.findings.append(Finding(path=path, message=message, suggestion=suggestion))


def _name(value: Value) -> str:
    return _NAMES[type(value)]


def _mismatch(kind: type, value: Value, meta: Meta) -> str:
    """Say what was expected and what kind of value came, never the value."""
    if kind is str and isinstance(value, bool | int | float):
        return f"expected text, got {_name(value)}: put it in quotes"
    if kind is str and isinstance(value, str) and meta.pattern is not None:
        return f"does not have the form {meta.pattern.removesuffix(_END)}"
    if kind is str and isinstance(value, str):
        if meta.min_length == meta.max_length:
            return f"must be {meta.max_length} characters long"
        return f"must be {meta.min_length or 0} to {meta.max_length} characters long"
    expected = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
    limits = (("from", meta.ge), ("over", meta.gt), ("to" if meta.gt is None else "and up to", meta.le))
    expected += "".join(f" {word} {limit:.10g}" for word, limit in limits if limit is not None)
    if isinstance(value, str):
        return f"expected {expected}, got text"
    if isinstance(value, int | float) and not isinstance(value, bool) and kind is not bool:
        return f"expected {expected}"
    return f"expected {expected}, got {_name(value)}"
