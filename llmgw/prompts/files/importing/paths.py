"""What a Handlebars path means where it stands: `this`, `../name`, `@index`, and names given by blocks."""

import re
from typing import Final, NamedTuple

from llmgw.prompts.files.importing.building import Draft, literal
from llmgw.types.prompt_errors import InvalidPrompt

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
TAKEN: Final = frozenset({
    "and", "else", "elif", "false", "False", "for", "if", "in", "is", "loop", "none", "None", "not", "or", "range",
    "self", "set", "true", "True", "with",
})  # fmt: skip
"""Words that no variable of a template may be called."""
STEPS_MAX: Final = 16
"""Names in one path."""

_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?\Z")
_STEP: Final = re.compile(r"\[([^\]]*)\]|([^./\[\]]+)|(\.\.)")
_WORDS: Final = {"true": "true", "false": "false", "null": "none", "undefined": "none"}
_LOOP: Final = {"@index": "loop.index0", "@first": "loop.first", "@last": "loop.last"}


class Scope(NamedTuple):
    """What names mean within a block: `base` is the value they are members of, `key` what `@key` is."""

    base: str
    key: str = ""
    loops: bool = False
    params: dict[str, str] = {}  # noqa: RUF012  # never changed


class Scopes:
    """The blocks with scopes of their own that are open now."""

    def __init__(self, template: str, draft: Draft) -> None:
        self._open: list[Scope] = []
        self._names = set(re.findall(r"[A-Za-z_]\w*", template, re.ASCII))
        self._keys = "@key" in template
        self._draft = draft
        self._soft = False
        """Whether steps may lead to what is not there."""

    @property
    def inner(self) -> bool:
        """Whether names are members of something."""
        return bool(self._open)

    def enter(self, scope: Scope) -> None:
        """Let names mean members of a value."""
        self._open.append(scope)

    def leave(self) -> None:
        """Let them mean what they meant before."""
        self._open.pop()

    def value(self, word: str, line: int) -> str:
        """Write a path or a literal as an expression."""
        if word[0] in "\"'":
            quote = word[0]
            return literal(word[1:-1].replace(f"\\{quote}", quote))
        if _NUMBER.match(word):
            return word
        if word in _WORDS:
            return _WORDS[word]
        if word[0] == "@":
            return self._at(word, line)
        return self._path(word, line)

    def condition(self, word: str, line: int) -> str:
        """Write a path as what is asked for: what is not there counts as false."""
        self._soft = True
        try:
            written = self.value(word, line)
        finally:
            self._soft = False
        is_path = word[0] not in "\"'@" and not _NUMBER.match(word) and word not in _WORDS
        return f'{written}|default("")' if is_path and not NAME.match(written) else written

    def loop(self, word: str, params: tuple[str, ...], line: int) -> tuple[str, Scope]:
        """Write the beginning of a loop, and say what names mean in it."""
        over = self.value(word, line)
        item, key = self._fresh("item"), ""
        named = dict.fromkeys(params[:1], item)
        if self._is_object(word):
            key = self._fresh("key")
            named |= dict.fromkeys(params[1:], key)
            written = f"{{% for {key}, {item} in {over}|items %}}"
        else:
            named |= dict.fromkeys(params[1:], "loop.index0")
            over = over if NAME.match(over) else f"{over}|default([])"
            written = f"{{% for {item} in {over} %}}"
        return written, Scope(item, key, loops=True, params=named)

    def _is_object(self, word: str) -> bool:
        """Whether what is looped over is an object: by its schema, else by whether keys are asked for at all."""
        schema = self._draft.members.get("input_schema") or {}
        shape = schema.get("properties", {}).get(word) if not self._open else None
        kind = shape.get("type") if isinstance(shape, dict) else None
        kinds = kind if isinstance(kind, list) else [kind]
        if kind is None:
            return self._keys
        return "object" in kinds

    def _fresh(self, name: str) -> str:
        """A name that no path of the template has."""
        number = 1
        made = name
        while made in self._names:
            number += 1
            made = f"{name}{number}"
        self._names.add(made)
        return made

    def _at(self, word: str, line: int) -> str:
        if word.startswith("@root."):
            return self._from(None, word[6:], line)
        scope = next((each for each in reversed(self._open) if each.loops), None)
        if scope is not None and word in _LOOP:
            return _LOOP[word]
        if scope is not None and word == "@key":
            return scope.key or "loop.index0"
        raise InvalidPrompt(f"line {line}: `{word[:64]}` has no equal here")

    def _path(self, word: str, line: int) -> str:
        level = len(self._open)
        rest = word
        while rest == ".." or rest.startswith("../"):
            level -= 1
            rest = rest[3:] or "this"
            if level < 0:
                raise InvalidPrompt(f"line {line}: `{word[:64]}` leads out of the template")
        plain = re.sub(r"^(?:this|\.)(?:[./]|\Z)", "", rest)
        if plain == rest and level == len(self._open):
            first, dot, more = rest.partition(".")
            for depth, scope in enumerate(reversed(self._open)):
                if first in scope.params:
                    found = scope.params[first]
                    inner = self._open[len(self._open) - depth :]
                    if found.startswith("loop.") and any(each.loops for each in inner):
                        raise InvalidPrompt(
                            f"line {line}: `{first[:64]}` belongs to an outer list, and has no equal here"
                        )
                    return self._from(found, more, line) if dot else found
        return self._from(self._open[level - 1].base if level else None, plain, line)

    def _from(self, base: str | None, path: str, line: int) -> str:
        """Write the steps of a path, from a value or from the variables."""
        steps = [found[1] if found[1] is not None else found[2] or found[3] for found in _STEP.finditer(path)]
        if len(steps) > STEPS_MAX or ".." in steps:
            raise InvalidPrompt(f"line {line}: `{path[:64]}` is no path that is read here")
        written = base
        for step in steps:
            if written is None:
                if not NAME.match(step) or step in TAKEN:
                    raise InvalidPrompt(f"line {line}: `{step[:64]}` cannot be the name of a variable here")
                written = step
                continue
            if self._soft and written != base and not NAME.match(written):
                written = f'({written}|default(""))'
            if step.isdecimal() and len(step) < 9 and step.isascii():
                written += f"[{int(step)}]"
            elif NAME.match(step) and step not in TAKEN:
                written += f".{step}"
            else:
                written += f"[{literal(step)}]"
        if written is None:
            raise InvalidPrompt(f"line {line}: all variables together have no name here")
        return written
