"""YAML text into plain values, each with its line, within bounds."""

import re
from typing import Any, TypeAlias

import yaml
from msgspec import Struct
from yaml.constructor import SafeConstructor

from llmgw.settings.problem import Finding, Path, Problem

MAX_DEPTH = 32
"""Deepest nesting of a settings file."""
MAX_NODES = 100_000
"""Most values of a settings file, each use of an anchor counted."""

Value: TypeAlias = Any
"""A YAML value: None, bool, int, float, str, list or dict with text keys."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may be built without its C half
_MAX_NUMBER_CHARS = 64
_QUOTED = re.compile(r"'[^'\s]{2,}'")
_TAG = "tag:yaml.org,2002:"


class Document(Struct, frozen=True, kw_only=True):
    """A parsed file: its values, the line of each path, and what was wrong already here."""

    root: dict[str, Value]
    lines: dict[Path, int]
    findings: list[Finding]


class Unreadable(Exception):
    """The text is not one YAML mapping within bounds; `problem` says why."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(path="", message=message, line=line)


def parse(text: str) -> Document:
    """Parse YAML text whose root is one mapping.

    Only the plain types of YAML come out: dates stay text, since no setting is a date. Duplicate keys, keys
    that are not text, unknown tags and merge keys become findings.

    Raises:
        Unreadable: on bad syntax, no or several documents, another root, too deep nesting or too many values.
    """
    try:
        _bound(text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise Unreadable(*_syntax(error, text)) from None
    if node is None:
        raise Unreadable("the file is empty")
    if not isinstance(node, yaml.MappingNode):
        raise Unreadable("the file must be a mapping of sections, such as 'server:'", _line(node))
    builder = _Builder()
    root = builder.build(node, ())
    return Document(root=root, lines=builder.lines, findings=builder.findings)


def _bound(text: str) -> None:
    """Refuse what composing would recurse into too deeply, and more than one document."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
        line = _line(event)
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels", line)
        if documents > 1:
            raise Unreadable("the file holds more than one document ('---')", line)


def _syntax(error: yaml.YAMLError, text: str) -> tuple[str, int | None]:
    """Describe a syntax error without the parser's excerpt of the text, which may hold a secret."""
    problem = _QUOTED.sub("…", str(getattr(error, "problem", None) or "unreadable character"))
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"not valid YAML: {problem}", None
    line = mark.line + 1
    nearby = text.splitlines()[max(0, mark.line - 1) : line]
    braces = any("${" in candidate for candidate in nearby)
    hint = '; inside braces, "${VAR}" needs its quotes' if braces else ""
    return f"not valid YAML: {problem}{hint}", line


def _line(found: Any) -> int:
    return int(found.start_mark.line) + 1  # PyYAML counts from 0


class _Builder:
    """Turns composed nodes into values; counts them, since anchors make a small file large."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.findings: list[Finding] = []
        self._numbers = SafeConstructor()
        self._nodes = 0

    def build(self, node: yaml.Node, path: Path) -> Value:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise Unreadable(
                f"anchors make the file larger than {MAX_NODES} values or refer to themselves", _line(node)
            )
        self.lines.setdefault(path, _line(node))
        match node:
            case yaml.MappingNode() if node.tag == f"{_TAG}map":
                return self._mapping(node, path)
            case yaml.SequenceNode() if node.tag == f"{_TAG}seq":
                return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node, path)
            case _:
                return self._refuse(path, "this YAML tag is not supported")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
        entries: dict[str, Value] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in {f"{_TAG}str", f"{_TAG}timestamp"}:
                where = (*path, key.value if isinstance(key, yaml.ScalarNode) else "?")
                self.lines.setdefault(where, _line(key))
                self._refuse(where, _KEY_PROBLEMS.get(key.tag, "a key must be text: put it in quotes"))
                continue
            where = (*path, key.value)
            if key.value in entries:
                self._refuse(where, f"key given twice, again on line {_line(key)}")
                continue
            self.lines[where] = _line(key)
            entries[key.value] = self.build(value, where)
        return entries

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Value:
        match node.tag.removeprefix(_TAG):
            case "str" | "timestamp" | "value":
                return node.value
            case "null":
                return None
            case "bool" | "int" | "float" as kind:
                return self._number(node, path, kind)
            case _:
                return self._refuse(path, "this YAML tag is not supported")

    def _number(self, node: yaml.ScalarNode, path: Path, kind: str) -> Value:
        if len(node.value) > _MAX_NUMBER_CHARS:
            return self._refuse(path, "a number this long is not supported")
        construct = getattr(self._numbers, f"construct_yaml_{kind}")
        try:
            return construct(node)
        except (ValueError, LookupError, ArithmeticError):
            return self._refuse(path, "does not fit its YAML tag")

    def _refuse(self, path: Path, message: str) -> None:
        self.findings.append(Finding(path=path, message=message))


_KEY_PROBLEMS = {
    f"{_TAG}merge": "merge keys ('<<') are not supported: anchor and reuse the whole value",
}
