"""OpenAI's chat request read into a prompt and the manner of the answer, as strictly as OpenAI reads it."""

import hashlib

from msgspec import Struct

from llmgw.simulator.metering import read_of
from llmgw.simulator.openai.messages import missing, read_messages, wrong_type, wrong_value
from llmgw.simulator.refusal import Refused
from llmgw.simulator.transcript import OfferedTool, Prompt
from llmgw.types.json import Json

_EFFORT = {"none": 0, "minimal": 1, "low": 1, "medium": 2, "high": 3, "xhigh": 3, "max": 3}
_THINKING = 2
_DECIMALS = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
_INTEGERS = {
    "n": (1, 128),
    "max_tokens": (1, 10**9),
    "max_completion_tokens": (1, 10**9),
    "top_logprobs": (0, 20),
    "seed": (-(2**63), 2**63 - 1),
}
_BOOLEANS = ("stream", "logprobs", "parallel_tool_calls", "store")


class ChatAsk(Struct, frozen=True, kw_only=True):
    """A chat request: what is asked, and how the answer is to be given."""

    prompt: Prompt
    stream: bool
    include_usage: bool
    n: int
    max_tokens: int | None
    stop: tuple[str, ...]
    top_logprobs: int | None
    """How many alternatives to name with each token; None for no log probabilities."""


def read_chat(body: dict[str, Json], seed: bytes, *, think: bool, reads: int | None = None) -> ChatAsk:
    """Read a request body; ids are made from `seed`, and `think` asks for reasoning whatever the body says.

    `reads` caps the tokens of messages that are read at all, and says nothing of it.

    Raises:
        Refused: OpenAI would refuse it, or the simulator cannot do what it asks for.
    """
    if "messages" not in body:
        raise missing("messages")
    _require_scalars(body)
    _require_supported(body)
    turns = read_messages(body["messages"])
    tools = _tools(body.get("tools"))
    offered, forced = _choice(body.get("tool_choice"), tools, given="tools" in body)
    options = body.get("stream_options")
    if options is not None and not body.get("stream"):
        raise Refused(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    prompt = Prompt(
        turns=read_of(turns, reads),
        seed=hashlib.blake2b(seed, digest_size=15).hexdigest(),
        tools=offered,
        forced=forced,
        parallel=body.get("parallel_tool_calls") is not False,
        output=_output(body.get("response_format")),
        effort=max(_effort(body.get("reasoning_effort")), _THINKING if think else 0),
    )
    return ChatAsk(
        prompt=prompt,
        stream=bool(body.get("stream")),
        include_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        n=body.get("n") or 1,
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=_stop(body.get("stop")),
        top_logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
    )


def _require_scalars(body: dict[str, Json]) -> None:
    for name in _BOOLEANS:
        value = body.get(name)
        if value is not None and not isinstance(value, bool):
            raise wrong_type(name, "a boolean", value)
    for name, (low, high) in {**_DECIMALS, **_INTEGERS}.items():
        value = body.get(name)
        if value is None:
            continue
        kind = "integer" if name in _INTEGERS else "decimal"
        if isinstance(value, bool) or not isinstance(value, int if kind == "integer" else int | float):
            raise wrong_type(name, "an integer" if kind == "integer" else "a decimal number", value)
        _require_between(name, kind, value, low, high)
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise Refused(
            400,
            "Invalid value for 'top_logprobs': 'logprobs' must be set to true to use this parameter.",
            param="top_logprobs",
        )


def _require_between(name: str, kind: str, value: float, low: int, high: int) -> None:
    if value < low:
        side, sign, bound = ("minimum", ">=", low)
    elif value > high:
        side, sign, bound = ("maximum", "<=", high)
    else:
        return
    where = "below" if side == "minimum" else "above"
    raise Refused(
        400,
        f"Invalid '{name}': {kind} {where} {side} value. Expected a value {sign} {bound}, but got {value} instead.",
        param=name,
        code=f"{kind}_{where}_{side[:3]}_value",
    )


def _require_supported(body: dict[str, Json]) -> None:
    for name in ("functions", "function_call"):
        if body.get(name) is not None:
            raise _unsupported(name, "'tools' took its place")
    modalities = body.get("modalities")
    if body.get("audio") is not None or (isinstance(modalities, list) and "audio" in modalities):
        raise _unsupported("audio" if body.get("audio") is not None else "modalities", "it does not speak")


def _unsupported(name: str, why: str) -> Refused:
    return Refused(
        400,
        f"Unsupported parameter: '{name}' is not supported with this model: {why}.",
        param=name,
        code="unsupported_parameter",
    )


def _tools(tools: Json) -> tuple[OfferedTool, ...]:
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise wrong_type("tools", "an array of objects", tools)
    return tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))


