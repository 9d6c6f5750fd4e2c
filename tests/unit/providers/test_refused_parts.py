"""A part that a target cannot be sent, and leaving out would change what is asked, is refused by its place."""

import pytest
from llmgw.providers import PROVIDERS
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tests.cross.targets import PLACES

HOMES = {place.row: place.target for place in reversed(PLACES) if place.row in PROVIDERS}
HELLO = TextPart(text="hi")
STRANGE = OpaquePart(protocol="other", kind="hologram", value={"type": "hologram"})
ELSEWHERE = MediaPart(kind="file", file_id="file-1")
SPOKEN = MediaPart(kind="audio", url="https://sounds.example/a.wav")
UNREACHABLE = MediaPart(kind="image", url="ftp://pictures.example/a.png")
WRONG_NAME = ToolCallPart(id="c1", name="not a name", arguments="{}")


def in_result(part: OpaquePart | MediaPart) -> tuple[Part, ...]:
    """A tool's result that holds a part behind a text."""
    return (ToolResultPart(call_id="c1", content=(HELLO, part)),)


@pytest.mark.parametrize(
    ("protocol", "role", "parts", "place"),
    [
        *((protocol, "user", (HELLO, STRANGE), "parts/1") for protocol in HOMES),
        *((protocol, "user", (HELLO, ELSEWHERE), "parts/1") for protocol in HOMES),
        *((protocol, "user", in_result(STRANGE), "parts/0/content/1") for protocol in HOMES),
        *((protocol, "system", (HELLO, STRANGE), "parts/1") for protocol in HOMES),
        ("openai", "user", (SPOKEN,), "parts/0"),
        ("anthropic", "user", (SPOKEN,), "parts/0"),
        ("anthropic", "user", (HELLO, UNREACHABLE), "parts/1"),
        ("anthropic", "assistant", (HELLO, WRONG_NAME), "parts/1"),
        ("gemini", "user", (HELLO, UNREACHABLE), "parts/1"),
        ("gemini", "assistant", (HELLO, WRONG_NAME), "parts/1"),
    ],
)
def test_a_refusal_leads_to_the_part(protocol: str, role: Role, parts: tuple[Part, ...], place: str) -> None:
    """By its name in callers' dialects, and by a JSON Pointer into the conversation."""
    messages = (Message(role="user", parts=(HELLO,)), Message(role=role, parts=parts))
    with pytest.raises(UnsupportedParameter) as refused:
        PROVIDERS[protocol].build_request(
            ChatInvocation(model="m", wire="another", messages=messages), HOMES[protocol]
        )
    assert refused.value.pointer == f"/messages/1/{place}"
    named = place.replace("parts/", "content[").replace("/content/", "].content[")
    assert refused.value.param == f"messages[1].{named}]"
