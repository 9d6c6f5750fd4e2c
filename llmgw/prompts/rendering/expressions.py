"""Expressions held against the language: what is in them is spelled anew, what is not allowed is said."""

import json
from collections.abc import Sequence
from typing import Final

from llmgw.prompts.rendering.lexing import Token
from llmgw.prompts.rendering.limits import (
    COMPARING,
    COMPARISONS_MAX,
    FILTERS,
    FUNCTIONS,
    HAS,
    MISSING,
    NESTING_MAX,
    OWN,
    TESTS,
    TOLD,
)

LITERALS: Final = frozenset({"true", "false", "none", "True", "False", "None"})
"""Names that are values."""
KEYWORDS: Final = LITERALS | {"and", "or", "not", "in", "is", "if", "else"}
"""Names that no variable has."""

_COMPARISONS: Final = frozenset({"==", "!=", "<", ">", "<=", ">="})
_REFUSED: Final = {
    "*": "nothing is multiplied: send the product as a variable",
    "**": "nothing is raised to powers",
}
_ARITHMETIC: Final = frozenset({"+", "-", "/", "//", "%", "is"})
"""Operators that bind closer than `~`, or nearly so."""
_OPENED: Final = {")": "(", "]": "[", "}": "{"}
_METHODS: Final = frozenset(name for name in (*dir(dict), *dir(list)) if not name.startswith("_"))
"""Names under which the engine would find a method of Python where a member is missing."""
_NO_TOKEN: Final = Token("sign", "")


class ExpressionError(Exception):
    """The expression is none, or asks for what the language does not have."""


class _Bracket:
    """One that is open: `use` is group, call, subscript, list or map.

    `choices` counts `if` without `else`; `joined` says that what comes is the right side of `~`, and `operator`
    what came last before the value.
    """

    def __init__(self, sign: str, use: str, start: int) -> None:
        self.sign = sign
        self.use = use
        self.start = start
        self.choices = 0
        self.joined = False
        self.operator = ""


