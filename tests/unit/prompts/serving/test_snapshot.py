"""Which version a call gets, of what a worker knows."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.prompts.serving.snapshot import Snapshot, Units, in_candidate
from llmgw.types.errors import InternalError, StoreUnavailable
from llmgw.types.prompt import (
    Label,
    PromptApi,
    PromptContent,
    PromptInfo,
    PromptRef,
    Rollout,
    TemplateMessage,
    VersionInfo,
    content_bytes,
    content_hash,
)
from llmgw.types.prompt_errors import (
    ApiNotFound,
    PromptNotFound,
    PromptRetired,
    PromptVersionNotFound,
)
from tests.manual_clock import ManualClock

UNITS = Units("ctx_1", "user_1", "acme", "call_1")


def stored(number: int) -> bytes:
    """The content of a version."""
    return content_bytes(PromptContent(messages=(TemplateMessage(role="user", text=f"text {number}"),)))


def version(number: int, state: Any = "published", **more: Any) -> VersionInfo:
    """A version without its content."""
    return VersionInfo(
        number=number, hash=content_hash(stored(number)), author="anna", created_ms=1, state=state, **more
    )


def label(number: int, rollout: Rollout | None = None) -> Label:
    """A label that leads to a version."""
    return Label(version=number, rev=1, moved_ms=1, moved_by="anna", rollout=rollout)


def info(*versions: VersionInfo, name: str = "a/b", **labels: Label) -> PromptInfo:
    """A prompt."""
    return PromptInfo(
        name=name,
        rev=1,
        created_ms=1,
        updated_ms=1,
        versions={each.number: each for each in versions},
        labels={key.replace("_", "-"): each for key, each in labels.items()},
    )


def snapshot(*infos: PromptInfo) -> Snapshot:
    """A worker's knowledge, as just confirmed by the store."""
    made = Snapshot(ManualClock())
    for each in infos:
        made.put("acme", each, {known.hash: stored(known.number) for known in each.versions.values()})
    made.confirm()
    return made


def test_a_name_alone_means_production() -> None:
    """Without version and label the label `production` is followed, and told."""
    known = snapshot(info(version(1), version(2), production=label(1)))
    found = known.resolve("acme", PromptRef(name="a/b"), UNITS)
    assert (found.info.number, found.label, found.arm, found.source) == (1, "production", None, "memory")
    assert known.content("acme", "a/b", found.info.hash).messages[0].text == "text 1"


def test_a_version_and_any_label_can_be_named() -> None:
    """A number leads to that version, a label where it leads, `latest` to the newest that is served."""
    known = snapshot(info(version(1), version(2, "deprecated"), version(3, "draft"), staging=label(1)))

    def number(**ref: Any) -> int:
        return known.resolve("acme", PromptRef(name="a/b", **ref), UNITS).info.number

    assert (number(version=2), number(label="staging"), number(label="latest")) == (2, 1, 2)


