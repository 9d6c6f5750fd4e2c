"""The rules of labels, rollouts and lifecycles, worked out without a store."""

from typing import Any

import pytest
from llmgw.prompts.registry import labels, lifecycle, rollouts
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.changes import At, Change, etag
from llmgw.prompts.registry.wishes import Back, Deprecate, LabelMove, Retire, Start, Turn
from llmgw.prompts.settings import PromptSettings
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import GateSummary, PromptApi, PromptInfo, VersionInfo
from llmgw.types.prompt_errors import (
    GateMissing,
    PromptChanged,
    PromptConflict,
    PromptVersionNotFound,
)

PASSED = GateSummary(verdict="pass", cases=20, passed=20, dataset="", at_ms=1)


def at(who: str = "anna", approvals: int = 0) -> At:
    """Who acts, by which rules."""
    return At(Author("acme", who, "call_1"), 1_000, PromptSettings(approvals=approvals))


def version(number: int, **more: Any) -> VersionInfo:
    """A published version whose evaluation passed."""
    whole = {"state": "published", "gate": PASSED, **more}
    return VersionInfo(number=number, hash=f"sha256:{number}", author="anna", created_ms=1, **whole)


def prompt(*versions: VersionInfo) -> PromptInfo:
    """A prompt without labels."""
    return PromptInfo(
        name="a", rev=5, created_ms=1, updated_ms=1, versions={each.number: each for each in versions}
    )


def moved(info: PromptInfo, *numbers: int, label: str = "production") -> PromptInfo:
    """A prompt whose label was led to some versions, one after the other."""
    for number in numbers:
        info = done(labels.move(info, label, LabelMove(version=number), at())).info
    return info


def done(change: Change | None) -> Change:
    """A change that there must be."""
    assert change is not None
    return change


def test_a_move_is_remembered_and_counted() -> None:
    """A label has its version, a revision that rises, and where it led before; the audit has from and to."""
    info = moved(prompt(version(1), version(2)), 1)
    change = done(labels.move(info, "production", LabelMove(version=2, reason="better"), at("bert")))
    label = change.info.labels["production"]
    assert (label.version, label.moved_by, [each.version for each in label.before]) == (2, "bert", [1])
    assert label.rev > info.labels["production"].rev
    assert change.info.rev == info.rev + 1
    assert (change.op, change.subject, change.before, change.after, change.reason) == (
        "label.move",
        "production",
        "1",
        "2",
        "better",
    )


def test_a_move_to_where_it_leads_changes_nothing() -> None:
    """Doing it twice is doing it once."""
    assert labels.move(moved(prompt(version(1)), 1), "production", LabelMove(version=1), at()) is None


def test_a_protected_label_asks_for_an_evaluation_that_passed() -> None:
    """Without one, or with another verdict, it stays; a broken glass asks for a reason, which the audit has."""
    bare = prompt(version(1, gate=None))
    unsure = prompt(
        version(1, gate=GateSummary(verdict="insufficient_data", cases=3, passed=3, dataset="", at_ms=1))
    )
    for info in (bare, unsure):
        for label in ("production", "prod-eu", "production-v1x"):
            with pytest.raises(GateMissing):
                labels.move(info, label, LabelMove(version=1), at())
    with pytest.raises(InvalidRequest):
        labels.move(bare, "production", LabelMove(version=1, break_glass=True, reason=" "), at())
    change = done(
        labels.move(bare, "production", LabelMove(version=1, break_glass=True, reason="outage"), at())
    )
    assert (change.reason, change.detail) == ("outage", "break glass")


def test_any_other_label_asks_for_an_evaluation_that_did_not_fail() -> None:
    """`insufficient_data` is enough for staging; a failure, or no evaluation at all, is not."""
    unsure = GateSummary(verdict="insufficient_data", cases=3, passed=3, dataset="", at_ms=1)
    failed = GateSummary(verdict="fail", cases=20, passed=3, dataset="", at_ms=1)
    info = prompt(version(1, gate=unsure), version(2, gate=failed), version(3, gate=None))
    assert labels.move(info, "staging", LabelMove(version=1), at()) is not None
    for number in (2, 3):
        with pytest.raises(GateMissing):
            labels.move(info, "staging", LabelMove(version=number), at())