def _tool(tool: Json, at: str) -> OfferedTool:
    if not isinstance(tool, dict):
        raise wrong_type(at, "an object", tool)
    kind = tool.get("type")
    if kind is None:
        raise missing(f"{at}.type")
    if kind not in ("function", "custom"):
        raise wrong_value(f"{at}.type", kind, ("function", "custom"))
    inner = tool.get(kind)
    if not isinstance(inner, dict):
        raise missing(f"{at}.{kind}")
    if not isinstance(inner.get("name"), str):
        raise missing(f"{at}.{kind}.name")
    return OfferedTool(inner["name"], inner.get("parameters"), custom=kind == "custom")


def _choice(
    choice: Json, tools: tuple[OfferedTool, ...], *, given: bool
) -> tuple[tuple[OfferedTool, ...], bool]:
    """Which tools may be called, and whether one must."""
    if choice is None:
        return tools, False
    if not given:
        raise Refused(400, "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    match choice:
        case "none":
            return (), False
        case "auto":
            return tools, False
        case "required":
            return tools, True
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(allowed)}}:
            names = {_chosen_name(each) for each in allowed}
            return tuple(tool for tool in tools if tool.name in names), mode == "required"
        case {"type": "function" | "custom"}:
            named = tuple(tool for tool in tools if tool.name == _chosen_name(choice))
            if not named:
                raise Refused(
                    400,
                    f"Tool choice '{_chosen_name(choice)}' not found in 'tools' parameter.",
                    param="tool_choice",
                )
            return named, True
        case _:
            raise wrong_value("tool_choice", choice, ("none", "auto", "required"))


def _chosen_name(choice: Json) -> str | None:
    if isinstance(choice, dict):
        inner = choice.get(str(choice.get("type")))
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            return str(inner["name"])
    return None


def _output(form: Json) -> Json:
    match form:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return True
        case {"type": "json_schema", "json_schema": {"name": str(), "schema": schema}}:
            return schema if schema is not None else True
        case {"type": "json_schema", "json_schema": {"name": str()}}:
            return True
        case {"type": "json_schema", "json_schema": dict()}:
            raise missing("response_format.json_schema.name")
        case {"type": "json_schema"}:
            raise missing("response_format.json_schema")
        case {"type": other}:
            raise wrong_value("response_format.type", other, ("json_object", "json_schema", "text"))
        case dict():
            raise missing("response_format.type")
        case _:
            raise wrong_type("response_format", "an object", form)


def _effort(effort: Json) -> int:
    if effort is None:
        return 0
    if not isinstance(effort, str) or effort not in _EFFORT:
        raise wrong_value("reasoning_effort", effort, tuple(_EFFORT))
    return _EFFORT[effort]


def _stop(stop: Json) -> tuple[str, ...]:
    match stop:
        case None:
            return ()
        case str():
            return (stop,)
        case list() if all(isinstance(each, str) for each in stop):
            if len(stop) > 4:
                raise Refused(
                    400,
                    "Invalid 'stop': array too long. Expected an array with maximum length 4, "
                    f"but got an array with length {len(stop)} instead.",
                    param="stop",
                    code="array_above_max_length",
                )
            return tuple(stop)
        case _:
            raise wrong_type("stop", "one of a string or array of strings", stop)
