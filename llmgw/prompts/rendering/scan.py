"""Templates read before the engine does: what the language does not have is told, the rest is spelled anew.

The engine never sees what an author wrote but what was understood of it. In what it sees, each tag first tells the
meter its line, and text that may come again tells its length.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import minijinja
from msgspec import Struct

from llmgw.prompts.rendering.expressions import KEYWORDS, ExpressionError, spelled
from llmgw.prompts.rendering.lexing import LexingError, Problem, Tag, Text, Token, cut
from llmgw.prompts.rendering.limits import (
    AT,
    ELIFS_MAX,
    FILTERS,
    FUNCTIONS,
    NAMES_MAX,
    NESTING_MAX,
    OWN,
    STATEMENTS,
    TAGS_MAX,
    TEMPLATE_MAX,
    TESTS,
    TOKENS_MAX,
    WITHHELD_FILTERS,
    WITHHELD_TESTS,
)
from llmgw.prompts.rendering.limits import TEXT as TEXT_METER
from llmgw.types.prompt import PromptContent

__all__ = [
    "FILTERS",
    "FUNCTIONS",
    "NESTING_MAX",
    "STATEMENTS",
    "TAGS_MAX",
    "TEMPLATE_MAX",
    "TESTS",
    "TOKENS_MAX",
    "WITHHELD_FILTERS",
    "WITHHELD_TESTS",
    "Code",
    "Problem",
    "Scanned",
    "Use",
    "includes_of",
    "problems",
    "scan",
    "variables",
]

_ENDS: Final = {"endif": "if", "endfor": "for", "endwith": "with"}
_ALONE: Final = frozenset({*_ENDS, "else"})
_INSTEAD: Final = {
    "macro": "; a partial and {% include %} do that",
    "extends": "; a partial and {% include %} do that",
    "import": "; a partial and {% include %} do that",
    "from": "; a partial and {% include %} do that",
}


class Code(str):
    """What the engine is to read as it stands; all other parts are text."""

    __slots__ = ()


class Use(NamedTuple):
    """That a template includes a partial; `repeated` says that it is told in a loop."""

    name: str
    line: int
    repeated: bool


class Scanned(NamedTuple):
    """A template that was read: `parts` make up what the engine gets, where there are no `problems`.

    `text` counts the characters told at most once, `names` the names given by `set` and `with`; a template that is
    nothing but text has no `tags`.
    """

    parts: tuple[str | Code | Use, ...]
    text: int
    tags: int
    names: int
    problems: tuple[Problem, ...]

    @property
    def uses(self) -> list[Use]:
        """The partials it includes, in order."""
        return [part for part in self.parts if isinstance(part, Use)]


class _Block(Struct):
    kind: str
    line: int
    ended: bool = False
    """Whether its `else` was there."""


def scan(template: str, *, repeated: bool = False) -> Scanned:
    """Read a template; `repeated` says that its text may come more than once."""
    return _Scan(repeated=repeated).of(template)


def problems(template: str) -> list[Problem]:
    """Say what keeps a template from being used; an empty list for nothing that can be seen without the engine."""
    return list(scan(template).problems)


def includes_of(template: str) -> list[str]:
    """The names of the partials that a template includes, each once, in order; none of one that has problems."""
    scanned = scan(template)
    return [] if scanned.problems else list({use.name: None for use in scanned.uses})


def variables(content: PromptContent) -> set[str]:
    """The variables that a content's templates ask for; what cannot be parsed asks for none."""
    environment = minijinja.Environment()
    found: set[str] = set()
    texts = [each.text for each in content.messages]
    texts += [each.text for each in content.includes.values()]
    if content.partial is not None:
        texts.append(content.partial)
    for text in texts:
        if not problems(text):
            found |= environment.undeclared_variables_in_str(text)
    return found - FUNCTIONS


