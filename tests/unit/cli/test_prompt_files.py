"""Files, and a gateway that means no good: what may be written, and what may be read."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import rich_click as click
from click.testing import CliRunner, Result
from llmgw.cli import main
from llmgw.cli.prompts.datasets import dataset_of, read_dataset, read_object
from llmgw.cli.prompts.local import read_prompt, read_text, write_new
from tests.unit.cli.fake_gateways import Said, answering


def run(url: str, *arguments: str) -> Result:
    """Run a command against a gateway."""
    result = CliRunner().invoke(
        main,
        ["prompts", *arguments],
        env={"LLMGW_URL": url, "LLMGW_KEY": "k", "LLMGW_CONFIG": "", "COLUMNS": "200"},
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def said(value: Any) -> Said:
    """An answer in JSON."""
    return Said(body=msgspec.json.encode(value))


def info(name: str) -> Said:
    """A prompt with one version."""
    version = {"number": 1, "hash": "sha256:1", "author": "a", "created_ms": 1}
    return said({"name": name, "rev": 1, "created_ms": 1, "updated_ms": 1, "versions": {"1": version}})


@pytest.mark.parametrize("command", ["pull", "export"])
@pytest.mark.parametrize("evil", ["../../escaped", "/escaped", "a/../../escaped", "escaped\x00", "Escaped"])
def test_a_gateway_does_not_choose_where_files_go(tmp_path: Path, command: str, evil: str) -> None:
    """A name that is none, in a list or in place of the one that was asked for, writes nothing."""
    output = tmp_path / "out"
    with answering(said({"prompts": [{"name": evil}]}), info(evil), Said(body=b"text")) as gateway:
        assert run(gateway.url, command, "--all", "-o", str(output)).exit_code == 3
    with answering(info(evil), Said(body=b"text")) as gateway:
        assert run(gateway.url, command, "good", "-o", str(output)).exit_code == 3
    assert list(tmp_path.rglob("*")) == []


def test_files_that_differ_stay(tmp_path: Path) -> None:
    """Equal text is no change, other text is refused unless forced, a path that cannot be is told."""
    path = tmp_path / "a" / "b.prompt"
    assert write_new(path, "one", force=False)
    assert not write_new(path, "one", force=False)
    with pytest.raises(click.ClickException, match="--force"):
        write_new(path, "two", force=False)
    assert path.read_text() == "one"
    assert write_new(path, "two", force=True)
    with pytest.raises(click.ClickException):
        write_new(path / "below", "x", force=False)


def test_what_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    """No file, a directory, bytes that are no text, more than is read."""
    (tmp_path / "bytes").write_bytes(b"ab\xff")
    (tmp_path / "long").write_bytes(b"x" * 11)
    for name, words in (
        ("none", "No such file"),
        (".", "Is a directory"),
        ("bytes", "byte 2"),
        ("long", "longer than 10"),
    ):
        with pytest.raises(click.ClickException, match=words):
            read_text(tmp_path / name, 10)


def test_a_dataset_is_told_by_its_lines(tmp_path: Path) -> None:
    """A line that is no case is named; an empty file has no cases; objects are objects."""
    path = tmp_path / "cases.jsonl"
    path.write_text('{"vars": {}}\n\n{"vars": 7}\n')
    with pytest.raises(click.ClickException, match="line 3"):
        read_dataset(path)
    path.write_text("\n \n")
    with pytest.raises(click.ClickException, match="no cases"):
        read_dataset(path)
    for text in ("[1]", "{", "NaN"):
        path.write_text(text)
        with pytest.raises(click.ClickException, match=r"cases\.jsonl"):
            read_object(path)


PROMPT = """---
name: looks
model: demo
output: {schema: {$ref: REF}}
---
user:
hello
"""


def test_a_schema_beside_a_prompt_is_read(tmp_path: Path) -> None:
    """A file that the prompt names, in its directory, becomes part of the content."""
    path = tmp_path / "looks.prompt"
    path.write_text(PROMPT.replace("REF", "./schema.json"))
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    assert read_prompt(path).content.output_schema == {"type": "object"}


def test_a_prompt_names_no_file_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither above its directory, nor through a link: a pull request does not publish what lies on the machine."""
    secret = tmp_path / "secret.json"
    secret.write_text('{"type": "object", "description": "my-secret"}')
    home = tmp_path / "repository" / "prompts"
    home.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository")
    (home / "link.json").symlink_to(secret)
    path = home / "looks.prompt"
    for elsewhere in ("./link.json", "./../../secret.json", "./none.json"):
        path.write_text(PROMPT.replace("REF", elsewhere))
        with pytest.raises(click.ClickException) as refused:
            read_prompt(path)
        assert "my-secret" not in refused.value.message


def test_a_dataset_lies_beside_its_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a prompt names as its dataset is under the same rule."""
    home = tmp_path / "repository"
    home.mkdir()
    monkeypatch.chdir(home)
    path = home / "looks.prompt"
    path.write_text("---\nname: looks\ntests: {dataset: ../cases.jsonl}\n---\nuser:\nhello\n")
    (tmp_path / "cases.jsonl").write_text('{"vars": {}}\n')
    with pytest.raises(click.ClickException, match="outside"):
        dataset_of(read_prompt(path))
