"""Bundles: what was exported is read, and no line can be altered, left out, added or moved."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from llmgw.context.clock import moment
from llmgw.context.integrity import blobs, bundle, frame
from llmgw.context.integrity.bundle import BundleWriter, Head, Line, SchemaLine, StateLine
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.kept import encode_json
from llmgw.types import json
from llmgw.types.context import ContextInfo, StateDoc
from llmgw.types.context_errors import BundleRejected
from llmgw.types.turn import Turn
from tests.unit.context.turns import AT, KEYS, OTHER, SALT, framed, text, turn

BLOB = SALT + b"b" + b"QUJD"
TURNS = (turn(0, "user", text("hello")), turn(1, "assistant", text("hi")), turn(2, "user", text("gone")))


def frames(turns: Sequence[Turn] = TURNS) -> list[frame.Frame]:
    """The frames of some turns, the last of them redacted."""
    made: list[frame.Frame] = []
    for each in turns:
        before = made[-1].link if made else bytes(32)
        made.append(framed(each, before=before))
    return [*made[:-1], frame.without_content(made[-1])]


def lines() -> list[Line]:
    """The lines of a bundle before its proof."""
    found = frames()
    info = ContextInfo(
        id="ctx", v=1, rev=3, head=found[-1].head, turns=len(found), status="active", created_at=moment(AT),
        updated_at=moment(AT),
    )  # fmt: skip
    return [
        Head(format=bundle.VERSION, context=info, exported_at=moment(AT)),
        SchemaLine(name="order", version=1, document="{}"),
        StateLine(state=StateDoc(rev=1, data={"a": 1})),
        *(bundle.turn_line(each, each.body) for each in found),
        bundle.blob_line(blobs.digest_of(BLOB), BLOB),
    ]


def signed(said: Sequence[Line], head: str | None = None, keys: ChainKeys = KEYS) -> bytes:
    """A bundle of some lines, signed."""
    writer = BundleWriter()
    written = b"".join(map(writer.line, said))
    return written + writer.proof(head or frames()[-1].head, keys.public, keys.sign)


def refused(document: bytes) -> tuple[str, str]:
    """What is wrong with a bundle, and at which line."""
    with pytest.raises(BundleRejected) as refusal:
        bundle.read(document)
    (violation,) = refusal.value.violations
    assert violation.rule == "bundle"
    assert violation.message == refusal.value.message
    return violation.message, violation.pointer


def test_what_was_written_is_read() -> None:
    """Every line comes back, bodies as the bytes they were, a redacted turn without any."""
    found = bundle.read(signed(lines()))
    assert found.state == StateDoc(rev=1, data={"a": 1})
    assert [each.name for each in found.schemas] == ["order"]
    assert [each.body and each.body.encode() for each in found.turns] == [*map(encode_json, TURNS[:2]), None]
    assert [bytes.fromhex(each.digest) for each in found.turns] == [each.digest for each in frames()]
    assert found.blobs == {blobs.digest_of(BLOB): BLOB}
    assert found.proof.key == KEYS.public


@pytest.mark.parametrize("number", range(8))
def test_each_line_counts(number: int) -> None:
    """Whichever line is altered in a letter, left out, said twice or moved: the bundle is not what was signed."""
    written = signed(lines()).splitlines(keepends=True)
    assert len(written) == 8
    line = written[number]
    altered = line.replace(b"0", b"1", 1) if b"0" in line else line.replace(b"1", b"2", 1)
    for changed in (
        [*written[:number], altered, *written[number + 1 :]],
        [*written[:number], *written[number + 1 :]],
        [*written[:number], line, *written[number:]],
        [*written[: number - 1], line, written[number - 1], *written[number + 1 :]]
        if number
        else written[::-1],
        [*written[:number], b"\n", *written[number:]],
    ):
        document = b"".join(changed)
        assert document != signed(lines())
        refused(document)


@pytest.mark.parametrize("how", [0x01, 0x20, 0x80])
def test_each_altered_byte_is_noticed(how: int) -> None:
    """No byte of a bundle can be another one, but for the line break behind the proof."""
    written = signed(lines())
    for place in range(len(written) - 1):
        altered = bytes((*written[:place], written[place] ^ how, *written[place + 1 :]))
        try:
            found = bundle.read(altered)
        except BundleRejected:
            continue
        # Hexadecimal is read in either case; it says the same.
        assert how == 0x20
        assert found.proof.signature.lower() == bundle.read(written).proof.signature


def test_a_bundle_that_breaks_off_is_refused() -> None:
    """However much of it is missing at its end."""
    written = signed(lines())
    for length in range(0, len(written) - 1, 7):
        refused(written[:length])
    assert bundle.read(written[:-1]).proof == bundle.read(written).proof


def without(place: int) -> Callable[[list[Line]], list[Line]]:
    """Leave a line out."""
    return lambda said: said[:place] + said[place + 1 :]


def replaced(place: int, **members: Any) -> Callable[[list[Line]], list[Line]]:
    """Say something else in a line."""
    return lambda said: [
        *said[:place], msgspec.structs.replace(said[place], **members), *said[place + 1 :]
    ]  # fmt: skip


def moved(place: int, to: int) -> Callable[[list[Line]], list[Line]]:
    """Say a line elsewhere."""

    def change(said: list[Line]) -> list[Line]:
        rest = said[:place] + said[place + 1 :]
        return [*rest[:to], said[place], *rest[to:]]

    return change


OTHER_SALT = base64.b64encode(bytes(16)).decode()


@pytest.mark.parametrize(
    ("change", "message", "pointer"),
    [
        (without(3), "turn 1 stands where turn 0 should", "/3"),
        (without(5), "2 turns of 3", "/0"),
        (moved(3, 4), "turn 1 stands where turn 0 should", "/3"),
        (moved(1, 3), "a line is out of place", "/3"),
        (moved(2, 6), "a line is out of place", "/6"),
        (moved(6, 3), "a line is out of place", "/4"),
        (lambda said: [*said[:3], said[2], *said[3:]], "a line is out of place", "/3"),
        (lambda said: [*said[:4], said[3], *said[4:]], "turn 0 stands where turn 1 should", "/4"),
        (lambda said: [*said, said[0]], "a line is out of place", "/7"),
        (replaced(3, body=encode_json(TURNS[1]).decode()), "turn 0 is not what its digest says", "/3"),
        (replaced(3, salt=OTHER_SALT), "turn 0 is not what its digest says", "/3"),
        (replaced(3, salt="%"), "base64 that is none", "/3"),
        (replaced(3, salt="é"), "base64 that is none", "/3"),
        (replaced(3, salt=None), "a turn has half of its content", "/3"),
        (replaced(5, body="{}"), "a turn has half of its content", "/5"),
        (replaced(5, link="0" * 64), "the last turn is not the one the proof ends with", "/5"),
        (replaced(6, kind="t"), "a blob is not what its digest says", "/6"),
        (replaced(6, salt=OTHER_SALT), "a blob is not what its digest says", "/6"),
        (replaced(6, salt=""), "a blob is not what its digest says", "/6"),
        (replaced(6, data="QUJE"), "a blob is not what its digest says", "/6"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_even_of_a_signed_bundle(
    change: Callable[[list[Line]], list[Line]], message: str, pointer: str
) -> None:
    """A signer that is trusted can be mistaken: what does not hold together is told with its line."""
    assert refused(signed(change(lines()))) == (message, pointer)


def proof(**members: Any) -> bytes:
    """A bundle whose proof says something else."""
    written = signed(lines()).splitlines(keepends=True)
    return b"".join(written[:-1]) + json.encode(json.decode(written[-1]) | members)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"lines": 6}, "the lines are not those that were signed"),
        ({"sha256": "0" * 64}, "the lines are not those that were signed"),
        ({"head": "0" * 64}, "the signature is not that of its key"),
        ({"key": ChainKeys({"k2": OTHER}).public}, "the signature is not that of its key"),
        ({"key": "0" * 64}, "the signature is not that of its key"),
        ({"signature": "00" * 64}, "the signature is not that of its key"),
        ({"signature": "zz"}, "the signature is none"),
        ({"signature": ""}, "the signature is not that of its key"),
    ],
)
def test_a_proof_that_proves_something_else_is_refused(members: dict[str, Any], message: str) -> None:
    """Each member of the proof is held against the rest."""
    assert refused(proof(**members)) == (message, "/7")


@pytest.mark.parametrize(
    ("document", "message", "pointer"),
    [
        (b"", "a bundle begins with its head and ends with its proof", "/0"),
        (b"{}\n", "line 1 is none of a bundle", "/0"),
        (b"\n", "line 1 is none of a bundle", "/0"),
        (b"\xff\n", "line 1 is none of a bundle", "/0"),
        (b"[" * 5000, "line 1 is none of a bundle", "/0"),
        (signed(lines())[:-200] + b"\nx", "line 8 is none of a bundle", "/7"),
        (signed(lines()).replace(b'"line":"state"', b'"line":"stat"'), "line 3 is none of a bundle", "/2"),
        (
            signed(lines()).replace(b'"llmgw.context/1"', b'"llmgw.context/2"'),
            "line 1 is none of a bundle",
            "/0",
        ),
        (
            signed(lines()).replace(b'"line":"turn"', b'"x":1,"line":"turn"'),
            "line 4 is none of a bundle",
            "/3",
        ),
    ],
)
def test_what_is_no_line_is_told_with_its_number(document: bytes, message: str, pointer: str) -> None:
    """The first line that cannot be read is named, counted from 1 in words and from 0 in the pointer."""
    told = refused(document)
    assert told[0].startswith(message)
    assert told[1] == pointer
    assert len(told[0]) < 300


def test_a_line_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the bound is not decoded at all."""
    monkeypatch.setattr(bundle, "MAX_LINE", 50)
    assert refused(signed(lines())) == ("a line is too long", "/0")


def test_an_empty_context_is_a_bundle() -> None:
    """A context without turns has a head and a proof, and that is all."""
    head = lines()[0]
    assert isinstance(head, Head)
    bare = msgspec.structs.replace(head, context=msgspec.structs.replace(head.context, turns=0))
    assert bundle.read(signed([bare])).turns == ()