class _Scan:
    def __init__(self, *, repeated: bool) -> None:
        self.repeated = repeated
        self.parts: list[str | Use] = []
        self.problems: list[Problem] = []
        self.blocks = [_Block("", 0)]
        self.text = self.tags = self.names = self.line = self.elifs = 0

    def of(self, template: str) -> Scanned:
        if len(template) > TEMPLATE_MAX:
            self.problems.append(Problem(1, f"a template has {TEMPLATE_MAX} characters at most"))
        else:
            self._read(template)
        return Scanned(tuple(self.parts), self.text, self.tags, self.names, tuple(self.problems))

    def _read(self, template: str) -> None:
        try:
            for piece in cut(template):
                self.line = piece.line
                if isinstance(piece, Text):
                    self._text(piece)
                else:
                    self.tags += 1
                    if self.tags > TAGS_MAX:
                        self.problems.append(Problem(self.line, f"a template has at most {TAGS_MAX} tags"))
                        return
                    self._tag(piece)
        except LexingError as error:
            self.problems.append(error.problem)
            return
        for block in self.blocks[1:]:
            self.problems.append(Problem(block.line, f"{{% {block.kind} %}} has no end"))

    def _text(self, piece: Text) -> None:
        if self._again():
            self.parts.append(Code(f"{{{{ {TEXT_METER}({len(piece.text)}) }}}}"))
        else:
            self.text += len(piece.text)
        if not piece.raw:
            self.parts.append(piece.text)
        else:
            self.tags += 1
            self.parts.extend([Code("{% raw %}"), piece.text, Code("{% endraw %}")])

    def _again(self) -> bool:
        return self.repeated or any(block.kind == "for" for block in self.blocks)

    def _tag(self, tag: Tag) -> None:
        try:
            said = self._statement(tag.tokens) if tag.block else self._told(tag.tokens)
            self.parts.append(said if isinstance(said, Use) else Code(said))
        except ExpressionError as error:
            self.problems.append(Problem(tag.line, str(error)))

    def _metered(self, tokens: Sequence[Token]) -> str:
        if not tokens:
            raise ExpressionError("a value is missing")
        return f"{AT}({self.line}) and ({spelled(tokens)})"

    def _told(self, tokens: Sequence[Token]) -> str:
        return f"{{{{ {self._metered(tokens)} }}}}"

    def _statement(self, tokens: Sequence[Token]) -> str | Use:
        word = tokens[0].text if tokens and tokens[0].kind == "name" else ""
        rest = tokens[1:]
        if word not in STATEMENTS:
            told = (
                f"`{word}` is not part of the template language" if word else "a statement begins with a word"
            )
            raise ExpressionError(f"{told}{_INSTEAD.get(word, '')}: {', '.join(sorted(STATEMENTS))}")
        if word in _ALONE:
            return self._alone(word, rest)
        if word in {"raw", "endraw"}:
            raise ExpressionError(f"{{% {word} %}} is written without anything else, before its end")
        if word == "elif":
            self._in_choice(word)
            self.elifs += 1
            if self.elifs > ELIFS_MAX:
                raise ExpressionError(f"a template has at most {ELIFS_MAX} `elif`")
            return f"{{% elif {self._metered(rest)} %}}"
        if word == "include":
            return self._include(rest)
        if word == "set":
            return self._set(rest)
        # The block is opened before anything in it can be wrong: its end would else close another one.
        self._open(word)
        if word == "if":
            return f"{{% if {self._metered(rest)} %}}"
        return self._for(rest) if word == "for" else self._with(rest)

    def _open(self, kind: str) -> None:
        self.blocks.append(_Block(kind, self.line))
        if len(self.blocks) > NESTING_MAX + 1:
            raise ExpressionError(f"more than {NESTING_MAX} blocks in each other")

    def _in_choice(self, word: str) -> None:
        top = self.blocks[-1]
        if top.kind not in ({"if", "for"} if word == "else" else {"if"}) or top.ended:
            raise ExpressionError(f"{{% {word} %}} without its beginning")
        top.ended = word == "else"

    def _alone(self, word: str, rest: Sequence[Token]) -> str:
        if rest:
            raise ExpressionError(f"nothing stands behind {word}")
        if word == "else":
            self._in_choice(word)
        elif self.blocks[-1].kind != _ENDS[word]:
            raise ExpressionError(f"{{% {word} %}} without its beginning")
        else:
            self.blocks.pop()
        return f"{{% {word} %}}"

    def _for(self, tokens: Sequence[Token]) -> str:
        middle = next((place for place, token in enumerate(tokens) if token == Token("name", "in")), None)
        if middle is None:
            raise ExpressionError("a loop is written {% for item in list %}")
        targets = _names(tokens[:middle])
        parts = _split(tokens[middle + 1 :], Token("name", "if"))
        if len(parts) > 2:
            raise ExpressionError("a loop has one condition; put choices between values into brackets")
        told = f"{{% for {', '.join(targets)} in {self._metered(parts[0])}"
        if len(parts) == 2:
            told += f" if {self._metered(parts[1])}"
        return f"{told} %}}"

    def _with(self, tokens: Sequence[Token]) -> str:
        told = []
        for part in _split(tokens, Token("sign", ",")):
            if len(part) < 3 or part[1] != Token("sign", "="):
                raise ExpressionError("names are given for a block as in {% with name = value %}")
            self._given(1)
            told.append(f"{_names(part[:1])[0]} = {self._metered(part[2:])}")
        return f"{{% with {', '.join(told)} %}}"

    def _given(self, names: int) -> None:
        self.names += names
        if self.names > NAMES_MAX:
            raise ExpressionError(f"`set` and `with` give at most {NAMES_MAX} names")

    def _set(self, tokens: Sequence[Token]) -> str:
        parts = _split(tokens, Token("sign", "="))
        if len(parts) != 2:
            raise ExpressionError("a name is given as in {% set name = value %}")
        names = _names(parts[0])
        self._given(len(names))
        return f"{{% set {', '.join(names)} = {self._metered(parts[1])} %}}"

    def _include(self, tokens: Sequence[Token]) -> Use:
        if len(tokens) != 1 or tokens[0].kind != "string":
            raise ExpressionError('a partial is named as it is: {% include "name" %}')
        return Use(tokens[0].text, self.line, self._again())


def _names(tokens: Sequence[Token]) -> list[str]:
    names = [token.text for token in tokens[::2]]
    commas = all(token == Token("sign", ",") for token in tokens[1::2])
    plain = all(token.kind == "name" for token in tokens[::2])
    if not (len(tokens) % 2 and commas and plain) or any(
        name in KEYWORDS or name == "loop" or name.startswith((OWN, "__")) for name in names
    ):
        raise ExpressionError("a name for a value is missing, or is none that may be given")
    return names


def _split(tokens: Sequence[Token], at: Token) -> list[Sequence[Token]]:
    """Split where a token stands outside all brackets."""
    parts: list[Sequence[Token]] = []
    depth = start = 0
    for place, token in enumerate(tokens):
        if token.kind == "sign":
            depth += (token.text in {"(", "[", "{"}) - (token.text in {")", "]", "}"})
        if token == at and depth == 0:
            parts.append(tokens[start:place])
            start = place + 1
    return [*parts, tokens[start:]]
