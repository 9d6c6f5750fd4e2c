"""A conversation that travels: said over either wire, answered by any protocol, and each report checked."""

import base64
import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from llmgw.simulator.thread import SimulatorThread
from llmgw.types.message import MediaPart, Part, ToolResultPart
from llmgw.types.preservation import Report, ReportRecord
from llmgw.types.turn import Turn
from msgspec.structs import replace
from tests.cross.claims import Claims
from tests.cross.clients import anthropic_message, openai_message
from tests.e2e.contexts.desk import Desk
from tests.running import Answer

PROTOCOLS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
"""Whose protocol a path of the simulator is; any other is Gemini's."""

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "id": {"const": 18446744073709551616}},
    "required": ["city", "id"],
    "additionalProperties": False,
}
CLOCK: dict[str, Any] = {
    "type": "object",
    "properties": {"zone": {"type": "string"}, "empty": {"const": []}},
    "required": ["zone", "empty"],
    "additionalProperties": False,
}
TOOLS = {"get_weather": WEATHER, "read_clock": CLOCK}


def picture(number: int, side: int = 1) -> str:
    """A PNG that no other number has, as base64; with a side of 80 it is too large to stay in its turn."""
    noise = b"".join(hashlib.blake2b(f"{number}/{n}".encode()).digest() for n in range(side * side // 16 + 1))
    rows = b"".join(
        b"\x00" + noise[n * side * 3 : (n + 1) * side * 3].ljust(side * 3, b"\x01") for n in range(side)
    )
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 0)),
        (b"IEND", b""),
    )
    written = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return base64.b64encode(written).decode()


