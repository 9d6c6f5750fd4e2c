"""What whole answers and chunks of Gemini's share: the parts of a candidate, its end, its log probabilities.

A chunk is a small answer: both are read by the same code. https://ai.google.dev/api/generate-content
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final, TypeAlias

from llmgw.providers.gemini.arguments import as_written, plain
from llmgw.providers.gemini.ids import made_id
from llmgw.providers.gemini.parts import PROTOCOL
from llmgw.types.errors import ProviderBadResponse, ProviderBadStream, ProviderFailed
from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    FinishReason,
    Opaque,
    ReasoningDelta,
    Sealed,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from llmgw.types.json import Json
from llmgw.types.message import Details, OpaquePart, Seal

Bad: TypeAlias = type[ProviderBadResponse | ProviderBadStream]
"""What to raise where the form is wrong."""

ANSWER_MEMBERS: Final = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId"})
_CANDIDATE_MEMBERS: Final = frozenset({"content", "index", "finishReason"})
_CONTENT_MEMBERS: Final = frozenset({"parts", "role"})
_SIGNATURE: Final = "thoughtSignature"
_THINKING: Final = "thinking"
_UNSAID: Final = "FINISH_REASON_UNSPECIFIED"
_NUMBERED: Final = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}
"""Reasons as clients see them that ask for numbers; beyond these AI Studio and Vertex count differently."""
_REASONS: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
}
"""Google's words for the end; others, such as `LANGUAGE`, are `other`."""

_BROKEN: Final = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    }
)
"""Words for an answer that the model got wrong and the host gave up, so that it must not look whole."""


def start_of(answer: Details, model: str) -> Start:
    """Read the members about the whole answer; those without a field, and the exact time, ride along."""
    unknown = leftover(answer, ANSWER_MEMBERS)
    said = answer.get("modelVersion")
    return Start(
        id=answer_id(answer),
        model=said if isinstance(said, str) and said else model,
        created=_seconds(answer.get("createTime")),
        protocol=PROTOCOL,
        extra=Extra(chunk=unknown) if unknown else None,
    )


def answer_id(answer: Details) -> str:
    """The id of an answer; none where the host gives none."""
    value = answer.get("responseId")
    return value if isinstance(value, str) else ""


def leftover(members: Details, known: Collection[str]) -> Details:
    """The members that have no field of ours; null says nothing."""
    return {name: value for name, value in members.items() if value is not None and name not in known}


def block_reason(answer: Details) -> str:
    """Why the prompt was not let in; empty where it was."""
    feedback = answer.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return reason if isinstance(reason, str) else ""


def blocked(reason: str) -> ChoiceEnd:
    """The end of an answer that was never begun: the vendor's filter took the prompt."""
    return ChoiceEnd(reason="content_filter", native_reason=reason)


def candidates_of(answer: Details, bad: Bad) -> list[Details]:
    """The candidates of an answer or chunk, which may have none.

    Raises:
        ProviderBadResponse: they are no objects, and `bad` is this.
        ProviderBadStream: likewise.
    """
    candidates = answer.get("candidates") or []
    if not isinstance(candidates, list) or not all(isinstance(each, dict) for each in candidates):
        raise bad("the provider's answer has candidates that are not objects")
    return candidates


def index_of(candidate: Details, position: int) -> int:
    """The number of a candidate; its place where it has none."""
    index = candidate.get("index")
    return index if index.__class__ is int and index >= 0 else position


