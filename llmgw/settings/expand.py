"""`${VAR}`, `${VAR:-default}` and `${file:path}` in the text values of a parsed file.

Expansion comes after parsing and never goes into keys, so that no variable can change the file's structure.
"""

import re
from collections.abc import Mapping
from pathlib import Path as FilePath

from llmgw.settings.document import Value
from llmgw.settings.problem import Finding, Path, quoted

MAX_FILE_BYTES = 64 * 1024
"""Largest file that `${file:…}` reads."""
MAX_TEXT = 4 * 1024 * 1024
"""Most characters that all expansions of one file may add up to."""

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<body>[^{}]*)\}|\$\{.*", re.DOTALL)
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_SYNTAX = "write ${NAME}, ${NAME:-default} or ${file:path}; a literal ${ is written $${"


class _NoText(Exception):
    """A reference that gives no text; the message says why."""


class Expander:
    """Expands one file's values; notes what went wrong and which paths were expanded.

    `base` is the directory that relative `${file:…}` paths start at; `files` are texts of some that were read
    before, by the names that references have. Each file is read once, however often it is referred to.
    """

    def __init__(
        self, environ: Mapping[str, str], base: FilePath, files: Mapping[str, str] | None = None
    ) -> None:
        self.findings: list[Finding] = []
        self.files: dict[str, str] = dict(files or {})
        self.expanded: set[Path] = set()
        self._environ = environ
        self._base = base
        self._left = MAX_TEXT

    def expand(self, value: Value, path: Path = ()) -> Value:
        """Give the same tree with every reference in its text replaced; a bad one becomes empty text."""
        match value:
            case dict():
                return {key: self.expand(item, (*path, key)) for key, item in value.items()}
            case list():
                return [self.expand(item, (*path, index)) for index, item in enumerate(value)]
            case str() if "${" in value:
                return self._text(value, path)
            case _:
                return value

    def _text(self, value: str, path: Path) -> str:
        self.expanded.add(path)

        def replace(found: re.Match[str]) -> str:
            try:
                return self._resolve(found)
            except _NoText as problem:
                self.findings.append(Finding(path=path, message=str(problem)))
                return ""

        text = _REFERENCE.sub(replace, value)
        self._left -= len(text)
        if self._left < 0:
            self.findings.append(
                Finding(path=path, message=f"expansions exceed {MAX_TEXT} characters in all")
            )
            return ""
        return text

    def _resolve(self, found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        body = found["body"]
        if body is None:
            raise _NoText(f"a '${{' is not closed, or holds another brace: {_SYNTAX}")
        if body.startswith("file:"):
            name = body.removeprefix("file:")
            if name not in self.files:
                self.files[name] = self._file(name)
            return self.files[name]
        variable = _VARIABLE.fullmatch(body)
        if variable is None:
            raise _NoText(f"not a reference: {_SYNTAX}")
        value = self._environ.get(variable["name"])
        if variable["default"] is not None:
            return value or variable["default"]
        if value is None:
            raise _NoText(f"environment variable {quoted(variable['name'])} is not set and has no default")
        return value

    def _file(self, name: str) -> str:
        shown = quoted(name)
        try:
            path = self._base / name
            if not path.is_file():
                raise _NoText(f"no such file: {shown}")
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError):  # ValueError: a NUL in the path
            raise _NoText(f"file {shown} cannot be read") from None
        if len(content) > MAX_FILE_BYTES:
            raise _NoText(f"file {shown} is larger than {MAX_FILE_BYTES} bytes")
        try:
            return content.removesuffix(b"\r\n" if content.endswith(b"\r\n") else b"\n").decode()
        except UnicodeDecodeError:
            raise _NoText(f"file {shown} is not UTF-8") from None
