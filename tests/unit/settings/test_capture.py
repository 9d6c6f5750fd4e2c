"""How much is told of calls, by the settings."""

from collections.abc import Callable

import pytest
from llmgw.settings import Settings, Telemetry
from llmgw.settings.change import restart_needed
from msgspec.structs import replace


@pytest.mark.parametrize(
    ("telemetry", "problem"),
    [
        ("capture: all", "telemetry.capture: "),
        ("capture_by_tenant: {acme: some}", "telemetry.capture_by_tenant.acme: "),
        (
            "capture_by_tenant: {A B: full}",
            'telemetry.capture_by_tenant["A B"]: a tenant\'s name has 1 to 63',
        ),
        ("content_max_bytes: 10", "telemetry.content_max_bytes: "),
        ("content_max_bytes: 100000000", "telemetry.content_max_bytes: "),
    ],
)
def test_what_cannot_be_meant_is_refused(
    problems: Callable[..., list[str]], telemetry: str, problem: str
) -> None:
    """Other levels, tenants that cannot exist, bounds that are none."""
    (found,) = problems(f"telemetry: {{{telemetry}}}")
    assert problem in found


def test_words_are_told_by_leave_alone_and_a_change_takes_a_restart() -> None:
    """The default tells none, and a reload says that it does not take over another level."""
    old = Settings()
    assert (old.telemetry.capture, old.telemetry.capture_by_tenant) == ("metadata", {})
    new = replace(old, telemetry=Telemetry(capture="none", capture_by_tenant={"acme": "full"}))
    assert restart_needed(old, new) == ["telemetry.capture", "telemetry.capture_by_tenant"]
