"""What somebody writes in a judgement is kept as far as its tenant's words are."""

import pytest
from llmgw.types.content import Capture, CaptureLevel
from tests.integration.gateway.test_feedback import Desk, play


@pytest.mark.parametrize(
    ("level", "kept", "told"),
    [
        ("none", "", "dropped"),
        ("metadata", "", "dropped"),
        ("redacted", "write to [redacted:email]", "redacted"),
        ("full", "write to me@example.com", None),
    ],
)
def test_a_comment_is_kept_as_far_as_its_tenants_words_are(
    store_url: str, level: CaptureLevel, kept: str, told: str | None
) -> None:
    """The answer says where it is not kept as it came, a repetition's, too; without a comment it says nothing."""

    async def scene(desk: Desk) -> None:
        named = {"idempotency-key": f"{level}-{id(desk)}"}
        answers = [await desk.give(headers=named, comment="write to me@example.com") for _ in range(2)]
        assert [answer.document.get("comment") for answer in answers] == [told, told]
        assert [event.comment for event in desk.kept] == [kept]
        assert "comment" not in (await desk.give()).document

    other: CaptureLevel = "none" if level == "full" else "full"
    play(store_url, scene, Capture(level=other, by_tenant={"acme": level}))


def test_a_secret_in_a_name_is_kept_at_no_level(store_url: str) -> None:
    """As in tags and names of calls; a text that is redacted has no personal data either."""
    secret = "sk-proj-" + "a1B2c3D4" * 6

    async def scene(desk: Desk) -> None:
        assert (await desk.give(value=f"it said {secret}", tags=["beta", secret])).status == 201
        (event,) = desk.kept
        assert event.tags[0] == "beta"
        assert secret not in str(event)
        (span,) = await desk.spans()
        assert secret.encode() not in span.SerializeToString()

    play(store_url, scene)

    async def redacted(desk: Desk) -> None:
        assert (await desk.give(value="ask me@example.com")).status == 201
        assert desk.kept[0].label == "ask [redacted:email]"

    play(store_url, redacted, Capture(level="redacted"))
