"""YAML text into values: bounds, duplicates, types and lines."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from llmgw.settings.document import MAX_DEPTH, Unreadable, parse
from llmgw.settings.load import MAX_BYTES

Problems = Callable[..., list[str]]

_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_TREES = st.dictionaries(
    st.text(),
    st.recursive(_PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20),
)


@given(_TREES)
def test_a_dumped_tree_is_parsed_back(tree: dict[str, Any]) -> None:
    """What PyYAML writes safely is read back with the same values and types."""
    document = parse(yaml.safe_dump(tree))
    assert tree == document.root
    assert document.findings == []


@given(st.text() | st.text(alphabet="{}[]:-&*!|>'\"#,?<= \n\tab1$"))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text makes the parser raise anything but its own error."""
    with contextlib.suppress(Unreadable):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n", "line 1: the file must be a mapping of sections, such as 'server:'"),
        ("just text", "line 1: the file must be a mapping of sections, such as 'server:'"),
        ("server: {}\n---\nserver: {}\n", "line 2: the file holds more than one document ('---')"),
        ("server: {port: 1\nauth:\n", "line 2: not valid YAML: did not find expected ',' or '}'"),
        ("server:\n\tport: 1", "line 2: not valid YAML: found character that cannot start any token"),
        ("auth: *nowhere", "line 1: not valid YAML: found undefined alias"),
        ("server: {port: \x07}", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(problems: Problems, text: str, expected: str) -> None:
    """Bad syntax, no document, several documents and other roots are one problem with a line."""
    (problem,) = problems(text)
    assert problem.startswith(expected)


def test_an_unquoted_reference_in_braces_gets_a_hint(problems: Problems) -> None:
    """The usual slip, `{api_key: ${KEY}}`, is explained."""
    (problem,) = problems("providers:\n  openai: {kind: openai, api_key: ${KEY}}\n")
    assert problem.endswith('inside braces, "${VAR}" needs its quotes')


def test_bytes_that_are_not_utf8_are_refused_with_their_line(problems: Problems) -> None:
    """The line of the first bad byte is named."""
    assert problems(b"server:\n  host: \xff\n") == ["line 2: the file is not UTF-8"]


def test_a_byte_order_mark_is_no_problem(loaded: Callable[..., Any]) -> None:
    """Editors on Windows write one."""
    assert loaded(b"\xef\xbb\xbfserver: {port: 9}").settings.server.port == 9


def test_a_file_over_the_limit_is_refused(problems: Problems) -> None:
    """One byte over 1 MiB is too much."""
    text = "server: {}\n#"
    assert [f"the file is larger than {MAX_BYTES} bytes"] == problems(text.ljust(MAX_BYTES + 1, "x"))


def test_deep_nesting_is_refused(problems: Problems) -> None:
    """Nesting is bounded before anything recurses into it."""
    assert [f"line 1: nested deeper than {MAX_DEPTH} levels"] == problems("server: " + "[" * 100_000)


def test_duplicate_keys_are_all_reported(problems: Problems) -> None:
    """A second key of the same name never wins silently."""
    text = "server:\n  port: 1\n  host: a\n  port: 2\nserver: {}\n"
    assert problems(text) == [
        "line 1: server: key given twice, again on line 5",
        "line 2: server.port: key given twice, again on line 4",
    ]


@pytest.mark.parametrize("key", ["1", "1.5", "null", "true", "on", "[a]", "{a: b}"])
def test_keys_that_are_not_text_are_refused(problems: Problems, key: str) -> None:
    """YAML reads some plain words as numbers or truth values; as names they need quotes."""
    (problem,) = problems(f"aliases:\n  ? {key}\n  : {{targets: [a/b]}}\n")
    assert "a key must be text: put it in quotes" in problem
    assert problem.startswith("line 2: ")


def test_merge_keys_are_refused(problems: Problems) -> None:
    """Merging would hide where a value comes from."""
    (problem,) = problems("server: &a {port: 1}\ntelemetry: {<<: *a}\n")
    assert problem.startswith("line 2: telemetry[\"<<\"]: merge keys ('<<') are not supported")


def test_an_anchor_may_be_used_again(loaded: Callable[..., Any]) -> None:
    """One set of timeouts can serve several providers."""
    text = """
    providers:
      a: {kind: openai, timeouts: &slow {total_s: 7}}
      b: {kind: openai, timeouts: *slow}
    """
    providers = loaded(text).settings.providers
    assert (providers["a"].timeouts.total_s, providers["b"].timeouts.total_s) == (7.0, 7.0)


def test_a_small_file_that_expands_to_a_huge_one_is_refused(problems: Problems) -> None:
    """Anchors of anchors stay within the bound on values."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (problem,) = problems("\n".join(["a0: &a0 [x]", *levels]))
    assert "anchors make the file larger than" in problem


def test_an_anchor_inside_itself_is_refused(problems: Problems) -> None:
    """A value cannot contain itself."""
    (problem,) = problems("server: &a {host: *a}")
    assert "refer to themselves" in problem


@pytest.mark.parametrize(
    "tag", ["!!binary aGk=", "!!python/name:os.system ''", "!own x", "!!set {a}", "!!omap [a: b]"]
)
def test_unknown_tags_are_refused(problems: Problems, tag: str) -> None:
    """Only the plain types of YAML are read; nothing is constructed."""
    assert problems(f"server: {{host: {tag}}}") == ["line 1: server.host: this YAML tag is not supported"]


@pytest.mark.parametrize("value", ["!!int x", "!!int ''", "!!float x", "!!bool maybe"])
def test_a_tag_that_does_not_fit_is_a_problem(problems: Problems, value: str) -> None:
    """A tagged value that cannot be built is reported, not raised."""
    assert problems(f"server: {{port: {value}}}") == ["line 1: server.port: does not fit its YAML tag"]


def test_endless_numbers_are_refused(problems: Problems) -> None:
    """Digits are bounded before arithmetic is done with them."""
    assert problems("server: {port: 1" + ":1" * 50_000 + "}") == [
        "line 1: server.port: a number this long is not supported"
    ]


def test_a_date_stays_text(loaded: Callable[..., Any]) -> None:
    """`api-version: 2026-11-01` needs no quotes."""
    text = """
    providers:
      azure: {kind: azure, base_url: "https://a.example/openai/v1", query: {api-version: 2026-11-01}}
    """
    assert loaded(text).settings.providers["azure"].query == {"api-version": "2026-11-01"}
