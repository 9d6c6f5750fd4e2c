"""What a command is told of a prompt, a share, a variable; and where git says a file comes from."""

import subprocess
from pathlib import Path

import pytest
import rich_click as click
from click.testing import CliRunner
from llmgw.cli.prompts.looking import list_
from llmgw.cli.prompts.refs import Ref, chosen, percent, ref, share, usual
from llmgw.cli.prompts.repository import source_of
from llmgw.cli.remote import Refused
from llmgw.types.prompt import GitSource, Label, PromptInfo, VersionInfo, VersionState


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("sentiment", Ref("sentiment")),
        ("support/triage@7", Ref("support/triage", version=7)),
        ("a/b/c/d@production-v1", Ref("a/b/c/d", label="production-v1")),
    ],
)
def test_a_ref_is_read(text: str, meant: Ref) -> None:
    """A name alone, with a number, with a label; it is told as it was written."""
    assert ref(text) == meant
    assert meant.told == text


@pytest.mark.parametrize(
    "text",
    [
        "", "A", "a b", "../a", "a//b", "a/b/c/d/e", "a/versions", "a?x=1", "a%2fb", "a@", "a@0", "a@-1", "a@1.5",
        "a@12345678", "a@\u00b2", "a@x y", "a@b@c", "a\n", "a@1\n", "é",
    ],
)  # fmt: skip
def test_what_is_no_ref_is_wrong_usage(text: str) -> None:
    """Nothing that could lead to another address is sent."""
    with pytest.raises(click.UsageError):
        ref(text)


@pytest.mark.parametrize("prefix", ["é", "A", "a b", "a?x=1", "a%2f", "../a", "a\n", "a" * 300])
def test_what_no_name_begins_with_is_wrong_usage(prefix: str) -> None:
    """It is refused before a gateway is looked for, and stands in no address."""
    told = CliRunner().invoke(list_, ["--prefix", prefix, "--url", "http://127.0.0.1:9"])
    assert told.exit_code == 2
    assert "begins with" in told.output


@pytest.mark.parametrize(
    ("text", "points"),
    [("20%", 2000), ("20", 2000), ("0.5%", 50), ("0.01", 1), ("100%", 10_000), ("0", 0), (" 5% ", 500)],
)
def test_a_share_is_read(text: str, points: int) -> None:
    """Percents become hundredths of a percent, and are told as percents again."""
    assert share(text) == points
    assert share(percent(points)) == points


@pytest.mark.parametrize("text", ["", "%", "101%", "-1", "1e1", "0.001", "a", "\u0661", "1 %", "nan"])
def test_what_is_no_share_is_wrong_usage(text: str) -> None:
    """A share nobody can mean is told before anything is sent."""
    with pytest.raises(click.UsageError):
        share(text)


def _info() -> PromptInfo:
    states: dict[int, VersionState] = {1: "published", 2: "deprecated", 3: "draft"}
    versions = {
        number: VersionInfo(number=number, hash=f"sha256:{number}", author="a", created_ms=1, state=state)
        for number, state in states.items()
    }
    label = Label(version=1, rev=4, moved_ms=1, moved_by="a")
    return PromptInfo(
        name="p", rev=1, created_ms=1, updated_ms=1, versions=versions, labels={"staging": label}
    )


def test_words_lead_to_versions() -> None:
    """Numbers, labels, what is computed, and what a command takes where nothing is said."""
    info = _info()
    assert [chosen(info, word) for word in ("2", "staging", "latest", "newest")] == [2, 1, 2, 3]
    assert usual(info) == "newest"
    labels = {**info.labels, "production": info.labels["staging"]}
    assert usual(PromptInfo(name="p", rev=1, created_ms=1, updated_ms=1, labels=labels)) == "production"


def test_a_label_that_is_not_there_is_told_with_those_that_are() -> None:
    """No other version is taken in its place."""
    with pytest.raises(Refused, match="no label prod; its labels: staging"):
        chosen(_info(), "prod")


def _git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_git_says_where_a_file_comes_from(tmp_path: Path) -> None:
    """Repository, commit and path; a credential in the remote's address is left out, a change is told."""
    file = tmp_path / "prompts" / "support" / "a.prompt"
    file.parent.mkdir(parents=True)
    file.write_text("one", encoding="utf-8")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "remote", "add", "origin", "https://me:token-of-mine@git.example/house/repo.git")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "one")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert source_of(file) == GitSource(
        kind="cli", repo="https://git.example/house/repo.git", commit=commit, path="prompts/support/a.prompt"
    )
    file.write_text("two", encoding="utf-8")
    assert source_of(file).commit == f"{commit}-dirty"


def test_without_git_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file outside of any repository, or a machine without git, has only a name."""
    file = tmp_path / "a.prompt"
    file.write_text("one", encoding="utf-8")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source_of(file) == GitSource(kind="cli", path="a.prompt")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_of(file) == GitSource(kind="cli", path="a.prompt")