class _Speller:
    """Goes through the tokens of one expression and knows whether a value or an operator comes next."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.spelled: list[str] = []
        self.open = [_Bracket("", "group", 0)]
        self.literal = 0
        """How many of the open brackets are those of literals."""
        self.valued = False
        """Whether what came last ends a value."""
        self.start = 0
        """Where in `spelled` that value starts."""
        self.callable = False
        """Whether what came last may be called."""
        self.costly = 0

    def look(self, by: int = 0) -> Token:
        place = self.place + by
        return self.tokens[place] if 0 <= place < len(self.tokens) else _NO_TOKEN

    def spell(self) -> str:
        while self.place < len(self.tokens):
            token = self.look()
            callable_before, self.callable = self.callable, False
            if token.kind == "sign":
                self.sign(token.text, callable_before=callable_before)
            elif token.kind == "name":
                self.name(token.text)
            else:
                self.value(_quoted(token.text) if token.kind == "string" else token.text)
            self.place += 1
        if len(self.open) > 1:
            raise ExpressionError(f"{self.open[-1].sign} is not closed")
        if not self.valued:
            raise ExpressionError("a value is missing at the end")
        self.ended()
        if self.costly > COMPARISONS_MAX:
            raise ExpressionError(
                f"more than {COMPARISONS_MAX} comparisons of values that are not written there, or slices"
            )
        return " ".join(self.spelled)

    def ended(self) -> None:
        """End what stands in a bracket, or between two of its commas."""
        if self.valued:
            self.end_join()
        self.open[-1].operator = ""
        if self.open[-1].choices:
            raise ExpressionError("an `if` between values has no `else`")

    def value(self, spelled: str) -> None:
        if self.valued:
            raise ExpressionError("two values stand side by side without an operator")
        self.start = len(self.spelled)
        self.spelled.append(spelled)
        self.valued = True

    def operator(self, spelled: str) -> None:
        if not self.valued:
            raise ExpressionError(f"a value is missing before {spelled}")
        if self.literal:
            raise ExpressionError("lists and maps that are written in a template hold nothing but literals")
        if self.open[-1].joined and spelled in _ARITHMETIC:
            raise ExpressionError(f"put what {spelled} makes into brackets beside `~`")
        self.end_join()
        self.open[-1].operator = spelled
        self.spelled.append(spelled)
        self.valued = False

    def continued(self, sign: str) -> None:
        if not self.valued:
            raise ExpressionError(f"a value is missing before {sign}")
        self.only_outside()
        self.spelled.append(sign)

    def join(self) -> None:
        """Spell `~` so that what is on both of its sides is made a text by us, and never by the engine."""
        if self.open[-1].operator in _ARITHMETIC and not self.open[-1].joined:
            raise ExpressionError(f"put what {self.open[-1].operator} makes into brackets beside `~`")
        if not self.open[-1].joined and self.valued:
            self.spelled.extend(["|", TOLD])
        self.operator("~")
        self.open[-1].joined = True

    def end_join(self) -> None:
        if self.open[-1].joined:
            self.spelled.extend(["|", TOLD])
            self.open[-1].joined = False

    # ── names ──

    def name(self, name: str) -> None:
        if name in LITERALS:
            self.value(name)
        elif name == "not" and not self.valued:
            self.only_outside()
            self.spelled.append("not")
        elif name in KEYWORDS:
            self.keyword(name)
        else:
            self.variable(name)

    def only_outside(self) -> None:
        if self.literal:
            raise ExpressionError("lists and maps that are written in a template hold nothing but literals")

    def keyword(self, name: str) -> None:
        if name == "not":
            self.place += 1
            if self.look() != Token("name", "in"):
                raise ExpressionError("`not` stands between two values")
            name = "not in"
        if name.endswith("in"):
            self.costly += not (self.look(1).text == "[" or _is_literal(self.look(1)))
        if name == "if":
            self.open[-1].choices += 1
        if name == "else":
            self.open[-1].choices -= 1
            if self.open[-1].choices < 0:
                raise ExpressionError("`else` without an `if`")
        self.operator(name)
        if name == "is":
            self.test()

    def test(self) -> None:
        if self.look(1) == Token("name", "not"):
            self.place += 1
            self.spelled.append("not")
        self.place += 1
        name = self.look()
        if name.kind != "name" or name.text not in TESTS:
            raise ExpressionError(f"there is no test `{_told(name)}`: {', '.join(sorted(TESTS))}")
        self.costly += name.text in COMPARING
        self.spelled.append(name.text)
        self.valued = self.callable = True

    def variable(self, name: str) -> None:
        if name.startswith((OWN, "__")):
            raise ExpressionError(f"no name starts like {name}")
        if self.named_argument():
            self.spelled.append(f"{name}=")
            self.place += 1
            return
        self.only_outside()
        follows = self.look(1).text if self.look(1).kind == "sign" else ""
        if name == "loop" and follows != ".":
            raise ExpressionError("`loop` is no value; its members are, as in loop.index")
        if name in FUNCTIONS:
            if follows != "(":
                raise ExpressionError(f"{name} is a function, and called as in {name}(3)")
            self.callable = True
        self.value(name)

    def named_argument(self) -> bool:
        argument = self.look(-1).text in {"(", ","} and self.open[-1].use == "call"
        return argument and self.look(1) == Token("sign", "=")

    # ── signs ──

    def sign(self, sign: str, *, callable_before: bool) -> None:
        if sign in _REFUSED:
            raise ExpressionError(_REFUSED[sign])
        if sign in "([{":
            self.opened(sign, callable_before=callable_before)
        elif sign in _OPENED:
            self.closed(sign)
        elif sign == ",":
            self.comma()
        elif sign == ":":
            self.colon()
        elif sign in {".", "|"}:
            self.continued(sign)
            self.member(sign)
        elif sign == "~":
            self.join()
        elif sign == "-" and not self.valued:
            self.minus()
        elif sign == "+":
            self.plus()
        elif sign in _COMPARISONS:
            self.costly += not (_is_literal(self.look(-1)) or _is_literal(self.look(1)))
            self.operator(sign)
        elif sign in {"-", "/", "//", "%"}:
            self.operator(sign)
        else:
            raise ExpressionError(f"{sign} has no meaning here")

    def opened(self, sign: str, *, callable_before: bool) -> None:
        if sign == "(":
            if self.valued and not callable_before:
                raise ExpressionError("nothing but range(), filters and tests takes arguments")
            use = "call" if self.valued else "group"
        elif sign == "[":
            use = "subscript" if self.valued else "list"
        else:
            use = "map"
            if self.valued:
                raise ExpressionError("two values stand side by side without an operator")
        if use in {"list", "map"}:
            self.literal += 1
        else:
            self.only_outside()
        self.open.append(_Bracket(sign, use, self.start if self.valued else len(self.spelled)))
        if len(self.open) > NESTING_MAX + 1:
            raise ExpressionError(f"more than {NESTING_MAX} brackets in each other")
        self.spelled.append(sign)
        self.valued = False

    def closed(self, sign: str) -> None:
        self.ended()
        top = self.open[-1]
        if top.sign != _OPENED[sign]:
            raise ExpressionError(f"{sign} closes nothing")
        before = self.look(-1).text if self.look(-1).kind == "sign" else ""
        empty = before == top.sign and top.use in {"call", "list", "map"}
        trailing = before == "," or (before == ":" and top.use == "subscript")
        if not (self.valued or empty or trailing):
            raise ExpressionError(f"a value is missing before {sign}")
        self.open.pop()
        self.literal -= top.use in {"list", "map"}
        self.spelled.append(sign)
        self.valued, self.start = True, top.start
        if top.use == "subscript" and self.look(-1).kind == "string" and self.look(-1).text in _METHODS:
            raise ExpressionError(f"{self.look(-1).text} is reached as .{self.look(-1).text}")

    def comma(self) -> None:
        self.ended()
        if self.open[-1].use not in {"call", "list", "map"} or not self.valued:
            raise ExpressionError("a comma has no meaning here")
        self.spelled.append(",")
        self.valued = False

    def colon(self) -> None:
        self.ended()
        use = self.open[-1].use
        if use == "subscript":
            self.costly += 1
        elif use != "map" or not self.valued:
            raise ExpressionError("a colon has no meaning here")
        self.spelled.append(":")
        self.valued = False

    def member(self, sign: str) -> None:
        self.place += 1
        name = self.look()
        if sign == "|":
            if name.kind != "name" or name.text not in FILTERS:
                raise ExpressionError(f"there is no filter `{_told(name)}`: {', '.join(sorted(FILTERS))}")
            self.callable = True
        elif name.kind != "name":
            raise ExpressionError("behind a dot stands a name; items are counted in brackets, as in list[0]")
        elif name.text.startswith("__") or name.text in LITERALS:
            raise ExpressionError(f"no member is reached as .{name.text}")
        self.spelled.append(name.text)
        self.valued = True
        if sign == "." and name.text in _METHODS:
            self.method(name.text)

    def method(self, name: str) -> None:
        """Spell a member so that a method of the same name is never taken for it."""
        owner = " ".join(self.spelled[self.start : -2])
        if HAS in owner:
            raise ExpressionError(f".{name} cannot be reached from a member with such a name")
        self.spelled[self.start :] = [
            f"( {owner} . {name} if ( {owner} ) | {HAS} ( '{name}' ) else {MISSING} )"
        ]

    def minus(self) -> None:
        if self.literal and self.look(1).kind != "number":
            self.only_outside()
        if self.open[-1].joined:
            raise ExpressionError("put what - makes into brackets beside `~`")
        self.open[-1].operator = "-"
        self.spelled.append("-")

    def plus(self) -> None:
        if "number" not in {self.look(-1).kind, self.look(1).kind}:
            raise ExpressionError("+ needs a number written beside it; texts and lists are not added")
        self.operator("+")


def spelled(tokens: Sequence[Token]) -> str:
    """Spell an expression so that the engine reads it just as it was checked.

    Raises:
        ExpressionError: it is none, or not within the language.
    """
    return _Speller(tokens).spell()


def _is_literal(token: Token) -> bool:
    return token.kind in {"string", "number"} or token.text in LITERALS or token.text == "-"


def _told(token: Token) -> str:
    return token.text if token.kind == "name" else "without a name"


def _quoted(text: str) -> str:
    quoted = json.dumps(text)
    for sign in "{}%#(":
        quoted = quoted.replace(sign, f"\\u{ord(sign):04x}")
    return quoted
