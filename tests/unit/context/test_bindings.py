"""Who can read what another model sealed."""

import pytest
from llmgw.context.views.bindings import Maker, can_read, family, is_prefix_bound
from llmgw.types.turn import Binding


def maker(model: str, kind: str = "anthropic", protocol: str = "anthropic", **more: str) -> Maker:
    """A target."""
    return Maker(**({"provider": "p", "account": "a"} | more), kind=kind, protocol=protocol, model=model)


def made(model: str, kind: str = "anthropic", protocol: str = "anthropic", **more: str) -> Binding:
    """Who made an answer."""
    return maker(model, kind, protocol, **more).binding("f" * 32)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-opus-5-5", "opus-5.5"), ("claude-opus-5.5-20260801", "opus-5.5"), ("claude-sonnet-5", "sonnet-5"),
        ("claude-opus-4-20250514", "opus-4"), ("claude-3-7-sonnet-20250219", "sonnet-3.7"),
        ("anthropic.claude-haiku-5-5-v1:0", "haiku-5.5"), ("vertex/claude-fable-5-1@20260901", "fable-5.1"),
        ("some-other-model", "some-other-model"),
    ],
)  # fmt: skip
def test_families(model: str, name: str) -> None:
    """Dates, vendors' prefixes and both ways to write a version are seen through; other names stand as they are."""
    assert family(model) == name


@pytest.mark.parametrize(
    ("by", "reader", "reads"),
    [
        (made("claude-sonnet-5"), maker("claude-sonnet-5"), True),
        (made("claude-sonnet-5"), maker("claude-sonnet-5-20260101"), True),
        (made("claude-sonnet-5"), maker("claude-opus-5"), False),
        (made("claude-opus-5"), maker("claude-fable-5-1"), True),
        (made("claude-opus-5-5"), maker("claude-fable-5-1"), True),
        (made("claude-fable-5-1"), maker("claude-opus-5-5"), False),
        (made("claude-haiku-5-5"), maker("claude-opus-5"), True),
        (made("claude-haiku-5-5", account="b"), maker("claude-opus-5"), False),
        (made("claude-sonnet-5-5", account="b"), maker("claude-sonnet-5-5"), False),
        (made("claude-opus-5-5", account="b"), maker("claude-opus-5-5"), True),
        (made("claude-sonnet-5", kind="bedrock"), maker("claude-sonnet-5"), False),
        (made("claude-sonnet-5", provider="other"), maker("claude-sonnet-5"), True),
        (made("claude-sonnet-5"), maker("claude-sonnet-5", protocol="openai"), False),
        (made("gemini-3", "gemini", "gemini"), maker("gemini-3-flash", "gemini", "gemini"), True),
        (made("gemini-3", "vertex", "gemini"), maker("gemini-3", "gemini", "gemini"), False),
        (made("gpt", "openrouter", "openai"), maker("other", "openrouter", "openai"), True),
        (made("gpt", "openrouter", "openai", provider="q"), maker("gpt", "openrouter", "openai"), False),
        (made("gpt", "openrouter", "openai"), maker("gpt", "openai", "openai"), False),
    ],
)
def test_seals_go_to_who_can_read_them(by: Binding, reader: Maker, *, reads: bool) -> None:
    """By protocol first, then by what each vendor binds its seals to."""
    assert can_read(by, reader) is reads


def test_what_is_bound_to_what_stood_before() -> None:
    """The models whose thinking holds behind the same conversation only; of other protocols none."""
    bound = (
        "claude-fable-5-1",
        "claude-mythos-5-1",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
    )
    assert all(is_prefix_bound(made(model)) for model in bound)
    assert not any(is_prefix_bound(made(model)) for model in ("claude-opus-5", "claude-sonnet-4-5", "x"))
    assert not is_prefix_bound(made("claude-opus-5-5", protocol="openai"))
