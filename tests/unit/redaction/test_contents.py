"""The words of a call as they may be kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.redaction.contents import captured as kept
from llmgw.redaction.cutting import cut_bytes, cut_text, encode_within
from llmgw.types.content import CaptureLevel, Content
from llmgw.types.event import Finish, Start, TextDelta
from llmgw.types.message import TextPart
from tests.secret_samples import WHEREVER
from tests.traced_calls import captured

TOKEN = WHEREVER["github_token"]
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"use {TOKEN}"}]}).encode()
anything: Any = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner, max_size=9),
)


@pytest.mark.parametrize("level", ["none", "metadata"])
def test_nothing_is_kept_where_nothing_may_be(level: CaptureLevel) -> None:
    """Even were it there."""
    assert kept(captured(level)) is None


def test_everything_is_kept_as_it_is_where_all_may_be() -> None:
    """The request byte by byte, so that it can be asked again; the answer as it was given."""
    call = captured("full", answer=(TextPart(text=f"here: {TOKEN}"),))
    assert call.content is not None
    call.content.body = BODY
    told = kept(call)
    assert told is not None
    assert (told.request, told.wire, told.path) == (BODY, "openai_chat", "/v1/chat/completions")
    assert (told.complete, told.request_cut, told.answer_cut) == (True, False, False)
    answer = json.loads(told.answer)
    assert answer["complete"] is True
    assert answer["choices"][0]["message"]["parts"] == [{"type": "text", "text": f"here: {TOKEN}"}]


@pytest.mark.parametrize("body", [BODY, BODY[:-30], BODY + b" " * 70_000, b"[" + b"1,2," * 20_000 + BODY])
def test_secrets_are_gone_from_both_sides(body: bytes) -> None:
    """Of bodies that are JSON, are none, and are too long to be read."""
    call = captured("redacted", answer=(TextPart(text=f"here: {TOKEN}"),))
    assert call.content is not None
    call.content.body = body
    told = kept(call)
    assert told is not None
    assert TOKEN.encode() not in told.request + told.answer
    assert TOKEN[:20].encode() not in told.request
    assert b"[redacted:github_token]" in told.answer
    assert b"1,2,1,2," not in told.request
    assert told.request_cut == (len(body) > 64 * 1024)


def test_both_sides_are_bounded() -> None:
    """What is cut stays UTF-8, the answer JSON."""
    call = captured("full", answer=(TextPart(text="ü" * 100_000),))
    assert call.content is not None
    call.content.body = b"x" + "ü".encode() * 100_000
    told = kept(call)
    assert told is not None
    assert (told.request_cut, told.answer_cut) == (True, True)
    assert max(len(told.request), len(told.answer)) <= 64 * 1024
    assert told.request.decode().startswith("xü")
    assert json.loads(told.answer)["choices"][0]["message"]["parts"][0]["text"].startswith("üüü")


def test_a_call_made_for_another_has_our_own_messages() -> None:
    """It has no body in a caller's dialect."""
    call = captured("redacted")
    assert call.content is not None
    call.content.wire = ""
    told = kept(call)
    assert told is not None
    assert told.wire == "messages"
    assert json.loads(told.request)[0]["parts"][0]["text"] == "Be brief."


def said(content: Content) -> tuple[str | None, bool]:
    """The answer so far, and whether it came to its end."""
    answer = content.answer
    return None if answer is None else answer.text, content.complete


def test_a_stream_is_kept_as_far_as_it_came() -> None:
    """In part, whole, and bounded however long it goes on."""
    content = Content(max_bytes=1024)
    assert said(content) == (None, False)
    content.hear([Start(id="a", model="m", created=1), TextDelta(text="It is ")])
    assert said(content) == ("It is ", False)
    content.hear([TextDelta(text="four."), Finish()])
    assert said(content) == ("It is four.", True)
    endless = Content(max_bytes=1024)
    endless.hear([Start(id="a", model="m", created=1)])
    for _ in range(10_000):
        endless.hear([TextDelta(text="xy")])
    endless.hear([Finish()])
    assert endless.answer is not None
    assert (len(endless.answer.text) < 6000, endless.overheard, endless.complete) == (True, True, True)


@given(st.text(st.characters(codec=None, exclude_categories=())), st.integers(0, 60))
def test_text_is_cut_at_a_character(text: str, limit: int) -> None:
    """It is valid, within the bound, and says that it was cut."""
    told = cut_text(text, limit)
    assert len(told.encode()) <= limit
    whole = text.encode("utf-8", "replace")
    assert (told.encode() == whole) == (len(whole) <= limit)
    part = cut_bytes(whole, limit)
    assert whole.startswith(part)
    assert len(part) > limit - 4 or part == whole
    part.decode()


@given(anything, st.integers(40, 3000))
def test_json_that_is_cut_stays_json(value: Any, limit: int) -> None:
    """Within the bound, and untouched where it has room."""
    written, was_cut = encode_within(value, limit)
    assert len(written) <= limit
    if not was_cut:
        assert json.loads(written) == value
    elif written:
        json.loads(written)
