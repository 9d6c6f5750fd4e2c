"""A content has one name, however it was written down."""

import msgspec
import pytest
from llmgw.types.prompt import Include, PromptContent, content_bytes, content_hash

SHORT = PromptContent(model="fast")


@pytest.mark.parametrize(
    "written",
    [
        {"model": "fast"},
        {"model": "fast", "config": {}},
        {"model": "fast", "config": {"temperature": None, "stop": []}},
        {"model": "fast", "description": "", "messages": [], "tools": [], "includes": {}, "metadata": {}},
    ],
)
def test_defaults_that_are_written_out_change_no_hash(written: dict[str, object]) -> None:
    """The same content is the same version, whether its author wrote down what goes without saying or not."""
    content = msgspec.convert(written, PromptContent)
    assert content == SHORT
    assert content_bytes(content) == content_bytes(SHORT) == b'{"model":"fast"}'
    assert content_hash(content) == content_hash(content_bytes(SHORT))


def test_the_gate_that_goes_without_saying_changes_no_hash() -> None:
    """So do tests that write out the gate that holds anyway; another gate is another content."""
    usual = msgspec.convert({"tests": {"dataset": "a.jsonl"}}, PromptContent)
    written = msgspec.convert({"tests": {"dataset": "a.jsonl", "gate": {"min_pass": 0.95}}}, PromptContent)
    other = msgspec.convert({"tests": {"dataset": "a.jsonl", "gate": {"min_pass": 0.9}}}, PromptContent)
    assert content_bytes(usual) == content_bytes(written) == b'{"tests":{"dataset":"a.jsonl"}}'
    assert content_hash(other) != content_hash(usual)


def test_bytes_name_what_they_are_read_as() -> None:
    """Read back and written again they are the same."""
    content = msgspec.convert(
        {"config": {"temperature": 1, "stop": ["x"]}, "tests": {"gate": {"min_pass": 1}}}, PromptContent
    )
    again = msgspec.json.decode(content_bytes(content), type=PromptContent)
    assert content_bytes(again) == content_bytes(content)


def test_the_order_of_a_schema_is_its_authors() -> None:
    """A model writes the members of an answer in the order of the schema: another order is another content."""
    first, second = (
        PromptContent(output_schema={"type": "object", "properties": {name: {} for name in names}})
        for names in (["verdict", "reason"], ["reason", "verdict"])
    )
    stored = content_bytes(first)
    again = msgspec.json.decode(stored, type=PromptContent)
    assert again.output_schema is not None
    assert list(again.output_schema["properties"]) == ["verdict", "reason"]
    assert content_hash(first) != content_hash(second)


def test_the_order_of_partials_means_nothing() -> None:
    """Partials are found by name."""
    tone, facts = (Include(version=1, hash="sha256:0", text=text) for text in ("kind", "true"))
    assert content_bytes(PromptContent(includes={"b": tone, "a": facts})) == content_bytes(
        PromptContent(includes={"a": facts, "b": tone})
    )
