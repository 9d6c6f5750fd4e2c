"""What is told of a call whose caller keeps its history: to telemetry, and to the caller in headers."""

from llmgw.http.context_headers import context_headers
from llmgw.telemetry.context_attributes import context_attributes, context_events, is_telling
from llmgw.types.call import ContextFacts
from llmgw.types.verification import Finding

LOST = Finding(code="lost", severity="major", message="1 turn is gone", pointer="/messages/2", index=1)
AGAIN = Finding(code="regenerated", severity="info", message="asked anew", index=5)
SUMMED_UP = Finding(
    code="lost", severity="minor", message="gave way", index=0, through=3, detail="history.compacted"
)


def facts(*findings: Finding, verdict: str = "lost", final: bool = True) -> ContextFacts:
    """Facts of a call in verify mode."""
    return ContextFacts(
        id="s-1", mode="verify", verdict=verdict, score=0.5, findings=findings, turns=6, final=final
    )


def test_attributes_have_the_names_of_stored_contexts() -> None:
    """One search finds both; the mode tells them apart, and nothing speaks of what is not stored."""
    said = {
        name: value for name, value in context_attributes(facts(AGAIN, LOST)).items() if value is not None
    }
    assert said == {
        "gen_ai.conversation.id": "s-1",
        "llmgw.context.mode": "verify",
        "llmgw.context.preservation.losses": ("regenerated", "lost"),
        "llmgw.context.preservation.score": 0.5,
        "llmgw.context.preservation.verdict": "lost",
        "llmgw.context.size_class": "short",
        "llmgw.context.turns": 6,
    }
    assert context_attributes(facts(SUMMED_UP))["gen_ai.conversation.compacted"] is True


def test_events_tell_the_worst_first_and_no_words() -> None:
    """Each finding is an event with its code, severity and pointer; what is beyond the bound is counted."""
    events = context_events(facts(AGAIN, LOST, SUMMED_UP), 1, 2)
    assert [dict(event.attributes or {}) for event in events] == [
        {"code": "history.lost", "severity": "major", "pointer": "/messages/2", "source": "caller"},
        {"code": "history.compacted", "severity": "minor", "pointer": "", "source": "caller"},
        {"code": "history.regenerated", "severity": "info", "pointer": "", "source": "caller"},
    ]
    many = context_events(facts(*[LOST] * 40), 1, 2)
    assert (len(many), many.dropped) == (32, 8)


def test_a_call_that_lost_something_is_worth_its_trace() -> None:
    """As with stored contexts: what is not preserved is kept, what is not known yet is not."""
    assert is_telling(facts(LOST))
    assert not is_telling(facts(AGAIN, verdict="preserved"))
    assert not is_telling(facts(verdict="unverified", final=False))


def test_the_header_says_what_is_known_when_it_goes_out() -> None:
    """One header, with the codes of what was found; pending where the store has not answered yet."""
    assert context_headers(facts(LOST, LOST, AGAIN)) == [
        (
            b"x-llmgw-preservation",
            b"verdict=lost;score=0.50;losses=3;found=lost+regenerated;mode=verify",
        )
    ]
    pending = facts(verdict="unverified", final=False)
    assert context_headers(pending) == [
        (b"x-llmgw-preservation", b"verdict=unverified;score=0.50;losses=0;mode=verify;stage=pending")
    ]
