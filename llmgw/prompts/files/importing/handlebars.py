"""Handlebars as dotprompt uses it, written in the template language of prompts: MiniJinja."""

import re
from typing import Final, NamedTuple

from llmgw.prompts.files.importing import lexing
from llmgw.prompts.files.importing.building import ROLES, Draft, fit_name
from llmgw.prompts.files.importing.lexing import Tag, Text
from llmgw.prompts.files.importing.paths import Scope, Scopes
from llmgw.prompts.rendering.scan import NESTING_MAX
from llmgw.types.prompt_errors import InvalidPrompt

_JINJA: Final = re.compile(r"\{[{%#]")
_MARKER: Final = re.compile(r"<<<dotprompt:(?:role:([a-z]{1,20})|history)>>>")
"""What dotprompt itself writes for roles and the conversation; files have it, too."""
_CONDITIONS: Final = {"if": "", "unless": "not ", "with": ""}
_EQUALITY: Final = {"ifEquals": "==", "unlessEquals": "!="}


class _Block(NamedTuple):
    """A block that is open: its word, how it is closed, whether it has a scope of its own, and where it began."""

    word: str
    close: str
    scoped: bool
    line: int
    otherwise: bool = False


def translate(template: str, line: int, draft: Draft) -> None:
    """Add the messages that a Handlebars template makes to a draft; `line` is that of its beginning.

    Roles are split before anything is rendered: text before the first is the user's, text behind the place of the
    conversation the assistant's, as in dotprompt.

    Raises:
        InvalidPrompt: the template has what the template language here has no equal for; the message says where.
    """
    written = _MARKER.sub(lambda found: f'{{{{role "{found[1]}"}}}}' if found[1] else "{{history}}", template)
    made = _Translation(written, line, draft)
    for part in lexing.parts(written, line):
        if isinstance(part, Text):
            made.text(part)
        else:
            made.tag(part)
    made.end()