def test_a_partial_needs_no_evaluation() -> None:
    """There is nothing to evaluate in a text that others include."""
    assert labels.move(prompt(version(1, gate=None, partial=True)), "production", LabelMove(version=1), at())


@pytest.mark.parametrize("state", ["draft", "retired"])
def test_a_label_leads_only_to_what_is_served(state: str) -> None:
    """Neither drafts nor retired versions get a label."""
    with pytest.raises(PromptConflict, match=state):
        labels.move(prompt(version(1, state=state)), "production", LabelMove(version=1), at())


@pytest.mark.parametrize("name", ["latest", "Production", "a b", "", "a/b", "x" * 65, "1st", "a\n"])
def test_labels_have_plain_names(name: str) -> None:
    """No label is computed by hand, and none can break a key or a line of a log."""
    with pytest.raises((InvalidRequest, PromptConflict)):
        labels.move(prompt(version(1)), name, LabelMove(version=1), at())


def test_if_match_names_the_label_as_it_was_seen() -> None:
    """A stale tag is refused with the present one; `"0"` is a label that is not there yet."""
    info = prompt(version(1), version(2))
    assert labels.move(info, "production", LabelMove(version=1, if_match="0"), at()) is not None
    info = moved(info, 1)
    seen = etag(info.labels["production"])
    info = moved(info, 2)
    with pytest.raises(PromptChanged) as refusal:
        labels.move(info, "production", LabelMove(version=1, if_match=seen), at())
    assert refusal.value.etag == etag(info.labels["production"])
    with pytest.raises(PromptChanged):
        labels.move(info, "production", LabelMove(version=1, if_match="0"), at())


def test_a_label_that_was_made_again_has_no_old_tag() -> None:
    """Taking a label out and making it again never brings back a revision somebody may have seen."""
    info = moved(prompt(version(1), version(2)), 1, 2, 1)
    tags = {etag(info.labels["production"])}
    info = labels.remove(info, "production", None, at()).info
    assert "production" not in info.labels
    info = moved(info, 1, 2, 1, 2)
    assert etag(info.labels["production"]) not in tags


def test_two_people_move_a_protected_label() -> None:
    """A proposal changes nothing that is served; its author cannot approve it, another can, once."""
    info = moved(prompt(version(1), version(2)), 1)
    two = at("anna", approvals=1)
    info = done(labels.move(info, "production", LabelMove(version=2, reason="v2"), two)).info
    label = info.labels["production"]
    assert label.version == 1
    assert label.pending is not None
    assert label.pending.version == 2
    with pytest.raises(PromptConflict, match="somebody else"):
        labels.approve(info, "production", None, two)
    change = labels.approve(info, "production", None, at("bert", approvals=1))
    assert (change.info.labels["production"].version, change.detail) == (2, "proposed by anna")
    with pytest.raises(PromptConflict, match="no move"):
        labels.approve(change.info, "production", None, at("carl", approvals=1))


def test_one_person_does_not_take_away_what_two_move() -> None:
    """A label that needs approval is not removed, and what it leads to is not retired, forced or not."""
    info = moved(prompt(version(1), version(2)), 1)
    two = at("anna", approvals=1)
    with pytest.raises(PromptConflict, match="takes two people"):
        labels.remove(info, "production", None, two)
    for number in (1, None):
        with pytest.raises(PromptConflict, match="takes two people"):
            lifecycle.retire(info, Retire(version=number, force=True), two, lambda _: [])
    assert (
        done(lifecycle.retire(info, Retire(version=2), two, lambda _: [])).info.versions[2].state == "retired"
    )
    staged = moved(info, 2, label="staging")
    assert "staging" not in labels.remove(staged, "staging", None, two).info.labels


