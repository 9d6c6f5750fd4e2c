"""How near the estimate of a conversation comes to what OpenAI counted, in recorded calls.

The folder of recordings is `../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest
from llmgw.accounting.tokens import TokenCounter
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation, FunctionTool, JsonSchemaFormat
from llmgw.types.message import MediaPart, ToolCallPart
from llmgw.wire.openai.chat import WIRE as CHAT
from tests.contract.recordings import FOLDER, records

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

NEAR: Final = 0.05
"""Share of the true count within which an estimate is called near."""

EXPECTED: Final = {"text": (0.98, 0.01), "tools": (0.85, 0.03), "calls": (0.85, 0.04), "schema": (0.5, 0.06)}
"""By what a conversation has: how many estimates are near, and the mean error as a share."""


def test_estimates_are_near_what_openai_counted(tell: Callable[[str], None]) -> None:
    """Plain conversations are almost always exact; tools, calls and schemas are near."""
    counter = TokenCounter()
    errors: dict[str, list[float]] = {name: [] for name in EXPECTED}
    for record in records("chat"):
        kept = _counted(record)
        if kept is not None:
            invocation, model, true = kept
            errors[_kind(invocation)].append(abs(counter.chat(invocation, model) - true) / true)
    found = {
        name: (sum(error <= NEAR for error in all_) / len(all_), sum(all_) / len(all_))
        for name, all_ in errors.items()
    }
    for name, (near, mean) in found.items():
        tell(
            f"token estimates, {name}: {len(errors[name])} recorded calls, "
            f"{near:.0%} within {NEAR:.0%}, mean error {mean:.1%}"
        )
    for name, (near, mean) in EXPECTED.items():
        assert found[name][0] >= near, name
        assert found[name][1] <= mean, name


def _counted(record: dict[str, Any]) -> tuple[ChatInvocation, str, int] | None:
    """The conversation, the model that answered and the true count, of a record that has all three."""
    request = record.get("req")
    if record["provider"] != "openai" or record["status"] != 200 or not isinstance(request, dict):
        return None
    body = (record.get("body") or "").encode()
    answers = [line[5:] for line in body.splitlines() if line.startswith(b"data: {")] or [body]
    if not body or "messages" not in request or "functions" in request or "-search-" in str(record["model"]):
        return None  # no call or no answer, a form of its own, or a search of the web whose results are counted too
    usage: dict[str, Any] = {}
    model = record["model"]
    for answer in answers:
        said = json.decode(answer)
        model = said.get("model") or model
        usage = said.get("usage") or usage
    invocation = CHAT.decode_request(json.encode(request))
    assert isinstance(invocation, ChatInvocation)
    parts = [part for message in invocation.messages for part in message.parts]
    if not usage.get("prompt_tokens") or any(isinstance(part, MediaPart) for part in parts):
        return None  # media are bounded by rule, not estimated
    return invocation, model, usage["prompt_tokens"]


def _kind(invocation: ChatInvocation) -> str:
    if isinstance(invocation.output_format, JsonSchemaFormat):
        return "schema"
    if any(isinstance(part, ToolCallPart) for message in invocation.messages for part in message.parts):
        return "calls"
    return "tools" if any(isinstance(tool, FunctionTool) for tool in invocation.tools or ()) else "text"