@pytest.mark.parametrize(
    ("ref", "error", "told"),
    [
        (PromptRef(name="other"), PromptNotFound, "prompts: a/b"),
        (PromptRef(name="a/b"), PromptVersionNotFound, "no label production; labels: latest, staging"),
        (PromptRef(name="a/b", version=9), PromptVersionNotFound, "versions: 1"),
        (PromptRef(name="a/b", version=2), PromptVersionNotFound, "a/b@2 is a draft"),
        (PromptRef(name="a/b", version=3), PromptRetired, "call a/b@1 instead"),
        (PromptRef(name="a/b", version=4), PromptVersionNotFound, "a partial"),
        (PromptRef(slug="nothing"), ApiNotFound, "no API nothing"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(ref: PromptRef, error: type[Exception], told: str) -> None:
    """Each error names what could be asked for instead."""
    known = snapshot(
        info(
            version(1),
            version(2, "draft"),
            version(3, "retired", successor="a/b@1"),
            version(4, partial=True),
            staging=label(1),
        )
    )
    with pytest.raises(error, match=told):
        known.resolve("acme", ref, UNITS)


def test_other_tenants_see_nothing() -> None:
    """A prompt is its tenant's alone, and its name is not listed to others."""
    known = snapshot(info(version(1), production=label(1)))
    with pytest.raises(PromptNotFound, match="there are no prompts"):
        known.resolve("other", PromptRef(name="a/b"), UNITS)
    assert known.prompts("other") == {}


def test_a_long_or_strange_name_is_not_repeated_whole() -> None:
    """What a caller sends comes back shortened and without control characters."""
    with pytest.raises(PromptNotFound) as failure:
        snapshot().resolve("acme", PromptRef(name="x\n\x1b" * 10_000), UNITS)
    assert len(failure.value.message) < 500
    assert failure.value.message.isprintable()


def test_an_api_is_served_by_production_and_older_majors_by_their_labels() -> None:
    """`/v2` is what `production` has, `/v1` the label that was left behind; without a major it is `production`."""
    one, two = PromptApi(slug="mood", major=1), PromptApi(slug="mood", major=2)
    known = snapshot(
        info(version(1, api=one), version(2, api=two), production=label(2), production_v1=label(1))
    )

    def found(major: int | None) -> tuple[int, str]:
        resolved = known.resolve("acme", PromptRef(slug="mood", major=major), UNITS)
        return resolved.info.number, resolved.label

    assert (found(None), found(2), found(1)) == (
        (2, "production"),
        (2, "production"),
        (1, "production-v1"),
    )
    with pytest.raises(ApiNotFound, match="no v3; major versions: v1, v2"):
        found(3)


def test_an_api_goes_with_its_prompt() -> None:
    """A prompt that is dropped, or whose label moves to a version without the API, serves it no more."""
    api = PromptApi(slug="mood")
    known = snapshot(info(version(1, api=api), version(2), production=label(1)))
    assert known.resolve("acme", PromptRef(slug="mood"), UNITS).name == "a/b"
    known.put("acme", info(version(1, api=api), version(2), production=label(2)), {})
    with pytest.raises(ApiNotFound):
        known.resolve("acme", PromptRef(slug="mood"), UNITS)
    known.drop("acme", "a/b")
    with pytest.raises(PromptNotFound):
        known.resolve("acme", PromptRef(name="a/b"), UNITS)


def test_a_content_that_is_not_what_its_hash_says_is_refused_whole() -> None:
    """Nothing of a prompt changes when one of its contents is altered or missing."""
    known = snapshot(info(version(1), production=label(1)))
    changed = info(version(1), version(2), production=label(2))
    for contents in ({version(2).hash: b"{}"}, {}):
        with pytest.raises(ValueError, match=r"a/b@2"):
            known.put("acme", changed, contents)
        assert known.resolve("acme", PromptRef(name="a/b"), UNITS).info.number == 1


def test_a_spoiled_prompt_is_an_error_of_ours_and_not_missing() -> None:
    """Callers are not told that a prompt does not exist when it is damaged."""
    known = snapshot()
    known.spoil("acme", "a/b")
    with pytest.raises(InternalError):
        known.resolve("acme", PromptRef(name="a/b"), UNITS)
    known.put("acme", info(version(1), production=label(1)), {version(1).hash: stored(1)})
    assert known.resolve("acme", PromptRef(name="a/b"), UNITS).info.number == 1


def test_what_was_never_read_is_not_denied() -> None:
    """Before the registry was read once, nothing is said not to exist."""
    with pytest.raises(StoreUnavailable):
        Snapshot(ManualClock()).resolve("acme", PromptRef(name="a/b"), UNITS)


def test_age_runs_from_the_last_confirmation_or_from_the_files_time() -> None:
    """A snapshot is as old as the last word of the store, or as the file that it was read from."""
    clock = ManualClock()
    known = Snapshot(clock)
    assert math.isinf(known.age_s)
    known.from_disk(clock.unix_ns() - 60 * 10**9)
    assert (known.age_s, known.source) == (60.0, "disk")
    known.confirm()
    clock.advance(7)
    assert (known.age_s, known.source) == (7.0, "memory")


@given(st.integers(0, 10_000), st.text(), st.text(max_size=8))
def test_an_arm_is_the_same_each_time(weight: int, unit: str, rollout_id: str) -> None:
    """A unit stays on its side, and a growing share only ever moves units to the candidate."""
    rollout = Rollout(id=rollout_id, candidate=2, steps=(), weight=weight, sticky_by="context")
    wider = Rollout(id=rollout_id, candidate=2, steps=(), weight=min(weight + 500, 10_000))
    units = [Units(unit, "user", "tenant", call) for call in ("call_1", "call_2")]
    sides = {in_candidate(rollout, each) for each in units}
    assert len(sides) == (
        1 if unit else len({in_candidate(rollout, Units(None, *each[1:])) for each in units})
    )
    if True in sides and unit:
        assert in_candidate(wider, units[0])


@pytest.mark.parametrize("weight", [0, 100, 2500, 9000, 10_000])
def test_a_rollout_hits_its_share(weight: int) -> None:
    """Of 20 000 conversations, as many go to the candidate as chance allows (five standard deviations)."""
    rollout = Rollout(id="r1", candidate=2, steps=(), weight=weight)
    known = snapshot(info(version(1), version(2), production=label(1, rollout)))
    count = 20_000
    found = [
        known.resolve("acme", PromptRef(name="a/b"), Units(f"ctx_{number}", None, "acme", "call"))
        for number in range(count)
    ]
    share = weight / 10_000
    hits = sum(each.arm == "candidate" for each in found)
    assert abs(hits - count * share) <= 5 * math.sqrt(count * share * (1 - share))
    assert {(each.arm, each.info.number) for each in found} <= {("candidate", 2), ("stable", 1)}


@pytest.mark.parametrize(
    ("sticky_by", "same", "other"),
    [
        ("context", Units("ctx", "a", "t", "1"), Units("ctx", "b", "t", "2")),
        ("context", Units(None, "a", "t", "1"), Units(None, "b", "t", "1")),
        ("user", Units("x", "user", "t", "1"), Units("y", "user", "t", "2")),
        ("user", Units("x", None, "t", "1"), Units("y", None, "t", "1")),
        ("tenant", Units("x", "a", "t", "1"), Units("y", "b", "t", "2")),
        ("call", Units("x", "a", "t", "1"), Units("y", "b", "t", "1")),
    ],
)
def test_a_rollout_keeps_to_its_unit(sticky_by: Any, same: Units, other: Units) -> None:
    """Calls that share the unit get the same side in each of 200 rollouts; without the unit, it is the call."""
    for number in range(200):
        rollout = Rollout(id=f"r{number}", candidate=2, steps=(), weight=5000, sticky_by=sticky_by)
        assert in_candidate(rollout, same) == in_candidate(rollout, other)


def test_rollouts_are_independent_of_each_other() -> None:
    """The same conversation is not always among the first: its side depends on the rollout, too."""
    sides = {
        in_candidate(Rollout(id=f"r{number}", candidate=2, steps=(), weight=5000), UNITS)
        for number in range(64)
    }
    assert sides == {True, False}
