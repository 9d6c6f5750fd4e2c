"""References in text values."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.settings.expand import MAX_FILE_BYTES, MAX_TEXT, Expander

Problems = Callable[..., list[str]]

_HERE = Path("/nowhere")


def _expanded(text: str, base: Path = _HERE, **environ: str) -> Any:
    expander = Expander(environ, base)
    value = expander.expand({"key": text})["key"]
    assert expander.findings == []
    return value


def _refused(text: str, base: Path = _HERE, **environ: str) -> str:
    expander = Expander(environ, base)
    expander.expand({"key": text})
    (finding,) = expander.findings
    assert finding.path == ("key",)
    return finding.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("${A}-${B}", "one-two"),
        ("x${A}y", "xoney"),
        ("${EMPTY}", ""),
        ("${EMPTY:-z}", "z"),
        ("${UNSET:-z}", "z"),
        ("${UNSET:-}", ""),
        ("${UNSET:-http://a:1/b c}", "http://a:1/b c"),
        ("${A:-z}", "one"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ $$ {A}", "$A $ $$ {A}"),
    ],
)
def test_references_are_replaced(text: str, expected: str) -> None:
    """Variables, defaults and the escape work anywhere in a text."""
    assert expected == _expanded(text, A="one", B="two", EMPTY="")


def test_an_expanded_value_is_not_expanded_again() -> None:
    """A variable that holds a reference cannot reach another variable."""
    assert _expanded("${A}", A="${B}", B="secret") == "${B}"


@given(st.text(alphabet=st.sampled_from("${}A:-") | st.characters()))
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    """Writing `$${` for `${` protects any text."""
    assert text == _expanded(text.replace("${", "$${"))


@given(st.text(alphabet="${}AB:-file/. "))
def test_any_text_expands_or_is_reported(text: str) -> None:
    """No text makes the expander raise."""
    Expander({"A": "x"}, _HERE).expand(text)


@pytest.mark.parametrize("text", ["${}", "${1A}", "${A-x}", "${A:x}", "${ A}", "${sk-secret}"])
def test_what_is_no_reference_is_reported_without_its_text(text: str) -> None:
    """A mistyped reference may be a secret in the wrong place."""
    message = _refused(text)
    assert message.startswith("not a reference: write ${NAME}")
    assert "secret" not in message


@pytest.mark.parametrize("text", ["${A", "x${", "${A:-${B}}", "${A:-{}}"])
def test_open_and_nested_references_are_reported(text: str) -> None:
    """A default holds no braces."""
    assert _refused(text).startswith("a '${' is not closed, or holds another brace")


def test_a_missing_variable_is_named_with_path_and_line(problems: Problems) -> None:
    """The operator reads which variable, where."""
    assert problems("server:\n  host: ${NO_HOST}\n") == [
        'line 2: server.host: environment variable "NO_HOST" is not set and has no default'
    ]


def test_keys_are_not_expanded(problems: Problems) -> None:
    """A variable cannot name a setting."""
    (problem,) = problems("server: {'${A}': 1}", A="port")
    assert 'server["${A}"]: unknown key' in problem


def test_a_variable_cannot_add_structure(loaded: Callable[..., Any]) -> None:
    """YAML inside a variable stays text."""
    settings = loaded("providers: {a: {kind: openai, api_key: '${A}'}}", A="x}, b: {kind: groq").settings
    assert list(settings.providers) == ["a"]
    assert settings.providers["a"].api_key.reveal() == "x}, b: {kind: groq"


@pytest.mark.parametrize(
    ("content", "expected"),
    [("x", "x"), ("x\n", "x"), ("x\n\n", "x\n"), ("x\r\n", "x"), ("x\r", "x\r"), ("", ""), (" x ", " x ")],
)
def test_a_file_gives_its_content_without_one_line_break(tmp_path: Path, content: str, expected: str) -> None:
    """Secret files usually end with a line break that is not meant."""
    (tmp_path / "secret").write_bytes(content.encode())
    assert expected == _expanded("${file:secret}", tmp_path)
    assert expected == _expanded(f"${{file:{tmp_path}/secret}}")


def test_a_file_is_found_beside_the_settings_file(loaded: Callable[..., Any], tmp_path: Path) -> None:
    """Relative paths start at the settings file, wherever the process runs."""
    (tmp_path / "key").write_text("k-1\n")
    settings = loaded("providers: {a: {kind: openai, api_key: '${file:key}'}}").settings
    assert settings.providers["a"].api_key.reveal() == "k-1"


def test_files_that_give_no_text_are_reported(tmp_path: Path) -> None:
    """Absent, too large, binary and odd files are problems, not exceptions."""
    (tmp_path / "large").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    assert _refused("${file:absent}", tmp_path) == 'no such file: "absent"'
    assert _refused("${file:pipe}", tmp_path) == 'no such file: "pipe"'
    assert _refused("${file:}", tmp_path) == 'no such file: ""'
    assert _refused("${file:large}", tmp_path) == f'file "large" is larger than {MAX_FILE_BYTES} bytes'
    assert _refused("${file:binary}", tmp_path) == 'file "binary" is not UTF-8'
    assert "file" in _refused("${file:a\0b}", tmp_path)


def test_all_expansions_together_are_bounded() -> None:
    """A file of references cannot fill the memory."""
    expander = Expander({"A": "x" * (MAX_TEXT // 2)}, _HERE)
    expander.expand(["${A}", "${A}", "${A}"])
    assert [finding.path for finding in expander.findings] == [(2,)]


@pytest.mark.parametrize(
    ("member", "value", "expected"),
    [
        ("server: {port: '${V}'}", "9000", 9000),
        ("server: {drain_s: '${V}'}", "1.5", 1.5),
        ("telemetry: {propagate_to_providers: '${V}'}", "true", True),
        ("telemetry: {log_level: '${V}'}", "debug", "debug"),
    ],
)
def test_expanded_text_stands_for_what_the_member_is(
    loaded: Callable[..., Any], member: str, value: str, expected: object
) -> None:
    """Numbers, truth values and choices can come from the environment."""
    section, name = member.replace("{", "").split(": ")[:2]
    result = getattr(getattr(loaded(member, V=value).settings, section), name)
    assert (expected, type(expected)) == (result, type(result))


@pytest.mark.parametrize("value", ["", "x", "8e", "0x50", " 80", "80\n", "70000", "nan", "yes", "8.5"])
def test_expanded_text_that_is_no_number_is_refused(problems: Problems, value: str) -> None:
    """Conversion from text is strict and the range still holds."""
    (problem,) = problems("server: {port: '${V}'}", V=value)
    assert problem.startswith("line 1: server.port: expected a whole number from 1 to 65535")


def test_quoted_numbers_are_not_numbers(problems: Problems) -> None:
    """Only expansion turns text into a number; a literal says what it is."""
    assert problems("server: {port: '80'}") == [
        "line 1: server.port: expected a whole number from 1 to 65535, got text"
    ]


def test_expanded_text_is_never_a_list(problems: Problems) -> None:
    """Lists are written in the file."""
    (problem,) = problems("aliases: {a: {targets: '${V}'}}", V="[openai/gpt-5]")
    assert problem == "line 1: aliases.a.targets: expected a list, got text"


def test_a_bad_reference_is_reported_once(problems: Problems) -> None:
    """The empty text in its place causes no second problem."""
    assert len(problems("server: {port: '${NO}'}\nproviders: {a: {kind: '${NO}'}}\n")) == 2