def test_the_first_move_of_a_protected_label_waits_too() -> None:
    """Until somebody agrees the label leads nowhere; other labels move at once."""
    info = prompt(version(1))
    waiting = done(labels.move(info, "production", LabelMove(version=1), at("anna", approvals=1))).info
    assert waiting.labels["production"].version == 0
    assert labels.approve(waiting, "production", None, at("bert", 1)).info.labels["production"].version == 1
    assert (
        done(labels.move(info, "staging", LabelMove(version=1), at("anna", 1))).info.labels["staging"].version
        == 1
    )


def test_a_proposal_is_withdrawn_by_naming_where_the_label_leads() -> None:
    """Afterwards nothing waits."""
    info = moved(prompt(version(1), version(2)), 1)
    info = done(labels.move(info, "production", LabelMove(version=2), at("anna", 1))).info
    info = done(labels.move(info, "production", LabelMove(version=1), at("anna", 1))).info
    assert info.labels["production"].pending is None


def test_a_gate_that_failed_meanwhile_stops_the_approval() -> None:
    """What is approved is held against the evaluation as it is then."""
    info = moved(prompt(version(1), version(2)), 1)
    info = done(labels.move(info, "production", LabelMove(version=2), at("anna", 1))).info
    failed = GateSummary(verdict="fail", cases=20, passed=0, dataset="", at_ms=2)
    info = done(lifecycle.note_gate(info, 2, "sha256:2", failed, at())).info
    with pytest.raises(GateMissing):
        labels.approve(info, "production", None, at("bert", 1))


def test_a_rollback_needs_no_gate_and_no_second_person_and_goes_further_each_time() -> None:
    """Back from 3 to 2 and on to 1: never forward to what was just left; then there is nothing to go back to."""
    info = moved(prompt(version(1), version(2), version(3)), 1, 2, 3)
    bare = {number: version(number, gate=None) for number in (1, 2, 3)}
    info = PromptInfo(name="a", rev=info.rev, created_ms=1, updated_ms=1, versions=bare, labels=info.labels)
    for number in (2, 1):
        info = labels.roll_back(info, "production", Back(), at("bert", approvals=1)).info
        assert info.labels["production"].version == number
    with pytest.raises(PromptConflict, match="none"):
        labels.roll_back(info, "production", Back(), at())


def test_a_rollback_goes_to_any_version_the_label_led_to() -> None:
    """But to no other, and to none that is retired."""
    info = moved(prompt(version(1), version(2), version(3), version(4)), 1, 2, 3)
    assert labels.roll_back(info, "production", Back(to=1), at()).info.labels["production"].version == 1
    with pytest.raises(PromptConflict, match="2, 1"):
        labels.roll_back(info, "production", Back(to=4), at())
    info = done(lifecycle.retire(info, Retire(version=2), at(), lambda _: [])).info
    with pytest.raises(PromptConflict, match="retired"):
        labels.roll_back(info, "production", Back(), at())


def test_a_rollback_ends_a_rollout() -> None:
    """Where the label never led elsewhere, that is all it does."""
    info = rolled(moved(prompt(version(1), version(2), version(3)), 1, 2), 3)
    label = labels.roll_back(info, "production", Back(), at()).info.labels["production"]
    assert (label.version, label.rollout) == (1, None)
    first = rolled(moved(prompt(version(1), version(2)), 1), 2)
    label = labels.roll_back(first, "production", Back(), at()).info.labels["production"]
    assert (label.version, label.rollout) == (1, None)


def test_crossing_a_major_leaves_a_label_behind() -> None:
    """When `production` goes from v1 to v2 of an API, `production-v1` serves on; back again, so does `-v2`."""
    one, two = (PromptApi(slug="mood", major=major) for major in (1, 2))
    info = moved(prompt(version(1, api=one), version(2, api=one), version(3, api=two)), 1, 2, 3)
    assert {name: label.version for name, label in info.labels.items()} == {
        "production": 3,
        "production-v1": 2,
    }
    info = labels.roll_back(info, "production", Back(), at()).info
    assert {name: label.version for name, label in info.labels.items()} == {
        "production": 2,
        "production-v1": 2,
        "production-v2": 3,
    }
    with pytest.raises(PromptConflict):
        labels.move(info, "production-v1", LabelMove(version=3), at())


