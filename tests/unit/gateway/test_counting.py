"""How much room a conversation has, and how many tokens its bytes are."""

import pytest
from llmgw.accounting.calibration import Calibration
from llmgw.gateway.counting import Counting
from llmgw.gateway.summaries import transcript
from llmgw.gateway.telling import Prefix, toolset_digest
from llmgw.types.feature import Feature
from llmgw.types.invocation import ChatInvocation, Sampling
from llmgw.types.invocation import FunctionTool as Tool
from llmgw.types.message import MediaPart, OpaquePart, ReasoningPart, RefusalPart
from llmgw.types.target import Target
from llmgw.types.turn import Compaction
from msgspec.structs import replace
from tests.unit.context.turns import call, held, result, text
from tests.unit.routing.targets import target


def asked(answer: int | None = None, tools: int = 0) -> ChatInvocation:
    """A call with room for an answer, and some tools."""
    return ChatInvocation(
        model="m",
        wire="openai",
        messages=(),
        sampling=Sampling(max_output_tokens=answer),
        tools=tuple(Tool(name=f"tool{number}") for number in range(tools)),
        needs={Feature.CHAT: "messages"},
    )


def windowed(window: int | None) -> Target:
    """A target with a window."""
    return replace(target(), window=window)


@pytest.mark.parametrize(
    ("window", "answer", "room"),
    [
        (None, None, None), (8000, None, 7000 - 16), (8000, 1000, 7000 - 16), (8000, 7999, 4000 - 16), (8, 100, 0),
        (0, None, 0),
    ],
)  # fmt: skip
def test_room_is_left_for_the_answer(window: int | None, answer: int | None, room: int | None) -> None:
    """The limit that was asked for, at most half of the window; an eighth where none was; never less than 0."""
    assert Counting.room(asked(answer), windowed(window)) == room


def test_room_is_left_for_tools() -> None:
    """More tools leave less room; so many that there is none leave none."""
    rooms = [Counting.room(asked(100, count), windowed(2000)) for count in (0, 1, 2, 500)]
    assert rooms == sorted(rooms, key=lambda room: -(room or 0))
    assert len(set(rooms)) == 4
    assert rooms[-1] == 0


def test_a_model_nobody_has_asked_is_estimated_from_below() -> None:
    """Fewer tokens than there can be: a provider's count is not called too small for want of knowledge."""
    assert Calibration().estimate("m", 1200) == 100
    assert Calibration().estimate("m", 0) == 0
    # One letter is a token, too: an estimate of none could not be compared with anything.
    assert Calibration().estimate("m", 1) == 1


def test_an_estimate_follows_what_providers_report() -> None:
    """The first report is taken as it is, later ones move it by a fifth; each model has its own."""
    calibration = Calibration()
    calibration.learn("m", 100_000, 25_000)
    assert calibration.estimate("m", 2000) == 500
    calibration.learn("m", 100_000, 35_000)
    assert calibration.estimate("m", 1000) == 270
    assert calibration.estimate("other", 1200) == 100
    # So little says more about the frame of a request than about its words.
    for size, reported in ((0, 100), (100, 90), (100_000, 0), (-1, 5), (100_000, -1)):
        calibration.learn("m", size, reported)
    assert calibration.estimate("m", 1000) == 270


def test_only_so_many_models_are_remembered() -> None:
    """Names of models come from operators and vendors: the oldest are forgotten, those in use are not."""
    calibration = Calibration()
    for number in range(600):
        calibration.learn(f"m{number}", 100_000, 100_000)
        calibration.learn("used", 100_000, 100_000)
    assert calibration.estimate("used", 100) == 100
    assert calibration.estimate("m599", 1200) == 1200
    assert calibration.estimate("m0", 1200) == 100


def test_a_prefix_is_the_same_as_long_as_the_same_stands_before() -> None:
    """Turns left out before a turn change what its seals are bound to, those behind it do not; tools do, too."""
    none, one, two = Prefix("t", []), Prefix("t", [3]), Prefix("t", [3, 9])
    assert none(3) == one(3) == two(3)
    assert one(4) == two(9) != none(4)
    assert two(10) != one(10)
    assert Prefix("u", [])(3) != none(3)
    assert len(none(0)) == 32


def test_the_digest_of_tools() -> None:
    """The same tools have the same digest, others another, none an empty one."""
    assert toolset_digest(asked()) == ""
    assert (
        toolset_digest(asked(tools=2)) == toolset_digest(asked(9, tools=2)) != toolset_digest(asked(tools=1))
    )


def test_a_transcript_says_who_said_what() -> None:
    """Calls, results, refusals and pictures in words; sealed parts and reasoning are not given away."""
    turns = [
        held(0, "user", text("look"), MediaPart(kind="image", url="http://x/y")),
        held(
            1,
            "assistant",
            ReasoningPart(text="secret"),
            call("a"),
            OpaquePart(protocol="p", kind="k", value="secret"),
        ),
        held(2, "tool", result("a", "nothing")),
        held(3, "assistant", RefusalPart(text="no")),
        held(4, "user", status="redacted"),
        held(5, "user", text("beyond")),
    ]
    assert transcript(turns, (0, 4), None) == (
        "user: look [image]\n\nassistant: [calls look with {}]\n\ntool: [result: nothing]\n\nassistant: no"
    )


def test_what_was_summed_up_is_told_by_its_summary() -> None:
    """A later summary builds on the one before, where that covers its beginning."""
    turns = [held(seq, "user", text(f"t{seq}")) for seq in range(4)]
    summary = held(
        4, "user", text("in short"), compaction=Compaction(first=0, last=1, digest=f"sha256:{'0' * 64}")
    )
    assert transcript([*turns, summary], (0, 3), summary) == (
        "summary of what went before: in short\n\nuser: t2\n\nuser: t3"
    )
    assert transcript([*turns, summary], (2, 3), summary) == "user: t2\n\nuser: t3"


def test_thousands_of_single_words_teach_nothing() -> None:
    """What a request takes for the frames of its messages is not put down to their words."""
    calibration = Calibration()
    calibration.learn("m", 2_000, 8_000, 2_000)
    assert calibration.estimate("m", 12_000) == 1_000
    calibration.learn("m", 200_000, 50_000, 2_000)
    assert calibration.estimate("m", 12_000) == 3_000
