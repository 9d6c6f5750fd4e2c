"""A context as a file that another gateway can take over: every stored byte, the schemas, and a signature.

A bundle is NDJSON, one object a line, in this order: `bundle`, then `schema` lines, `state` at most once,
`turn` lines in their order, `blob` lines, and `proof` last. A turn's `body` is a JSON text within the JSON: the
bytes as they were stored, so that `digest` = SHA-256(salt, body) can be checked without any secret. The proof
signs the SHA-256 of all lines before it, line breaks included, with the exporting gateway's Ed25519 key.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct, convert

from llmgw.context.integrity import blobs, frame
from llmgw.context.integrity.chain_keys import is_signed
from llmgw.context.integrity.frame import FrameMeta
from llmgw.types.context import ContextInfo, StateDoc
from llmgw.types.context_errors import BundleRejected
from llmgw.types.violation import Violation, pointer_to

VERSION: Final = "llmgw.context/1"
MAX_LINE: Final = 64 * 1024 * 1024
"""Longest line of a bundle, in bytes."""

_Base64: TypeAlias = str
_Hex64: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Head(Struct, frozen=True, kw_only=True, tag="bundle", tag_field="line", forbid_unknown_fields=True):
    """The first line: what is exported."""

    format: Literal["llmgw.context/1"]
    context: ContextInfo
    exported_at: str


class SchemaLine(
    Struct, frozen=True, kw_only=True, tag="schema", tag_field="line", forbid_unknown_fields=True
):
    """A schema that the context's state or metadata are held to; `document` is JSON."""

    name: str
    version: int
    document: str


class StateLine(Struct, frozen=True, kw_only=True, tag="state", tag_field="line", forbid_unknown_fields=True):
    """The state document."""

    state: StateDoc


class TurnLine(
    Struct,
    frozen=True,
    kw_only=True,
    tag="turn",
    tag_field="line",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """One turn: what lies in its frame; a redacted one has neither salt nor body."""

    meta: FrameMeta
    digest: _Hex64
    link: _Hex64
    salt: _Base64 | None = None
    body: str | None = None


class BlobLine(Struct, frozen=True, kw_only=True, tag="blob", tag_field="line", forbid_unknown_fields=True):
    """Content that turns refer to by `digest` = SHA-256(salt, kind, data), in hexadecimal behind `sha256:`.

    `kind` is `b` for base64, `t` for text, `r` for a provider's own bytes.
    """

    digest: str
    salt: _Base64
    kind: blobs.Kind
    data: _Base64


class Proof(Struct, frozen=True, kw_only=True, tag="proof", tag_field="line", forbid_unknown_fields=True):
    """The last line: how many lines there are before it, their digest, and who signs for it."""

    lines: int
    sha256: _Hex64
    head: _Hex64
    key: _Hex64
    signature: str


Line: TypeAlias = Head | SchemaLine | StateLine | TurnLine | BlobLine | Proof

_ORDER: Final[dict[type, int]] = {SchemaLine: 1, StateLine: 2, TurnLine: 3, BlobLine: 4}

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Line).decode


class Bundle(Struct, frozen=True, kw_only=True):
    """A bundle that holds together, and by whom it is signed."""

    head: Head
    schemas: tuple[SchemaLine, ...]
    state: StateDoc | None
    turns: tuple[TurnLine, ...]
    blobs: dict[str, bytes]
    proof: Proof


class BundleWriter:
    """Writes lines and remembers what the proof must say of them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._count = 0

    def line(self, line: Line) -> bytes:
        """Write one line."""
        written = _encode(line) + b"\n"
        self._hash.update(written)
        self._count += 1
        return written

    def proof(self, head: str, public: str, sign: Callable[[bytes], bytes]) -> bytes:
        """Write the last line."""
        digest = self._hash.hexdigest()
        return (
            _encode(
                Proof(
                    lines=self._count,
                    sha256=digest,
                    head=head,
                    key=public,
                    signature=sign(signed_text(digest, self._count, head)).hex(),
                )
            )
            + b"\n"
        )


def signed_text(digest: str, lines: int, head: str) -> bytes:
    """What a proof's signature is over."""
    return f"{VERSION}\n{digest}\n{lines}\n{head}".encode()


def turn_line(found: frame.Frame, body: bytes) -> TurnLine:
    """Write a turn; `body` is its JSON, decrypted where it is kept encrypted."""
    meta = frame.meta_of(found)
    if found.redacted:
        return TurnLine(meta=meta, digest=found.digest.hex(), link=found.link.hex())
    digest = frame.digest_of(found.salt, body)
    return TurnLine(
        meta=meta,
        digest=digest.hex(),
        link=found.link.hex(),
        salt=base64.b64encode(found.salt).decode(),
        body=body.decode(),
    )