def test_there_are_a_hundred_labels_and_a_hundred_memories() -> None:
    """A label more is refused; an older memory is dropped."""
    info = prompt(version(1), version(2))
    for number in range(labels.LABELS_MAX):
        info = moved(info, 1, label=f"label-{number}")
    with pytest.raises(PromptConflict, match="at most"):
        moved(info, 1, label="one-more")
    info = moved(info, *([2, 1] * 80), label="label-0")
    assert len(info.labels["label-0"].before) == labels.BEFORE_MAX


def rolled(info: PromptInfo, candidate: int, who: At | None = None, **more: Any) -> PromptInfo:
    """A prompt with a rollout under way."""
    wish = Start(candidate=candidate, **more)
    return rollouts.start(info, "production", wish, who or at(), "r1").info


def turned(
    info: PromptInfo, kind: rollouts.Kind, who: At | None = None, weight: int | None = None
) -> PromptInfo:
    """A prompt whose rollout took a turn."""
    return done(rollouts.turn(info, "production", kind, Turn(weight=weight), who or at())).info


def test_a_rollout_takes_its_steps_and_is_promoted() -> None:
    """1 %, 5 %, 25 %, 50 %, all; then the label leads to the candidate, and remembers where it led."""
    info = rolled(moved(prompt(version(1), version(2)), 1), 2)
    weights = []
    for _ in rollouts.STEPS[1:]:
        rollout = info.labels["production"].rollout
        assert rollout is not None
        weights.append(rollout.weight)
        info = turned(info, "step")
    assert (*weights, 10_000) == rollouts.STEPS
    with pytest.raises(PromptConflict, match="last step"):
        turned(info, "step")
    label = turned(info, "promote").labels["production"]
    assert (label.version, label.rollout, [each.version for each in label.before]) == (2, None, [1])


def test_a_paused_rollout_stays_until_it_is_resumed() -> None:
    """The share stays, steps are refused; pausing twice changes nothing."""
    info = turned(rolled(moved(prompt(version(1), version(2)), 1), 2, weight=300), "pause")
    assert rollouts.turn(info, "production", "pause", Turn(), at()) is None
    with pytest.raises(PromptConflict, match="paused"):
        turned(info, "step", weight=500)
    rollout = turned(turned(info, "resume"), "step", weight=500).labels["production"].rollout
    assert rollout is not None
    assert rollout.weight == 500


def test_an_aborted_rollout_is_gone() -> None:
    """All calls get the stable version; there is nothing left to turn."""
    info = turned(rolled(moved(prompt(version(1), version(2)), 1), 2), "abort")
    assert (info.labels["production"].version, info.labels["production"].rollout) == (1, None)
    with pytest.raises(PromptConflict, match="no rollout"):
        turned(info, "abort")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"candidate": 1}, PromptConflict),
        ({"candidate": 9}, PromptVersionNotFound),
        ({"candidate": 3}, GateMissing),
        ({"candidate": 4}, PromptConflict),
        ({"candidate": 2, "steps": (500, 100)}, InvalidRequest),
        ({"candidate": 2, "steps": (100, 10_001)}, InvalidRequest),
        ({"candidate": 2, "steps": (-1,)}, InvalidRequest),
        ({"candidate": 2, "steps": (100,), "weight": 100}, InvalidRequest),
        ({"candidate": 2, "weight": 10_001}, InvalidRequest),
        ({"candidate": 2, "steps": tuple(range(1, 30))}, InvalidRequest),
    ],
)
def test_a_rollout_that_cannot_be_meant_is_refused(more: dict[str, Any], error: type[Exception]) -> None:
    """To itself, to nothing, to what was not evaluated, to another major version, or with senseless shares."""
    one = PromptApi(slug="mood", major=1)
    info = moved(
        prompt(
            version(1, api=one),
            version(2, api=one),
            version(3, api=one, gate=None),
            version(4, api=PromptApi(slug="mood", major=2)),
        ),
        1,
    )
    with pytest.raises(error):
        rollouts.start(info, "production", Start(**more), at(), "r1")


