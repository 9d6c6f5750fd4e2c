"""What a template may say and how much rendering it may take.

These constants are the whole of the restricted template language; the scan lets nothing through that is not here.
"""

from typing import Final

TEMPLATE_MAX: Final = 65_536
"""Characters of one template."""
TEMPLATES_MAX: Final = 1_048_576
"""Characters of one message's template with its partials in their places."""
TAGS_MAX: Final = 5_000
"""Tags (`{{ }}`, `{% %}`) in one message with its partials in their places."""
TAGS_ALL_MAX: Final = 15_000
"""Tags in all messages of a version: compiling them is what they cost each worker."""
TOKENS_MAX: Final = 300
"""Words and signs in one tag: the parser behind us recurses through some of them."""
NESTING_MAX: Final = 24
"""Blocks in each other in one template, and brackets in each other in one tag."""
ELIFS_MAX: Final = 100
"""`elif` in one template."""
NAMES_MAX: Final = 200
"""Names given by `set` and `with` in one message with its partials: each may hold the longest text again."""
INCLUDES_DEEP: Final = 8
"""Partials in each other."""
COMPARISONS_MAX: Final = 8
"""In one tag, comparisons of two values neither of which is written there, and slices: they take time by size."""

VARIABLES_MAX: Final = 256 * 1024
"""Characters of text in the variables of a call."""
VALUES_MAX: Final = 50_000
"""Values in the variables of a call, and items of a list that a filter makes."""
VARIABLES_DEEP: Final = 128
"""Lists and objects in each other in the variables."""
TEXT_MAX: Final = 256 * 1024
"""Characters that one message may come to."""
WHOLE_MAX: Final = 1024 * 1024
"""Characters that all messages may come to."""
OUTPUT_MAX: Final = 1024 * 1024
"""Characters of an answer that is read as JSON; a schema takes less, but white space is no part of that."""
FUEL: Final = 50_000
"""What the messages may cost together: a step of the engine costs 1, and 64 characters made or read cost 1."""
FUEL_MIN: Final = 8_000
"""What each of many messages may cost all the same."""
MADE_MAX: Final = 8 * 1024 * 1024
"""Characters and items that filters may make for all messages of a call, thrown away or not."""
SECONDS: Final = 0.1
"""Time of the processor for all messages of a call; far above what the other bounds leave to sound templates."""

STATEMENTS: Final = frozenset({
    "if", "elif", "else", "endif", "for", "endfor", "set", "with", "endwith", "include", "raw", "endraw",
})  # fmt: skip
"""What may stand first in `{% %}`."""
FILTERS: Final = frozenset({
    "abs", "bool", "capitalize", "count", "d", "default", "dictsort", "first", "float", "indent", "int",
    "items", "join", "last", "length", "lines", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "replace", "reverse", "round", "select", "selectattr", "sort", "split", "string", "sum", "title", "tojson",
    "trim", "truncate", "unique", "upper",
})  # fmt: skip
"""What may stand behind `|`; all but `default` are ours, as the engine's are not bounded in time."""
WITHHELD_FILTERS: Final = frozenset({
    "attr", "batch", "chain", "e", "escape", "filesizeformat", "format", "groupby", "pluralize", "pprint",
    "safe", "slice", "striptags", "urlencode", "wordwrap", "zip",
})  # fmt: skip
"""Those of the engine that are left out: some put a list into itself, which the engine cannot count."""
TESTS: Final = frozenset({
    "boolean", "defined", "divisibleby", "endingwith", "eq", "equalto", "even", "false", "float", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lt", "mapping", "ne", "none", "number",
    "odd", "sequence", "startingwith", "string", "true", "undefined",
})  # fmt: skip
"""What may stand behind `is`."""
COMPARING: Final = frozenset({
    "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan", "lt", "ne",
})  # fmt: skip
"""Tests that compare two values, and take time by their size."""
WITHHELD_TESTS: Final = frozenset({"escaped", "filter", "int", "lower", "safe", "sameas", "test", "upper"})
FUNCTIONS: Final = frozenset({"range"})
"""What may be called."""
WITHDRAWN: Final = ("cycler", "debug", "dict", "joiner", "namespace")
"""Functions that the engine brings and templates have no use for; the scan refuses to call them, too."""

OWN: Final = "llmgw_"
"""How the names start that are ours."""
AT: Final = "llmgw_at"
"""The function that each tag calls first, so that the meter sees it."""
TEXT: Final = "llmgw_text"
"""The function that tells the meter of text that may come again."""
TOLD: Final = "llmgw_told"
"""The filter that makes a text of what `~` joins."""
HAS: Final = "llmgw_has"
"""The filter that says whether a member is there."""
MISSING: Final = "llmgw_missing"
"""The name of nothing."""
