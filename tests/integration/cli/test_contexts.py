"""`llmgw contexts`, on a store as a gateway leaves it."""

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from click.testing import CliRunner, Result
from llmgw.cli.contexts import _with_archive as with_archive
from llmgw.cli.contexts import contexts
from llmgw.context.archive import Archive
from llmgw.context.clock import moment
from llmgw.context.kept import encode_json
from llmgw.context.library import Actor
from llmgw.context.opened import Asker, Opened
from llmgw.state.embedded import EmbeddedValkey
from llmgw.types.context import ContextOptions, Policy
from llmgw.types.loss import LossCode
from llmgw.types.message import Message, OpaquePart, Part, TextPart, ToolCallPart, ToolResultPart
from llmgw.types.preservation import Counts, PartLoss, Report, ReportRecord
from llmgw.types.turn import Binding
from llmgw.types.violation import Violation

T = TypeVar("T")

EVIL = "\x1b[31mred\x1b[0m \x9b2J \x07 \r over \u202egnp.exe [bold]markup[/bold]"
"""Words that would paint, clear, ring, overwrite, turn around or mark up what is printed."""
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What must not come to a terminal from what was said."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A settings file, and the store it names running as beside a gateway."""
    home = tmp_path_factory.mktemp("contexts")
    file = home / "llmgw.yaml"
    file.write_text(f"state: {{dir: {home / 'state'}}}\n", encoding="utf-8")
    with EmbeddedValkey(home / "state"):
        yield file


def run(config: Path, *arguments: str, said: str | None = None) -> Result:
    """Run `llmgw contexts` as a user would; what it does not expect is no answer."""
    environment = {"LLMGW_CONFIG": str(config), "COLUMNS": "200"}
    result = CliRunner().invoke(contexts, arguments, env=environment, input=said)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def failed(result: Result) -> str:
    """The words of an error, without the box around them."""
    assert result.exit_code == 1
    assert not RAW.search(result.stderr)
    return " ".join(result.stderr.translate(dict.fromkeys(map(ord, "╭─╮│╰╯"), " ")).split())