def blob_line(digest: str, blob: bytes) -> BlobLine:
    """Write a blob."""
    return BlobLine(
        digest=digest,
        salt=base64.b64encode(blob[: blobs.SALT]).decode(),
        kind=convert(blobs.kind_of(blob), blobs.Kind),
        data=base64.b64encode(blobs.content_of(blob)).decode(),
    )


def read(document: bytes) -> Bundle:
    """Read a bundle and check all that can be checked without a secret.

    Raises:
        BundleRejected: a line is none, is out of place, or does not agree with its digest or the proof.
    """
    lines = list(_lines(document))
    if not lines or not isinstance(lines[0][0], Head) or not isinstance(lines[-1][0], Proof):
        raise _rejected("a bundle begins with its head and ends with its proof", 0)
    head, proof = lines[0][0], lines[-1][0]
    body = document[: lines[-1][1]]
    if proof.lines != len(lines) - 1 or hashlib.sha256(body).hexdigest() != proof.sha256:
        raise _rejected("the lines are not those that were signed", len(lines) - 1)
    try:
        signature = bytes.fromhex(proof.signature)
    except ValueError:
        raise _rejected("the signature is none", len(lines) - 1) from None
    if not is_signed(proof.key, signature, signed_text(proof.sha256, proof.lines, proof.head)):
        raise _rejected("the signature is not that of its key", len(lines) - 1)
    return _assembled(head, [line for line, _ in lines[1:-1]], proof)


def _lines(document: bytes) -> Iterator[tuple[Line, int]]:
    """Decode lines, each with the place at which it begins."""
    at = 0
    number = 0
    while at < len(document):
        end = document.find(b"\n", at)
        end = len(document) if end < 0 else end
        if end - at > MAX_LINE:
            raise _rejected("a line is too long", number)
        try:
            yield _decode(document[at:end]), at
        except (ValueError, RecursionError) as error:
            raise _rejected(f"line {number + 1} is none of a bundle: {str(error)[:200]}", number) from None
        at = end + 1
        number += 1


def _assembled(head: Head, lines: Iterable[Line], proof: Proof) -> Bundle:
    schemas: list[SchemaLine] = []
    turns: list[TurnLine] = []
    kept: dict[str, bytes] = {}
    state: StateDoc | None = None
    last = ends_at = 0
    for number, line in enumerate(lines, 1):
        rank = _ORDER.get(type(line), 0)
        if rank < last or (rank == last and isinstance(line, StateLine)):
            raise _rejected("a line is out of place", number)
        last = rank
        match line:
            case SchemaLine():
                schemas.append(line)
            case StateLine(state=document):
                state = document
            case TurnLine():
                _check_turn(line, len(turns), number)
                turns.append(line)
                ends_at = number
            case BlobLine():
                salt = _bytes(line.salt, number)
                blob = blobs.written(salt, line.kind, _bytes(line.data, number))
                if len(salt) != blobs.SALT or blobs.digest_of(blob) != line.digest:
                    raise _rejected("a blob is not what its digest says", number)
                kept[line.digest] = blob
            case _:
                raise _rejected("a line is out of place", number)
    if len(turns) != head.context.turns:
        raise _rejected(f"{len(turns)} turns of {head.context.turns}", 0)
    if turns and turns[-1].link != proof.head:
        raise _rejected("the last turn is not the one the proof ends with", ends_at)
    return Bundle(head=head, schemas=tuple(schemas), state=state, turns=tuple(turns), blobs=kept, proof=proof)


def _check_turn(line: TurnLine, seq: int, number: int) -> None:
    if line.meta.seq != seq:
        raise _rejected(f"turn {line.meta.seq} stands where turn {seq} should", number)
    if line.salt is None or line.body is None:
        if line.salt is not None or line.body is not None:
            raise _rejected("a turn has half of its content", number)
        return
    digest = frame.digest_of(_bytes(line.salt, number), line.body.encode())
    if digest.hex() != line.digest:
        raise _rejected(f"turn {seq} is not what its digest says", number)


def _bytes(written: _Base64, number: int) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        raise _rejected("base64 that is none", number) from None


def _rejected(message: str, line: int) -> BundleRejected:
    return BundleRejected(message, [Violation(rule="bundle", pointer=pointer_to(line), message=message)])
