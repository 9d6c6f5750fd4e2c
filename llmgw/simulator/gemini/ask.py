"""Gemini's generateContent request read into a prompt and the manner of the answer."""

import hashlib

from msgspec import Struct

from llmgw.simulator.gemini.contents import read_contents, read_system
from llmgw.simulator.gemini.read import Fault
from llmgw.simulator.gemini.schema import json_schema
from llmgw.simulator.gemini.turns import violation
from llmgw.simulator.knobs import Knobs
from llmgw.simulator.metering import read_of
from llmgw.simulator.refusal import Refused
from llmgw.simulator.transcript import OfferedTool, Prompt
from llmgw.types.json import Json

_LEVELS = {"MINIMAL": 1, "LOW": 1, "MEDIUM": 2, "HIGH": 3, "XHIGH": 3}
_THINKING = 2
_LOW_BUDGET = 2048
_MEDIUM_BUDGET = 8192
_MOST_CANDIDATES = 8
_MOST_LOGPROBS = 20
JSON_TYPE = "application/json"
ENUM_TYPE = "text/x.enum"


class GeminiAsk(Struct, frozen=True, kw_only=True):
    """A request: what is asked, and how the answer is to be given."""

    prompt: Prompt
    candidates: int
    max_tokens: int | None
    stop: tuple[str, ...]
    shows_thoughts: bool
    bare_enum: bool
    """Whether the answer is one word of an enum, without JSON's quotes."""
    top_logprobs: int | None
    """How many alternatives to name with each token; None for no log probabilities."""


def require_none(faults: tuple[Fault, ...]) -> None:
    """Let a message pass that has no faults.

    Raises:
        Refused: it has, in Google's words.
    """
    if faults:
        raise Refused(400, "\n".join(fault.text for fault in faults), param=faults[0].field)


def read_generate(body: dict[str, Json], knobs: Knobs, seed: bytes) -> GeminiAsk:
    """Read a request as `gemini_read` reads it; ids are made from `seed`.

    Raises:
        Refused: Gemini would refuse it, or the simulator cannot do what it asks for.
    """
    _require_supported(body)
    turns = read_system(body.get("systemInstruction")) + read_contents(body.get("contents", []))
    wrong = violation(body["contents"])
    if wrong:
        raise Refused(400, wrong)
    config = body.get("generationConfig", {})
    offered, forced = _offered(body)
    thinking = config.get("thinkingConfig", {})
    prompt = Prompt(
        turns=read_of(turns, knobs.reads),
        seed=hashlib.blake2b(seed, digest_size=15).hexdigest(),
        tools=offered,
        forced=forced,
        output=_output(config),
        effort=max(effort_of(thinking), _THINKING if knobs.think else 0),
    )
    return GeminiAsk(
        prompt=prompt,
        candidates=_between(config, "candidateCount", 1, _MOST_CANDIDATES) or 1,
        max_tokens=_between(config, "maxOutputTokens", 1, 10**9),
        stop=tuple(each for each in config.get("stopSequences", ()) if each),
        shows_thoughts=knobs.think or thinking.get("includeThoughts") is True,
        bare_enum=config.get("responseMimeType") == ENUM_TYPE,
        top_logprobs=_logprobs(config),
    )


def effort_of(thinking: dict[str, Json]) -> int:
    """How much a `thinkingConfig` makes a model think, from 0 to 3; thoughts to be shown must be thought."""
    if "thinkingLevel" in thinking:
        return _LEVELS.get(thinking["thinkingLevel"], _THINKING)
    budget = thinking.get("thinkingBudget")
    if budget is None:
        return _THINKING if thinking.get("includeThoughts") is True else 0
    if budget <= 0:
        return _THINKING if budget else 0
    return 1 if budget <= _LOW_BUDGET else 2 if budget <= _MEDIUM_BUDGET else 3


def declarations_of(body: dict[str, Json]) -> list[dict[str, Json]]:
    """Give all functions that a request declares."""
    return [each for tool in body.get("tools", ()) for each in tool.get("functionDeclarations", ())]


def _require_supported(body: dict[str, Json]) -> None:
    if "cachedContent" in body:
        raise Refused(403, "CachedContent not found (or permission denied)")
    modalities = set(body.get("generationConfig", {}).get("responseModalities", ()))
    if modalities - {"TEXT", "MODALITY_UNSPECIFIED"}:
        raise Refused(
            400,
            "The requested combination of response modalities is not supported by the model. It accepts the "
            "following combination of response modalities:\n* TEXT\n",
        )


def _between(config: dict[str, Json], name: str, low: int, high: int) -> int | None:
    """Read a whole number within bounds, which are those of the reference."""
    value = config.get(name)
    if value is None:
        return None
    if not low <= value <= high:
        raise Refused(
            400,
            f"Unable to submit request because it has a {name} value of {value} but the supported range is from "
            f"{low} (inclusive) to {high + 1} (exclusive). Update the value and try again.",
        )
    return int(value)


def _logprobs(config: dict[str, Json]) -> int | None:
    if config.get("responseLogprobs") is not True:
        return None
    return _between(config, "logprobs", 0, _MOST_LOGPROBS) or 0


def _offered(body: dict[str, Json]) -> tuple[tuple[OfferedTool, ...], bool]:
    """Which functions may be called, and whether one must; tools of Google's own are never used."""
    tools = tuple(OfferedTool(str(each.get("name", "")), _parameters(each)) for each in declarations_of(body))
    config = body.get("toolConfig", {}).get("functionCallingConfig", {})
    allowed = config.get("allowedFunctionNames")
    if allowed:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    match config.get("mode"):
        case "NONE":
            return (), False
        case "ANY":
            return tools, True
        case _:
            return tools, False


def _parameters(declaration: dict[str, Json]) -> Json:
    if "parameters" in declaration:
        return json_schema(declaration["parameters"])
    return declaration.get("parametersJsonSchema")


def _output(config: dict[str, Json]) -> Json:
    if config.get("responseMimeType") not in {JSON_TYPE, ENUM_TYPE}:
        return None
    if "responseSchema" in config:
        return json_schema(config["responseSchema"])
    return config.get("responseJsonSchema", config.get("_responseJsonSchema", True))