def printed(config: Path, *arguments: str) -> Any:
    """What a command prints as JSON."""
    result = run(config, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert not RAW.search(result.stdout)
    return msgspec.json.decode(result.stdout)


def do(config: Path, act: Callable[[Archive], Awaitable[T]]) -> T:
    """Do something with the store."""
    return with_archive(str(config), act)


def report(context: str) -> ReportRecord:
    """What a call reported, in words that are not to be printed as they are."""
    return ReportRecord(
        call="call_1",
        at=moment(1_700_000_000_000),
        report=Report(
            context=context,
            rev=1,
            target=Binding(provider=EVIL, kind="openai", protocol="openai", model=EVIL),
            verdict="degraded",
            score=0.9,
            counts=Counts(turns=2, turns_sent=1, parts=2, carried=1, transformed=0, truncated=0, dropped=1),
            checks={"c1": "pass", "c6": "fail"},
            losses=(
                PartLoss(
                    code=LossCode.UPSTREAM_DROPPED.value,
                    severity="major",
                    pointer="/turns/0",
                    source="upstream",
                    detail=EVIL,
                ),
            ),
            violations=(
                Violation(
                    rule="tool.pairing", level="repair", pointer=f"/x/{EVIL}", message=EVIL, repaired=EVIL
                ),
            ),
        ),
    )


def stored(config: Path, name: str, *said: Part, tenant: str = "default", subject: str | None = None) -> str:
    """Store one call with a context."""

    async def store(archive: Archive) -> None:
        contexts = archive.library.contexts
        opened = await contexts.open(
            Asker(tenant=tenant, who="test", op="call_1"),
            ContextOptions(id=name, create=True, subject=subject),
            (),
            contexts.settings.base(tenant, Policy()),
        )
        assert isinstance(opened, Opened)
        for role, parts in (
            ("user", said or (TextPart(text="hello"),)),
            ("assistant", (TextPart(text=EVIL),)),
        ):
            message = Message(role=role, parts=parts, protocol="openai")  # type: ignore[arg-type]
            opened.said.append(contexts.draft(opened, message))
        await contexts.commit(opened, opened.said, report=encode_json(report(name)))

    do(config, store)
    return name


def spoil(config: Path, name: str) -> None:
    """Alter a stored turn behind everybody's back."""

    async def alter(archive: Archive) -> None:
        keys = archive.library.keys(Actor(tenant="default", who="test"), name)
        (frame,) = await archive.library.store.command(keys, "LRANGE", "t", 0, 0)
        await archive.library.store.command(keys, "LSET", "t", 0, frame[:-3] + b"!" + frame[-2:])

    do(config, alter)


def test_contexts_are_listed_by_subject_and_tenant(config: Path) -> None:
    """The newest first, those about one subject alone, and none of another tenant's."""
    for name in ("list-1", "list-2"):
        stored(config, name, tenant="lists", subject=EVIL)
    stored(config, "list-3", tenant="lists")
    stored(config, "list-4", tenant="others")
    found = printed(config, "list", "--tenant", "lists")
    assert [each["id"] for each in found] == ["list-3", "list-2", "list-1"]
    assert found[0]["turns"] == 2
    about = printed(config, "list", "--tenant", "lists", "--subject", EVIL)
    assert [each["id"] for each in about] == ["list-2", "list-1"]
    assert len(printed(config, "list", "--tenant", "lists", "--limit", "1")) == 1
    table = run(config, "list", "--tenant", "lists")
    assert "list-2" in table.stdout
    assert "[bold]markup[/bold]" in table.stdout
    assert not RAW.search(table.stdout)


def test_a_list_has_whole_ids_however_narrow(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id is there to be copied or searched for: into a pipe it goes in one piece, whatever else there is."""
    name = stored(config, "n" * 128, tenant="narrow", subject="s" * 256)
    monkeypatch.setenv("COLUMNS", "40")
    result = CliRunner().invoke(contexts, ["list", "-c", str(config), "--tenant", "narrow"])
    assert result.exit_code == 0, result.stderr
    assert name in result.stdout


def test_an_empty_list_is_no_failure(config: Path) -> None:
    """Nothing there is said on the side."""
    result = run(config, "list", "--tenant", "nobody")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no contexts\n")
    assert printed(config, "list", "--tenant", "nobody") == []


def test_what_was_said_is_shown_as_text(config: Path) -> None:
    """Whatever was said, called or answered: it is printed without control characters or markup."""
    stored(
        config,
        "show",
        TextPart(text=EVIL),
        ToolCallPart(id="c", name=EVIL, arguments=EVIL),
        ToolResultPart(call_id="c", content=(TextPart(text=EVIL),), is_error=True),
        OpaquePart(protocol="openai", kind=EVIL, value=EVIL),
        subject=EVIL,
    )
    result = run(config, "show", "show")
    assert result.exit_code == 0
    assert not RAW.search(result.stdout)
    assert result.stdout.count("[bold]markup[/bold]") == 7
    assert "    0 user" in result.stdout
    shown = printed(config, "show", "show")
    assert shown["turns"][0]["parts"][0]["text"] == EVIL
    assert printed(config, "show", "show", "--turns", "1")["turns"] == shown["turns"][1:]
    assert printed(config, "show", "show", "--turns", "0")["turns"] == []


def test_a_call_is_explained(config: Path) -> None:
    """The verdict, each check, each loss and each violation in words; control characters are none of them."""
    stored(config, "explain")
    result = run(config, "explain", "explain")
    assert result.exit_code == 0
    assert "degraded, score 0.90" in result.stdout
    assert "1 of 2 turns were told" in result.stdout
    assert re.search(r"c6 +fail +the provider counted", result.stdout)
    assert "rule tool.pairing (repair)" in result.stdout
    assert not RAW.search(result.stdout)
    record = printed(config, "explain", "explain", "--rev", "1")
    assert record["report"]["losses"][0]["detail"] == EVIL
    missing = run(config, "explain", "explain", "--rev", "9")
    assert failed(missing) == "Error there is no report of that revision"


def test_a_report_that_was_altered_is_told_as_that(config: Path) -> None:
    """A report that cannot be read is damage in the store, and told so."""
    stored(config, "misreported")

    async def alter(archive: Archive) -> None:
        keys = archive.library.keys(Actor(tenant="default", who="test"), "misreported")
        await archive.library.store.command(keys, "HSET", "r", "1", b'{"call":1}')

    do(config, alter)
    assert failed(run(config, "explain", "misreported")) == "Error the report is not what was stored"


def test_what_is_not_what_was_stored_fails(config: Path) -> None:
    """Verifying tells which turn is not, exits with 1, and goes on to the other contexts."""
    stored(config, "sound")
    good = run(config, "verify", "sound")
    assert good.exit_code == 0
    assert re.fullmatch(r"sound: ok, 2 turns, head [0-9a-f]{16}\n", good.stdout)
    stored(config, "spoilt")
    spoil(config, "spoilt")
    bad = run(config, "verify", "spoilt")
    assert bad.exit_code == 1
    assert bad.stdout.startswith("spoilt: BROKEN at turn 0: ")
    everything = run(config, "verify", "--all", "--json")
    assert everything.exit_code == 1
    verdicts = {each["id"]: each["ok"] for each in msgspec.json.decode(everything.stdout)}
    assert verdicts["sound"]
    assert not verdicts["spoilt"]
    refused = run(config, "show", "spoilt")
    assert "stored bytes are not what was stored" in failed(refused)
    none = run(config, "verify", "--all", "--tenant", "nobody")
    assert (none.exit_code, none.stderr) == (0, "no contexts\n")


def test_a_context_is_exported_and_taken_over(config: Path, tmp_path: Path) -> None:
    """Into a file or standard output, the same bytes but for their time; taken over under another name."""
    stored(config, "moving")
    file = tmp_path / "moving.ndjson"
    written = run(config, "export", "moving", "-o", str(file))
    assert (written.exit_code, written.stdout) == (0, "")
    assert written.stderr == f"{file.stat().st_size} bytes of context moving\n"
    piped = run(config, "export", "moving")
    assert piped.stdout_bytes.splitlines()[1:-1] == file.read_bytes().splitlines()[1:-1]
    taken = run(config, "import", str(file), "--id", "moved")
    assert taken.exit_code == 0
    key = run(config, "key").stdout.strip()
    assert taken.stderr == f"context moved: 2 turns, signed by {key}\n"
    assert run(config, "verify", "moved").exit_code == 0
    again = run(config, "import", str(file))
    assert "a context by that name is there already" in failed(again)


@pytest.mark.parametrize(
    "spoilt",
    [
        b"",
        b"{}\n",
        EVIL.encode(),
        b'{"line":"bundle","' + EVIL.replace("\x1b", "\\u001b").encode() + b'":1}\n',
    ],
    ids=["empty", "no line", "no JSON", "a strange member"],
)
def test_what_is_no_bundle_is_refused_with_its_line(config: Path, tmp_path: Path, spoilt: bytes) -> None:
    """The first thing that is wrong is told, and none of its control characters."""
    file = tmp_path / "spoilt.ndjson"
    file.write_bytes(spoilt)
    assert "bundle" in failed(run(config, "import", str(file)))


def test_an_altered_bundle_is_refused(config: Path, tmp_path: Path) -> None:
    """A single other letter in what was said, and it is not what was signed."""
    stored(config, "altered")
    file = tmp_path / "altered.ndjson"
    run(config, "export", "altered", "-o", str(file))
    file.write_bytes(file.read_bytes().replace(b"hello", b"hullo"))
    result = run(config, "import", str(file), "--id", "altered-2")
    assert "not those that were signed" in failed(result)
    assert run(config, "show", "altered-2").exit_code == 1


def test_a_file_that_cannot_be_written_is_told(config: Path, tmp_path: Path) -> None:
    """The reason is one line; what cannot be exported makes no file."""
    stored(config, "unwritten")
    result = run(config, "export", "unwritten", "-o", str(tmp_path / "nowhere" / "x"))
    assert "nowhere" in failed(result)
    file = tmp_path / "nothing"
    assert run(config, "export", "nobody", "-o", str(file)).exit_code == 1
    assert not file.exists()


def test_erasing_asks_first_and_leaves_a_receipt(config: Path) -> None:
    """Without a yes nothing is erased; with it a receipt says what there was, and the context is gone."""
    stored(config, "erased", subject="eve")
    asked = run(config, "erase", "erased", said="n\n")
    assert asked.exit_code == 1
    assert "Erase context erased of tenant default for good?" in asked.stderr
    assert run(config, "show", "erased").exit_code == 0
    (receipt,) = printed(config, "erase", "erased", "--yes")
    assert (receipt["id"], receipt["turns"], receipt["reports"]) == ("erased", 2, 1)
    gone = run(config, "show", "erased")
    assert failed(gone) == "Error this context was erased"


def test_all_about_a_subject_is_erased(config: Path) -> None:
    """Each of its contexts, and no other; nothing left is no failure."""
    for name in ("about-1", "about-2"):
        stored(config, name, tenant="about", subject="eve")
    stored(config, "about-3", tenant="about")
    result = run(config, "erase", "--subject", "eve", "--tenant", "about", "--yes")
    assert result.exit_code == 0
    assert sorted(line.split(":")[0] for line in result.stdout.splitlines()) == ["about-1", "about-2"]
    assert [each["id"] for each in printed(config, "list", "--tenant", "about")] == ["about-3"]
    nothing = run(config, "erase", "--subject", "eve", "--tenant", "about", "--yes")
    assert (nothing.exit_code, nothing.stderr) == (0, "nothing was stored\n")


def test_forks_stand_in_the_way_until_something_is_said_of_them(config: Path) -> None:
    """A context in which others begin is not erased unless the caller says what becomes of them."""
    stored(config, "trunk")

    async def fork(archive: Archive) -> None:
        await archive.branches.fork(Actor(tenant="default", who="test"), "trunk", at=None, child="branch")

    do(config, fork)
    refused = run(config, "erase", "trunk", "--yes")
    assert "forks=keep" in failed(refused)
    kept = run(config, "erase", "trunk", "--yes", "--forks", "keep")
    assert kept.exit_code == 0
    assert "fork branch kept" in kept.stdout
    assert run(config, "verify", "branch").exit_code == 0


@pytest.mark.parametrize("command", ["show", "explain", "verify", "export"])
@pytest.mark.parametrize("name", ["nobody", EVIL, "a/b", "x" * 200, ""])
def test_unknown_contexts_fail_in_words(config: Path, command: str, name: str) -> None:
    """A context that is not there, or that none could be, is told in words, without control characters."""
    result = run(config, command, name)
    assert failed(result).startswith("Error ")
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",), ("verify",), ("verify", "x", "--all"), ("erase", "--yes"), ("erase", "x", "--subject", "s"),
        ("erase", "x", "--forks", "burn"), ("import", "/nowhere"), ("list", "--limit", "0"),
        ("explain", "x", "--rev", "-1"),
        ("list", "--tenant", "a b"), ("show", "x", "--tenant", "a{b}"), ("show", "x", "--tenant", ""), ("burn",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_with_2(config: Path, arguments: tuple[str, ...]) -> None:
    """What cannot be meant is told apart from what failed."""
    assert run(config, *arguments).exit_code == 2


def test_a_store_that_is_away_fails_with_the_doctor(tmp_path: Path) -> None:
    """An external store that does not answer exits with 1 and names what finds out why."""
    file = tmp_path / "llmgw.yaml"
    file.write_text(
        f"state: {{url: 'unix://{tmp_path}/nobody.sock', dir: {tmp_path / 'state'}}}\n", encoding="utf-8"
    )
    result = run(file, "list")
    assert result.exit_code == 1
    assert "llmgw doctor" in result.stderr