class _Translation:
    """One template on its way."""

    def __init__(self, template: str, line: int, draft: Draft) -> None:
        self._draft = draft
        self._role = "user"
        self._line = line
        self._out: list[str] = []
        self._blocks: list[_Block] = []
        self._scopes = Scopes(template, draft)

    def text(self, part: Text) -> None:
        """Print what stands between the tags, whatever it means elsewhere."""
        self._emit(_JINJA.sub(lambda found: f'{{{{ "{found[0]}" }}}}', part.said))

    def tag(self, tag: Tag) -> None:
        """Write one tag as the language here has it."""
        match tag.kind:
            case "!":
                self._emit(f"{{# {tag.words[0].replace('#}', '# }')} #}}" if tag.words[0] else "")
            case ">":
                self._partial(tag)
            case "#":
                self._open(tag)
            case "^" if tag.words:
                self._open(tag._replace(words=("unless", *tag.words)))
                self._blocks[-1] = self._blocks[-1]._replace(word=tag.words[0])
            case "^":
                self._otherwise(tag)
            case "/":
                self._close(tag)
            case _ if tag.words[:1] == ("else",):
                self._otherwise(tag)
            case _:
                self._print(tag)

    def end(self) -> None:
        """Add the last message."""
        if self._blocks:
            raise InvalidPrompt(f"line {self._blocks[-1].line}: `{self._blocks[-1].word}` does not end")
        self._draft.add(self._role, "".join(self._out), self._line)
        self._out.clear()

    def _emit(self, written: str) -> None:
        if not written:
            return
        if self._out and self._out[-1].endswith("{") and written[0] in "{%#":
            self._out[-1] = self._out[-1][:-1] + '{{ "{" }}'
        self._out.append(written)

    def _print(self, tag: Tag) -> None:
        if not tag.words:
            raise InvalidPrompt(f"line {tag.line}: a tag is empty")
        word, rest = tag.words[0], tag.words[1:]
        if word == "history" and not rest:
            self._top(tag, "history")
            self.end()
            self._draft.place(tag.line)
            self._role, self._line = "assistant", tag.line
        elif word == "role":
            self._top(tag, "role")
            self.end()
            self._role, self._line = self._role_of(rest, tag.line), tag.line
        elif word in {"media", "section"} and rest:
            self._draft.note(f"line {tag.line}: {{{{{word}}}}} has no place here, and is left out")
        elif word == "json" and rest:
            self._emit(
                f"{{{{ {self._scopes.value(rest[0], tag.line)}|tojson{self._indent(rest[1:], tag.line)} }}}}"
            )
        elif word == "lookup" and len(rest) == 2:
            found, key = (self._scopes.value(each, tag.line) for each in rest)
            self._emit(f"{{{{ {found}[{key}] }}}}")
        elif rest:
            raise InvalidPrompt(f"line {tag.line}: the helper `{word[:64]}` has no equal here")
        else:
            self._emit(f"{{{{ {self._scopes.value(word, tag.line)} }}}}")

    def _role_of(self, words: tuple[str, ...], line: int) -> str:
        said = words[0][1:-1] if len(words) == 1 and words[0][0] in "\"'" else None
        if said not in ROLES:
            raise InvalidPrompt(f"line {line}: a role is one of {', '.join(ROLES)} in quotes")
        return ROLES[said]

    def _indent(self, words: tuple[str, ...], line: int) -> str:
        if not words:
            return ""
        if len(words) == 3 and words[:2] == ("indent", "=") and words[2].isdecimal() and len(words[2]) == 1:
            return f"(indent={words[2]})"
        raise InvalidPrompt(f"line {line}: `json` takes a value and `indent=2`")

    def _top(self, tag: Tag, word: str) -> None:
        if self._blocks:
            raise InvalidPrompt(
                f"line {tag.line}: `{word}` within a block: roles are fixed before anything is rendered"
            )

    def _partial(self, tag: Tag) -> None:
        words = list(tag.words)
        if not words or words[0] in {"(", ")", "|", "="} or words[0][0] == "@":
            raise InvalidPrompt(f"line {tag.line}: a partial is named, not computed")
        name = words.pop(0).strip("\"'[]")
        if words[:1] in (["this"], ["."]):
            words.pop(0)
        fit = fit_name(name, Draft())
        if not fit or self._scopes.inner:
            raise InvalidPrompt(
                f"line {tag.line}: a partial in a list or an object is given that alone, which has no equal here"
                if fit
                else f"line {tag.line}: `{name[:64]}` is no name for a partial"
            )
        if fit != name:
            self._draft.note(f"the partial {name[:64]} is called {fit} here")
        self._draft.note(f"the partial {fit} is included by its name: import it, too")
        given = self._given(words, tag.line)
        include = f'{{% include "{fit}" %}}'
        self._emit(f"{{% with {given} %}}{include}{{% endwith %}}" if given else include)

    def _given(self, words: list[str], line: int) -> str:
        """What a partial is given by name."""
        given = []
        while words:
            if len(words) < 3 or words[1] != "=" or not re.fullmatch(r"[A-Za-z_]\w*", words[0], re.ASCII):
                raise InvalidPrompt(
                    f"line {line}: a partial is given all variables, and others as name=value"
                )
            given.append(f"{words[0]} = {self._scopes.value(words[2], line)}")
            del words[:3]
        return ", ".join(given)

    def _open(self, tag: Tag) -> None:
        if len(self._blocks) >= NESTING_MAX:
            raise InvalidPrompt(f"line {tag.line}: blocks are nested deeper than {NESTING_MAX} levels")
        word, rest = (tag.words[0], tag.words[1:]) if tag.words else ("", ())
        params: tuple[str, ...] = ()
        if "|" in rest:
            at = rest.index("|")
            params, rest = rest[at + 1 : -1], rest[:at]
            if rest[-1:] != ("as",) or tag.words[-1] != "|" or not 1 <= len(params) <= 2:
                raise InvalidPrompt(f"line {tag.line}: names of a block are written `as |item index|`")
            rest = rest[:-1]
        if word in _CONDITIONS and len(rest) == 1:
            self._condition(word, rest[0], params, tag.line)
        elif word in _EQUALITY and len(rest) == 2:
            left, right = (self._scopes.condition(each, tag.line) for each in rest)
            self._emit(f"{{% if {left} {_EQUALITY[word]} {right} %}}")
            self._blocks.append(_Block(word, "{% endif %}", scoped=False, line=tag.line))
        elif word == "each" and len(rest) == 1:
            self._each(rest[0], params, tag.line)
        else:
            raise InvalidPrompt(
                f"line {tag.line}: the block `{word[:64]}` has no equal here; there are if, unless, each and with"
            )

    def _condition(self, word: str, path: str, params: tuple[str, ...], line: int) -> None:
        self._emit(f"{{% if {_CONDITIONS[word]}{self._scopes.condition(path, line)} %}}")
        if word == "with":
            base = self._scopes.value(path, line)
            self._scopes.enter(Scope(base, params=dict.fromkeys(params[:1], base)))
        elif params:
            raise InvalidPrompt(f"line {line}: `{word}` names nothing")
        self._blocks.append(_Block(word, "{% endif %}", scoped=word == "with", line=line))

    def _each(self, path: str, params: tuple[str, ...], line: int) -> None:
        written, scope = self._scopes.loop(path, params, line)
        self._emit(written)
        self._scopes.enter(scope)
        self._blocks.append(_Block("each", "{% endfor %}", scoped=True, line=line))

    def _otherwise(self, tag: Tag) -> None:
        if not self._blocks or self._blocks[-1].otherwise:
            raise InvalidPrompt(f"line {tag.line}: `else` belongs to no block")
        block = self._blocks[-1]
        rest = tag.words[1:]
        if block.scoped:
            self._scopes.leave()
        if not rest:
            self._blocks[-1] = block._replace(otherwise=True, scoped=False)
            self._emit("{% else %}")
        elif (
            block.close == "{% endif %}"
            and not block.scoped
            and rest[0] in {"if", "unless"}
            and len(rest) == 2
        ):
            condition = self._scopes.condition(rest[1], tag.line)
            self._emit(f"{{% elif {_CONDITIONS[rest[0]]}{condition} %}}")
        else:
            raise InvalidPrompt(f"line {tag.line}: `else {rest[0][:64]}` has no equal here")

    def _close(self, tag: Tag) -> None:
        block = self._blocks.pop() if self._blocks else None
        named = tag.words[0] if tag.words else ""
        if block is None or named != block.word:
            raise InvalidPrompt(f"line {tag.line}: `{named[:64]}` ends here, but does not begin before")
        if block.scoped:
            self._scopes.leave()
        self._emit(block.close)
