"""Which tools to call, and with what arguments."""

import hashlib
from collections.abc import Iterator

from llmgw.simulator import facts
from llmgw.simulator.instance import NoInstance, instance
from llmgw.simulator.material import Material, is_place, name_words
from llmgw.simulator.transcript import MadeCall, OfferedTool, Prompt
from llmgw.types.json import encode

_GENERIC = frozenset(
    {
        "a",
        "an",
        "the",
        "of",
        "for",
        "by",
        "in",
        "to",
        "get",
        "set",
        "fetch",
        "find",
        "list",
        "make",
        "create",
        "do",
    }
    | {"run", "call", "use", "lookup", "look", "up", "tool", "function", "current"}
)
_SHORTEST_HINT = 4


class BadTool(Exception):
    """No arguments can be made for a tool; `name` is the tool's, the message says why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


def call_tools(prompt: Prompt) -> tuple[MadeCall, ...]:
    """Call the tools that the newest user message speaks of; at least one where that is forced.

    Several calls are made for several tools, or for several places, unless the prompt forbids parallel calls.

    Raises:
        BadTool: the arguments' schema cannot be satisfied.
    """
    spoken_of = _spoken_of(prompt)
    if not spoken_of and prompt.forced:
        spoken_of = prompt.tools[:1]
    wanted = [(tool, place) for tool in spoken_of for place in _places(tool, prompt)]
    if not prompt.parallel:
        wanted = wanted[:1]
    return tuple(
        MadeCall(_call_id(prompt.seed, index), tool.name, _arguments(tool, prompt, place), tool.custom)
        for index, (tool, place) in enumerate(wanted)
    )


def _spoken_of(prompt: Prompt) -> tuple[OfferedTool, ...]:
    """Tools of which a word of the name was said; else the first of which a parameter was."""
    said = {_stem(word) for word in facts.words(prompt.last_user_text)}
    by_name = tuple(tool for tool in prompt.tools if said & _telling_words(tool.name))
    if by_name:
        return by_name
    return tuple(tool for tool in prompt.tools if said & set(_parameter_words(tool)))[:1]


def _telling_words(name: str) -> set[str]:
    own = {_stem(word) for word in name_words(name)}
    return own - _GENERIC or own


def _parameter_words(tool: OfferedTool) -> Iterator[str]:
    for name in _parameters(tool):
        for word in name_words(name):
            if len(word) >= _SHORTEST_HINT:
                yield _stem(word)


def _parameters(tool: OfferedTool) -> list[str]:
    properties = tool.schema.get("properties") if isinstance(tool.schema, dict) else None
    return list(properties) if isinstance(properties, dict) else []


def _stem(word: str) -> str:
    return word.removesuffix("s") if len(word) >= _SHORTEST_HINT else word


def _places(tool: OfferedTool, prompt: Prompt) -> list[str | None]:
    """One entry for each call to make: the places named, if the tool takes one."""
    if not any(is_place(name) for name in _parameters(tool)):
        return [None]
    return [*facts.places(prompt.last_user_text)] or [None]


def _arguments(tool: OfferedTool, prompt: Prompt, place: str | None) -> str:
    if tool.custom:
        return prompt.last_user_text
    schema = tool.schema if tool.schema is not None else {"type": "object"}
    try:
        return encode(instance(schema, Material(prompt, place))).decode()
    except NoInstance as error:
        raise BadTool(tool.name, str(error)) from None


def _call_id(seed: str, index: int) -> str:
    return "call_" + hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=12).hexdigest()
