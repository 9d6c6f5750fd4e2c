"""Which label serves which major version of an API."""

import pytest
from llmgw.prompts.serving.apis import api_label, api_labels, served_slugs
from llmgw.types.prompt import Label, PromptApi, PromptInfo, VersionInfo


def prompt(apis: dict[int, PromptApi | None], labels: dict[str, int]) -> PromptInfo:
    """A prompt whose versions are these APIs, or none."""
    return PromptInfo(
        name="a",
        rev=1,
        created_ms=1,
        updated_ms=1,
        versions={
            number: VersionInfo(number=number, hash=f"sha256:{number}", author="a", created_ms=1, api=api)
            for number, api in apis.items()
        },
        labels={
            name: Label(version=number, rev=1, moved_ms=1, moved_by="a") for name, number in labels.items()
        },
    )


def api(major: int, slug: str = "mood") -> PromptApi:
    """An API in a major version."""
    return PromptApi(slug=slug, major=major)


MOVED_ON = prompt({1: api(1), 2: api(2)}, {"production": 2, "production-v1": 1, "staging": 1})


@pytest.mark.parametrize(
    ("major", "label"), [(None, "production"), (1, "production-v1"), (2, "production"), (3, None)]
)
def test_each_major_version_has_its_label(major: int | None, label: str | None) -> None:
    """The present one is behind `production`, earlier ones behind labels of their own; others serve nothing."""
    assert api_label(MOVED_ON, "mood", major) == label


def test_a_label_serves_only_the_major_version_it_is_named_for() -> None:
    """Moved by hand to another, it serves nothing; `production` comes first where two serve the same."""
    astray = prompt({1: api(1), 2: api(2)}, {"production": 2, "production-v1": 2, "production-v2": 2})
    assert api_labels(astray, "mood") == {2: "production"}


def test_an_api_that_is_none_any_more_is_served_from_what_is_left() -> None:
    """`production` leads to no API, or to another: the highest major version that has a label."""
    left = prompt({1: api(1), 2: api(2), 3: None}, {"production": 3, "production-v1": 1, "production-v2": 2})
    assert api_label(left, "mood", None) == "production-v2"
    other = prompt({1: api(1), 2: api(1, "tone")}, {"production": 2, "production-v1": 1})
    assert (api_label(other, "mood", None), api_label(other, "tone", None)) == ("production-v1", "production")
    assert served_slugs(other) == {"mood", "tone"}


def test_a_label_that_leads_nowhere_yet_serves_nothing() -> None:
    """Its first move waits for somebody."""
    waiting = prompt({1: api(1)}, {"production": 0})
    assert (served_slugs(waiting), api_label(waiting, "mood", None)) == (frozenset(), None)