class Candidate:
    """One candidate while its pieces come in: numbers its parts and calls.

    A part is numbered anew whenever its kind changes, for every call, and around every signature: what is signed
    never joins what is not.
    """

    __slots__ = ("_calls", "_kind", "_of", "ended", "index", "part")

    def __init__(self, index: int, of: str) -> None:
        """`of` is the id of the answer, of which ids of calls are made where the vendor gives none."""
        self.index = index
        self.part = -1
        self.ended = False
        self._calls = 0
        self._kind = ""
        self._of = of

    @property
    def is_in_text(self) -> bool:
        """Whether more text would go on with the part that was told last."""
        return self._kind == "text"

    def read(self, candidate: Details, events: list[StreamEvent], bad: Bad) -> None:
        """Add the events of what a chunk or answer says of this candidate.

        Raises:
            ProviderBadResponse: the form is wrong, and `bad` is this.
            ProviderBadStream: likewise.
        """
        logprobs = _logprobs(candidate.get("logprobsResult"))
        content = candidate.get("content")
        if content is not None and not isinstance(content, dict):
            raise bad("the provider's answer has a content that is not an object")
        parts = (content or {}).get("parts") or []
        if not isinstance(parts, list):
            raise bad("the provider's answer has parts that are not a list")
        for part in parts:
            if not isinstance(part, dict):
                raise bad("the provider's answer has a part that is not an object")
            logprobs = self._part(part, events, logprobs, bad)
        of_choice = leftover(candidate, _CANDIDATE_MEMBERS)
        of_content = leftover(content, _CONTENT_MEMBERS) if content else {}
        native = _native_reason(candidate.get("finishReason"))
        if of_choice or of_content or (logprobs is not None and not native):
            extra = Extra(choice=of_choice, delta=of_content)
            events.append(Detail(extra=extra, choice=self.index, logprobs=None if native else logprobs))
        if native and not self.ended:
            self.end(native, events, logprobs)

    def end(self, native: str, events: list[StreamEvent], logprobs: Json = None) -> None:
        """Add the end of the candidate; the vendor says `STOP` of one that calls functions, too.

        Raises:
            ProviderFailed: the host gave the candidate up.
        """
        if native in _BROKEN:
            raise ProviderFailed(
                f"the provider gave up its answer with finishReason {native}", upstream_code=native
            )
        self.ended = True
        reason = _REASONS.get(native, "other")
        if self._calls and native in {"STOP", ""}:
            reason = "tool_calls"
        events.append(ChoiceEnd(reason=reason, native_reason=native, choice=self.index, logprobs=logprobs))

    def _part(self, part: Details, events: list[StreamEvent], logprobs: Json, bad: Bad) -> Json:
        """Add the events of one part; return the log probabilities if none of them carries them."""
        signature = part.get(_SIGNATURE)
        signature = signature if isinstance(signature, str) and signature else None
        text = part.get("text", "" if part.keys() == {_SIGNATURE} else None)
        call: int | None = None
        if "functionCall" in part:
            call = self._call(part, events, bad)
        elif isinstance(text, str):
            kind = "thought" if part.get("thought") is True else "text"
            if not text and part.keys() == {"text"} and self.part >= 0 and self._kind != kind:
                # The last chunk of a stream has an empty text, which begins no part of the answer.
                return logprobs
            if text or signature is None:
                self._begin(kind, alone=signature is not None)
                logprobs = self._text(kind, text, part, events, logprobs)
            else:
                # A signature that comes after the text, in a part of its own.
                self._begin(kind, alone=True)
        else:
            self._opaque(part, events)
            return logprobs
        if signature is not None:
            seal = Seal(protocol=PROTOCOL, value=signature)
            events.append(Sealed(seal=seal, choice=self.index, part=self.part, call=call))
            self._kind = ""
        return logprobs

    def _begin(self, kind: str, *, alone: bool) -> None:
        if alone or kind != self._kind:
            self.part += 1
            self._kind = kind

    def _text(self, kind: str, text: str, part: Details, events: list[StreamEvent], logprobs: Json) -> Json:
        unknown = leftover(part, ("text", "thought", _SIGNATURE))
        extra = Extra(part=unknown) if unknown else None
        if kind == "text":
            events.append(
                TextDelta(text=text, choice=self.index, part=self.part, logprobs=logprobs, extra=extra)
            )
            return None
        events.append(
            ReasoningDelta(text=text, choice=self.index, part=self.part, member=_THINKING, extra=extra)
        )
        return logprobs

    def _call(self, part: Details, events: list[StreamEvent], bad: Bad) -> int:
        call = part["functionCall"]
        if not isinstance(call, dict):
            raise bad("the provider's answer has a function call that is not an object")
        self._begin("call", alone=True)
        number = self._calls
        self._calls += 1
        name, args, given = call.get("name"), call.get("args"), call.get("id")
        name = name if isinstance(name, str) else ""
        arguments = as_written(args)
        own = given if isinstance(given, str) and given else None
        unknown = leftover(part, ("functionCall", _SIGNATURE))
        events.append(
            ToolCallDelta(
                index=number,
                choice=self.index,
                part=self.part,
                id=own or made_id(self._of, self.index, number, name, plain(arguments)),
                name=name,
                arguments=arguments,
                kind="function",
                call_details=leftover(call, ("id", "name", "args")),
                extra=Extra(part=unknown) if unknown else None,
            )
        )
        return number

    def _opaque(self, part: Details, events: list[StreamEvent]) -> None:
        self._begin("opaque", alone=True)
        kind = next((name for name in part if name not in {_SIGNATURE, "thought"}), "")
        value = OpaquePart(protocol=PROTOCOL, kind=kind, value=part)
        events.append(Opaque(value=value, choice=self.index, part=self.part))


def _native_reason(value: Json) -> str:
    """The vendor's word for the end; empty where the candidate goes on."""
    if isinstance(value, int):
        return _NUMBERED.get(value, str(value)) if value else ""
    return value if isinstance(value, str) and value != _UNSAID else ""


def _seconds(moment: Json) -> int:
    try:
        return int(datetime.fromisoformat(moment).timestamp()) if isinstance(moment, str) else 0
    except (ValueError, OverflowError, OSError):
        return 0


def _logprobs(result: Json) -> Details | None:
    """Write log probabilities as OpenAI does; the result itself rides along for its own protocol."""
    chosen = result.get("chosenCandidates") if isinstance(result, dict) else None
    if not isinstance(chosen, list):
        return None
    top = result.get("topCandidates")
    tops = top if isinstance(top, list) else []
    content: list[Json] = []
    for position, candidate in enumerate(chosen):
        others = tops[position] if position < len(tops) else None
        alternatives = others.get("candidates") if isinstance(others, dict) else None
        item = _token(candidate)
        item["top_logprobs"] = (
            [_token(each) for each in alternatives] if isinstance(alternatives, list) else []
        )
        content.append(item)
    return {"content": content}


def _token(candidate: Json) -> Details:
    members = candidate if isinstance(candidate, dict) else {}
    token, probability = members.get("token"), members.get("logProbability")
    token = token if isinstance(token, str) else ""
    return {
        "token": token,
        # The vendor leaves a zero out.
        "logprob": probability if isinstance(probability, float | int) else 0.0,
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }
