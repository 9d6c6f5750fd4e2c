"""Documents of the context protocol as random values: every kind, with whatever JSON and Unicode allow in them."""

from datetime import UTC, datetime
from typing import Any, Final, get_args

import msgspec
from hypothesis import strategies as st
from llmgw.context.protocol import Kind
from llmgw.types.context import (
    ContextInfo,
    ContextStatus,
    FitMode,
    OnConflict,
    Parent,
    Policy,
    Rule,
    StateDoc,
)
from llmgw.types.message import (
    MediaKind,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.preservation import (
    Check,
    CheckResult,
    Counts,
    LossSource,
    PartLoss,
    Report,
    ReportRecord,
    TokenFacts,
    Verdict,
)
from llmgw.types.scalars import MAX_COUNT
from llmgw.types.turn import Binding, Compaction, Origin, RawAnswer, Source, Turn, TurnStatus
from llmgw.types.verification import (
    Finding,
    FindingCode,
    FindingDetail,
    SessionBranch,
    SessionCheck,
    SessionReport,
)
from llmgw.types.violation import Level, Problem, Violation, Weight

STRUCTS: Final[dict[Kind, Any]] = {
    "context": ContextInfo,
    "turn": Turn,
    "part": Part,
    "state": StateDoc,
    "policy": Policy,
    "report": Report,
    "record": ReportRecord,
    "problem": Problem,
    "session": SessionReport,
}
"""What a document of each kind is in Python."""

_DECODERS: Final = {kind: msgspec.json.Decoder(struct) for kind, struct in STRUCTS.items()}

_ODD: Final = st.sampled_from([
    "", "\0", "\n", " ", "\u2028", "\u202e\u05d0\u05d1", "مرحبا", "👩\u200d👩\u200d👧", "𝄞", "e\u0301", "\ufeff",
    "\uffff", "\U0010ffff", '"\\/', "~/~0", "$ref", "type", "__proto__", "٣",
])  # fmt: skip
_CHARACTERS: Final = st.characters(exclude_categories=["Cs"])
TEXT: Final = st.one_of(_ODD, st.text(_CHARACTERS, max_size=8))


def _json(levels: int) -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([2**53, 2**64, -(2**63), 10**30]),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXT,
    )
    tree = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    )
    return st.builds(_wrapped, tree, TEXT, st.sampled_from([0] * 9 + [levels]))


def _wrapped(value: Any, name: str, levels: int) -> Any:
    for level in range(levels):
        value = {name: value} if level % 2 else [value]
    return value


JSON: Final = _json(levels=40)
_DETAILS: Final = st.dictionaries(TEXT, JSON, max_size=2)
_LOWER: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_HEX: Final = "0123456789abcdef"
_SHORT: Final = st.one_of(TEXT, st.just("𝄞" * 256))
_COUNT: Final = st.one_of(st.integers(0, 50), st.just(MAX_COUNT))
_SHARE: Final = st.one_of(st.sampled_from([0.0, 1.0, 5e-324]), st.floats(0, 1))
_CONTEXT_ID: Final = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", fullmatch=True)
_TURN_ID: Final = st.text(_LOWER, min_size=26, max_size=26).map("turn_{}".format)
_HEAD: Final = st.text(_HEX, min_size=64, max_size=64)
_DIGEST: Final = st.builds("{}:{}".format, st.sampled_from(["sha256", "hmac-sha256"]), _HEAD)
_SCHEMA_REF: Final = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,63}/[1-9][0-9]{0,5}", fullmatch=True)
_POINTER: Final = st.lists(TEXT.map(lambda text: text.replace("~", "~0").replace("/", "~1")), max_size=3).map(
    lambda steps: "".join(f"/{step}" for step in steps)
)
_WORD: Final = st.from_regex(r"[a-z][a-z_]*", fullmatch=True)
_LEVEL: Final = st.sampled_from(get_args(Level))
_WEIGHT: Final = st.sampled_from(get_args(Weight))


def _written(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_MOMENT: Final = st.datetimes(min_value=datetime(1000, 1, 1)).map(_written)  # noqa: DTZ001 - `_written` sets UTC


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _several(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


_SEAL: Final = _maybe(
    st.builds(Seal, protocol=TEXT, value=TEXT, kind=st.sampled_from(["signature", "encrypted"]))
)
_TEXT_PART: Final = st.builds(TextPart, text=TEXT, seal=_SEAL, provider_details=_DETAILS)
_OPAQUE_PART: Final = st.builds(
    OpaquePart, protocol=TEXT, kind=TEXT, value=JSON, provider=_maybe(TEXT), model=_maybe(TEXT)
)


@st.composite
def _media(draw: st.DrawFn) -> MediaPart:
    source = draw(st.sampled_from(["url", "base64", "file_id", "text", "blob"]))
    source_value = draw(_DIGEST if source == "blob" else TEXT)
    return MediaPart(
        size=draw(_maybe(_COUNT)),
        kind=draw(st.sampled_from(get_args(MediaKind))),
        media_type=draw(_maybe(TEXT)),
        filename=draw(_maybe(TEXT)),
        detail=draw(_maybe(TEXT)),
        provider_details=draw(_DETAILS),
        **{source: source_value},
    )


PARTS: Final[st.SearchStrategy[Part]] = st.one_of(
    _TEXT_PART,
    st.builds(RefusalPart, text=TEXT, provider_details=_DETAILS),
    st.builds(ReasoningPart, text=TEXT, member=TEXT, seal=_SEAL, provider_details=_DETAILS),
    _media(),
    st.builds(
        ToolCallPart,
        id=TEXT,
        name=TEXT,
        arguments=TEXT,
        kind=st.sampled_from(["function", "custom"]),
        seal=_SEAL,
        provider_details=_DETAILS,
    ),
    st.builds(
        ToolResultPart,
        call_id=TEXT,
        content=_several(st.one_of(_TEXT_PART, _media(), _OPAQUE_PART)),
        is_error=st.booleans(),
        provider_details=_DETAILS,
    ),
    _OPAQUE_PART,
)

_BINDING: Final = st.builds(
    Binding,
    provider=_SHORT,
    kind=_SHORT,
    protocol=_SHORT,
    model=_SHORT,
    account=st.just("") | _HEAD.map(lambda head: head[:16]),
    prefix=st.just("") | _HEAD.map(lambda head: head[:32]),
)


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    """Turns of every status, with parts wherever there must be some."""
    first = draw(_COUNT)
    compaction = st.builds(
        Compaction, first=st.just(first), last=st.integers(first, MAX_COUNT), digest=_DIGEST, by=_SHORT
    )
    status, summed = draw(st.sampled_from(get_args(TurnStatus))), draw(_maybe(compaction))
    return Turn(
        id=draw(_TURN_ID),
        seq=draw(_COUNT),
        role=draw(st.sampled_from(get_args(Role))),
        created_at=draw(_MOMENT),
        parts=draw(_several(PARTS, least=1 if status == "complete" or summed else 0)),
        status=status,
        source=draw(st.sampled_from(get_args(Source))),
        name=draw(_maybe(_SHORT)),
        protocol=draw(_SHORT),
        provider_details=draw(_DETAILS),
        pinned=draw(st.booleans()),
        produced_by=draw(_maybe(_BINDING)),
        finish_reason=draw(_maybe(_SHORT)),
        call=draw(_maybe(_SHORT)),
        compaction=summed,
        raw=draw(
            _maybe(
                st.builds(
                    RawAnswer,
                    blob=_DIGEST,
                    size=_COUNT,
                    encoding=st.sampled_from(["identity", "deflate"]),
                )
            )
        ),
        origin=draw(_maybe(st.builds(Origin, context=_CONTEXT_ID, seq=_COUNT))),
    )


_POLICIES: Final = st.builds(
    Policy,
    enforcement=_maybe(_LEVEL),
    rules=st.dictionaries(st.sampled_from(get_args(Rule)), _LEVEL),
    min_preservation=_maybe(_SHARE),
    fit=_maybe(st.sampled_from(get_args(FitMode))),
    fit_target=_maybe(_SHARE.filter(bool)),
    keep_first=_maybe(st.integers(0, 1000)),
    summary_alias=_maybe(_SHORT.filter(bool)),
    on_conflict=_maybe(st.sampled_from(get_args(OnConflict))),
    ttl_s=_maybe(st.integers(60, 3_153_600_000)),
    max_bytes=_maybe(st.integers(1024, MAX_COUNT)),
    require_if_match=_maybe(st.booleans()),
    state_schema=_maybe(_SCHEMA_REF),
    metadata_schema=_maybe(_SCHEMA_REF),
    keep_raw=_maybe(st.booleans()),
)

_CONTEXTS: Final = st.builds(
    ContextInfo,
    id=_CONTEXT_ID,
    v=st.just(1),
    rev=_COUNT,
    head=_HEAD,
    turns=_COUNT,
    status=st.sampled_from(get_args(ContextStatus)),
    created_at=_MOMENT,
    updated_at=_MOMENT,
    bytes=_COUNT,
    expires_at=_maybe(_MOMENT),
    parent=_maybe(st.builds(Parent, id=_CONTEXT_ID, at_seq=_COUNT, head=_HEAD)),
    subject=_maybe(_SHORT.filter(bool)),
    policy=_POLICIES,
    metadata=st.dictionaries(TEXT, JSON, max_size=3),
    toolset_digest=_maybe(_DIGEST),
    encrypted=st.booleans(),
    imported_from=_maybe(_SHORT),
)

_VIOLATIONS: Final = st.builds(
    Violation,
    rule=st.lists(_WORD, min_size=1, max_size=3).map(".".join),
    pointer=_POINTER,
    message=TEXT,
    severity=_WEIGHT,
    level=_maybe(_LEVEL),
    schema_pointer=_maybe(_POINTER),
    repairable=st.booleans(),
    repaired=_maybe(TEXT),
)

_REPORTS: Final = st.builds(
    Report,
    context=_CONTEXT_ID,
    rev=_COUNT,
    target=_BINDING,
    verdict=st.sampled_from(get_args(Verdict)),
    score=_SHARE,
    counts=st.builds(Counts, **dict.fromkeys(Counts.__struct_fields__, _COUNT)),
    checks=st.dictionaries(st.sampled_from(get_args(Check)), st.sampled_from(get_args(CheckResult))),
    losses=_several(
        st.builds(
            PartLoss,
            code=st.builds("{}.{}".format, _WORD, _WORD),
            severity=_WEIGHT,
            pointer=_POINTER,
            source=st.sampled_from(get_args(LossSource)),
            turn=_maybe(_TURN_ID),
            through=_maybe(_COUNT),
            detail=_maybe(TEXT),
        )
    ),
    violations=_several(_VIOLATIONS),
    sent=_several(st.tuples(_COUNT, _COUNT)),
    input_digest=_maybe(_DIGEST),
    tokens=_maybe(
        st.builds(
            TokenFacts,
            estimated=_COUNT,
            exact=st.booleans(),
            reported=_maybe(_COUNT),
            window=_maybe(_COUNT),
        )
    ),
    fit=_maybe(_SHORT),
)

_CHECKS: Final = st.builds(
    SessionCheck,
    call=_SHORT,
    at=_MOMENT,
    verdict=st.sampled_from(get_args(Verdict)),
    score=_SHARE,
    turns=_COUNT,
    findings=_several(
        st.builds(
            Finding,
            code=st.sampled_from(get_args(FindingCode)),
            severity=_WEIGHT,
            message=TEXT,
            pointer=_maybe(_POINTER),
            index=_maybe(_COUNT),
            through=_maybe(_COUNT),
            detail=_maybe(st.sampled_from(get_args(FindingDetail))),
        )
    ),
    more=_COUNT,
)

VALUES: Final[dict[Kind, st.SearchStrategy[Any]]] = {
    "context": _CONTEXTS,
    "turn": turns(),
    "part": PARTS,
    "state": st.builds(StateDoc, rev=_COUNT, data=_DETAILS, schema=_maybe(_SCHEMA_REF)),
    "policy": _POLICIES,
    "report": _REPORTS,
    "record": st.builds(ReportRecord, call=_SHORT, at=_MOMENT, report=_REPORTS),
    "problem": st.builds(
        Problem,
        type=TEXT,
        title=TEXT,
        status=st.integers(400, 599),
        detail=TEXT,
        code=_WORD,
        violations=_several(_VIOLATIONS),
    ),
    "session": st.builds(
        SessionReport,
        id=_SHORT.filter(bool),
        v=st.just(1),
        created_at=_MOMENT,
        updated_at=_MOMENT,
        expires_at=_MOMENT,
        calls=_COUNT,
        branches=_several(st.builds(SessionBranch, turns=_COUNT, used_at=_MOMENT)),
        forgotten=_COUNT,
        last=_maybe(_CHECKS),
        found=_maybe(_CHECKS),
    ),
}
"""Any value of each kind."""


def read(kind: Kind, written: bytes) -> Any:
    """Read a document as the struct of its kind.

    Raises:
        msgspec.ValidationError: if the struct does not take it.
    """
    return _DECODERS[kind].decode(written)


def is_read(kind: Kind, written: bytes) -> bool:
    """Whether the struct of a kind takes a document."""
    try:
        read(kind, written)
    except msgspec.ValidationError:
        return False
    return True