def test_nothing_else_moves_a_label_during_its_rollout() -> None:
    """Neither a move nor a second rollout."""
    info = rolled(moved(prompt(version(1), version(2), version(3)), 1), 2)
    with pytest.raises(PromptConflict, match="under way"):
        labels.move(info, "production", LabelMove(version=3), at())
    with pytest.raises(PromptConflict, match="under way"):
        rolled(info, 3)


def test_a_rollout_is_no_way_around_the_second_person() -> None:
    """Alone one gets no further than half of the calls; the promotion waits for another."""
    two = at("anna", approvals=1)
    info = rolled(moved(prompt(version(1), version(2)), 1), 2, two)
    rollout = info.labels["production"].rollout
    assert rollout is not None
    assert max(rollout.steps) <= rollouts.UNAPPROVED_MAX
    with pytest.raises(PromptConflict, match="two people"):
        turned(info, "step", two, weight=9000)
    info = turned(info, "promote", two)
    label = info.labels["production"]
    assert (label.version, label.rollout is not None, label.pending is not None) == (1, True, True)
    label = labels.approve(info, "production", None, at("bert", approvals=1)).info.labels["production"]
    assert (label.version, label.rollout, label.pending) == (2, None, None)


def test_versions_are_deprecated_and_retired() -> None:
    """With when it ends and what to call instead; a version that comes back has neither."""
    info = prompt(version(1), version(2), version(3, state="draft"))
    info = done(lifecycle.deprecate(info, Deprecate(sunset_ms=9, successor="b"), at())).info
    assert [each.state for each in info.versions.values()] == ["deprecated", "deprecated", "draft"]
    assert (info.versions[1].deprecated_ms, info.versions[1].sunset_ms, info.versions[1].successor) == (
        1_000,
        9,
        "b",
    )
    assert lifecycle.deprecate(info, Deprecate(sunset_ms=9, successor="b"), at()) is None
    with pytest.raises(PromptConflict):
        lifecycle.deprecate(info, Deprecate(version=3), at())
    info = done(lifecycle.retire(info, Retire(), at(), lambda _: [])).info
    assert {each.state for each in info.versions.values()} == {"retired"}
    assert info.versions[1].successor == "b"
    again = done(lifecycle.publish(info, 1, at())).info.versions[1]
    assert (again.state, again.sunset_ms, again.successor) == ("published", None, None)


def test_what_is_still_called_is_retired_only_by_force() -> None:
    """The callers are listed; so are the labels that lead there."""
    info = moved(prompt(version(1), version(2)), 1)
    with pytest.raises(PromptConflict, match="behind production"):
        lifecycle.retire(info, Retire(version=1), at(), lambda _: [])
    with pytest.raises(PromptConflict, match="billing"):
        lifecycle.retire(info, Retire(version=2), at(), lambda versions: ["billing"] if 2 in versions else [])
    forced = done(lifecycle.retire(info, Retire(version=1, force=True), at(), lambda _: ["billing"]))
    assert (forced.info.versions[1].state, forced.detail) == ("retired", "forced")


@pytest.mark.parametrize("reason", ["x" * 1025, "bell\x07", "esc\x1b[31m", "zero\x00", "\u202eright to left"])
def test_reasons_are_short_and_printable(reason: str) -> None:
    """Nothing a person writes can break a log or a terminal."""
    with pytest.raises(InvalidRequest):
        labels.move(prompt(version(1)), "production", LabelMove(version=1, reason=reason), at())
