"""Anthropic's request read into a prompt and the manner of the answer."""

import hashlib
from typing import Final

from msgspec import Struct

from llmgw.simulator.anthropic.messages import read_turns
from llmgw.simulator.anthropic.shapes import (
    integer,
    invalid,
    kind,
    mapping,
    mappings,
    one_of,
    optional_mapping,
    text,
)
from llmgw.simulator.knobs import Knobs
from llmgw.simulator.metering import read_of
from llmgw.simulator.refusal import Refused
from llmgw.simulator.transcript import OfferedTool, Prompt, Turn
from llmgw.types.json import Json

_EFFORT: Final = {"low": 1, "medium": 2, "high": 3, "xhigh": 3, "max": 3}
_UNSAID: Final = "high"
_THINKING: Final = 2
_LITTLE, _SOME = 2048, 8192
"""Thinking tokens up to which the simulator thinks a little, and some."""
_MARK = "cache_control"


class MessagesAsk(Struct, frozen=True, kw_only=True):
    """A request for a message: what is asked, and how the answer is to be given.

    `shown` says whether the text of the reasoning is, `marked` whether anything is to be cached.
    """

    prompt: Prompt
    stream: bool
    max_tokens: int
    stop: tuple[str, ...]
    shown: bool
    marked: bool


def read_messages(body: dict[str, Json], knobs: Knobs, seed: bytes) -> MessagesAsk:
    """Read the body of a request for a message; ids are made from `seed`.

    Raises:
        Refused: Anthropic would refuse it, or the simulator cannot do what it asks for.
    """
    _refuse_thread(body)
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise invalid("stream", "Input should be a valid boolean")
    thinking = optional_mapping(body, "thinking") or {}
    return MessagesAsk(
        max_tokens=integer(body, "max_tokens", 0),
        prompt=read_prompt(body, knobs, seed),
        stream=stream is True,
        stop=_stop(body.get("stop_sequences")),
        shown=thinking.get("display") != "omitted",
        marked=_marked(body),
    )


def read_prompt(body: dict[str, Json], knobs: Knobs, seed: bytes) -> Prompt:
    """Read what is asked, which is all there is to a request that only counts.

    Raises:
        Refused: as `read_messages`.
    """
    turns = read_turns(body)
    tools = _tools(body)
    offered, forced, parallel = _choice(body, tools)
    return Prompt(
        turns=read_of(turns, knobs.reads),
        seed=hashlib.blake2b(seed, digest_size=15).hexdigest(),
        tools=offered,
        forced=forced,
        parallel=parallel,
        output=_output(body),
        effort=max(_effort(body, turns), _THINKING if knobs.think or knobs.redacted else 0),
    )


def _refuse_thread(body: dict[str, Json]) -> None:
    """Refuse to keep the history: the simulator remembers nothing, and an answer without it would be another's.

    The words for it are the SDK's `types/thread_unsupported_request_error_details.py`; its helpers then send all.
    """
    if body.get("thread") is not None:
        raise Refused(
            400,
            "thread: The simulator keeps no threads. Send the full conversation without `thread`.",
            details={"error_code": "thread_unsupported_request"},
        )


def _tools(body: dict[str, Json]) -> tuple[OfferedTool, ...]:
    """Tools of the caller's own; those that Anthropic brings are known and never called."""
    if body.get("tools") is None:
        return ()
    found = []
    for index, tool in enumerate(mappings(body, "tools", "")):
        if tool.get("type") in (None, "custom"):
            at = f"tools.{index}.custom"
            found.append(OfferedTool(text(tool, "name", at), mapping(tool, "input_schema", at)))
    return tuple(found)


def _choice(
    body: dict[str, Json], tools: tuple[OfferedTool, ...]
) -> tuple[tuple[OfferedTool, ...], bool, bool]:
    """Which tools may be called, whether one must, and whether several may."""
    choice = optional_mapping(body, "tool_choice")
    if choice is None:
        return tools, False, True
    if not body.get("tools"):
        raise invalid("tool_choice", "tool_choice may only be specified while providing tools")
    parallel = choice.get("disable_parallel_tool_use") is not True
    match kind(choice, "tool_choice"):
        case "auto":
            return tools, False, parallel
        case "none":
            return (), False, parallel
        case "any":
            return tools, True, parallel
        case "tool":
            name = text(choice, "name", "tool_choice.tool")
            named = tuple(tool for tool in tools if tool.name == name)
            if not named:
                raise invalid("tool_choice", f"Tool '{name}' not found in provided tools")
            return named, True, parallel
        case _:
            raise invalid("tool_choice.type", one_of(("auto", "any", "tool", "none")))


def _output(body: dict[str, Json]) -> Json:
    form = optional_mapping(optional_mapping(body, "output_config") or {}, "format", "output_config")
    if form is None:
        return None
    if kind(form, "output_config.format") != "json_schema":
        raise invalid("output_config.format.type", one_of(("json_schema",)))
    return mapping(form, "schema", "output_config.format")


def _effort(body: dict[str, Json], turns: tuple[Turn, ...]) -> int:
    """How much to think, by the budget or by the effort."""
    thinking = optional_mapping(body, "thinking")
    if thinking is None:
        return 0
    match kind(thinking, "thinking"):
        case "enabled":
            budget = integer(thinking, "budget_tokens", 0, "thinking.enabled")
            return 1 if budget <= _LITTLE else 2 if budget <= _SOME else 3
        case "adaptive":
            return _said_effort(body)
        case "between_tools":
            return _said_effort(body) if turns[-1].role == "tool" else 0
        case "disabled":
            return 0
        case _:
            raise invalid("thinking.type", one_of(("enabled", "adaptive", "between_tools", "disabled")))


def _said_effort(body: dict[str, Json]) -> int:
    said = (optional_mapping(body, "output_config") or {}).get("effort")
    effort = _UNSAID if said is None else said
    if not isinstance(effort, str) or effort not in _EFFORT:
        raise invalid("output_config.effort", one_of(tuple(_EFFORT)))
    return _EFFORT[effort]


def _stop(given: Json) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, str) and each for each in given):
        raise invalid("stop_sequences", "Input should be a valid list of strings")
    return tuple(given)


def _marked(value: Json) -> bool:
    """Whether there is a cache mark anywhere."""
    if isinstance(value, dict):
        return value.get(_MARK) is not None or any(map(_marked, value.values()))
    return isinstance(value, list) and any(map(_marked, value))