class Journey:
    """One context, and a caller who speaks both wires."""

    def __init__(self, desk: Desk, simulator: SimulatorThread, **members: Any) -> None:
        self.desk = desk
        self.simulator = simulator.simulator
        self.context = desk.made(**members)
        self.pictures: dict[int, str] = {}
        """Base64 of what was shown, by its length: no two are as long."""
        self.calls: list[tuple[str, str]] = []
        """Id and name of the calls that wait for their results."""
        self.text = ""
        """What was answered last."""
        self.reports: list[Report] = []
        self.carried: dict[str, Counter[str]] = {}
        """What each protocol was told as it is stored, by the kind of it, at the last call there."""
        self.last: tuple[Report, list[Turn], bytes]
        """The last call: its report, the turns it is about, and what was received."""

    def say(self, wire: str, model: str, content: Any, *, stream: bool = False, **members: Any) -> Report:
        """Say something over a wire; a list of content is in OpenAI's words. Returns the checked report."""
        if wire == "openai":
            return self._ask(wire, model, [{"role": "user", "content": content}], stream=stream, **members)
        blocks = content if isinstance(content, str) else [_block(part) for part in content]
        return self._ask(wire, model, [{"role": "user", "content": blocks}], stream=stream, **members)

    def send(self, wire: str, model: str, content: list[dict[str, Any]], **members: Any) -> Report:
        """Say content in the wire's own words. Returns the checked report."""
        return self._ask(wire, model, [{"role": "user", "content": content}], stream=False, **members)

    def shows(self, number: int, side: int = 1) -> list[dict[str, Any]]:
        """Content with a picture."""
        data = picture(number, side)
        self.pictures[len(data)] = data
        return [
            {"type": "text", "text": f"Picture {number}: what do you see?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        ]

    def answer_calls(
        self, wire: str, model: str, *results: str, failed: bool = False, stream: bool = False, **members: Any
    ) -> Report:
        """Send the results of the calls that wait, in the order of their calls."""
        assert len(results) == len(self.calls) > 0
        told = list(zip(self.calls, results, strict=True))
        if wire == "openai":
            messages = [{"role": "tool", "tool_call_id": call, "content": text} for (call, _), text in told]
            return self._ask(wire, model, messages, stream=stream, **members)
        blocks: list[dict[str, Any]] = [
            {"type": "tool_result", "tool_use_id": call, "content": text} for (call, _), text in told
        ]
        if failed:
            blocks[-1]["is_error"] = True
        return self._ask(wire, model, [{"role": "user", "content": blocks}], stream=stream, **members)

    def turns(self) -> list[Turn]:
        """All turns, their media brought back."""
        page = self.desk.ask("GET", f"/contexts/{self.context}/turns?limit=1000").json()
        assert page["next"] is None
        return [msgspec.convert(turn, Turn) for turn in page["turns"]]

    def report(self) -> Report:
        """The report of the last call."""
        answer = self.desk.ask("GET", f"/contexts/{self.context}/report/latest")
        return msgspec.json.decode(answer.body, type=ReportRecord).report

    def _ask(
        self,
        wire: str,
        model: str,
        messages: list[dict[str, Any]],
        *,
        stream: bool,
        think: bool = False,
        tools: Sequence[str] = tuple(TOOLS),
        **members: Any,
    ) -> Report:
        body: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "llmgw": {"context": self.context},
            **members,
        }
        schemas = {name: TOOLS[name] for name in tools}
        if wire == "openai":
            path = "/chat/completions"
            offered: list[dict[str, Any]] = [
                {"type": "function", "function": {"name": name, "parameters": schema}}
                for name, schema in schemas.items()
            ]
            body |= {"reasoning_effort": "high"} if think else {}
        else:
            path = "/messages"
            offered = [{"name": name, "input_schema": schema} for name, schema in schemas.items()]
            body |= {"max_tokens": 4096}
            body |= {"thinking": {"type": "enabled", "budget_tokens": 2048}} if think else {}
        body |= {"tools": offered} if offered else {}
        self.simulator.log.clear()
        answer = self.desk.ask("POST", path, {**body, "stream": stream} if stream else body)
        assert answer.status == 200, answer.body
        received = self.simulator.log.bodies()
        assert len(received) == 1, "one call, one request: no refusal and no second attempt"
        self._hear(wire, answer, stream=stream)
        return self._checked(*received[0])

    def _hear(self, wire: str, answer: Answer, *, stream: bool) -> None:
        """Take in an answer as a client of the wire does."""
        if wire == "openai":
            message = openai_message(answer.body, stream=stream)
            self.text = message.get("content") or ""
            self.calls = [(call["id"], call["function"]["name"]) for call in message.get("tool_calls") or ()]
            return
        content = anthropic_message(answer.body, stream=stream)["content"]
        self.text = "".join(block["text"] for block in content if block["type"] == "text")
        self.calls = [(block["id"], block["name"]) for block in content if block["type"] == "tool_use"]

    def _checked(self, path: str, body: bytes) -> Report:
        """Hold the report of the last call against what the provider received."""
        report = self.report()
        assert report.input_digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
        turns = self.turns()
        assert report.rev == self.desk.ask("GET", f"/contexts/{self.context}").json()["rev"]
        asked = [self._whole(turn) for turn in turns[:-1]]
        assert turns[-1].role == "assistant"
        claims = Claims(PROTOCOLS.get(path, "gemini"), report, asked, body)
        assert claims.wrong() == []
        self.carried[report.target.protocol] = claims.carried
        self.last = (report, asked, body)
        self.reports.append(report)
        return report

    def _whole(self, turn: Turn) -> Turn:
        """A turn with its media in it."""
        return replace(turn, parts=tuple(self._with_media(part) for part in turn.parts))

    def _with_media(self, part: Part) -> Any:
        if isinstance(part, ToolResultPart):
            return replace(part, content=tuple(self._with_media(item) for item in part.content))
        if isinstance(part, MediaPart) and part.blob is not None:
            return replace(part, base64=self.pictures[part.size or 0], blob=None, size=None)
        return part


def _block(part: dict[str, Any]) -> dict[str, Any]:
    """Content of OpenAI's dialect in Anthropic's."""
    if part["type"] != "image_url":
        return part
    head, _, data = part["image_url"]["url"].partition(";base64,")
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": head.removeprefix("data:"), "data": data},
    }
