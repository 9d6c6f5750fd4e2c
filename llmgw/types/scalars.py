"""The names, digests, times and numbers of which documents of the context protocol are made."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

ContextId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")]
"""A context's name within its tenant: the gateway's (`ctx_` and 26 characters), or one of the caller's choice."""
TurnId: TypeAlias = Annotated[str, Meta(pattern=r"^turn_[0-9a-z]{26}\Z")]
Digest: TypeAlias = Annotated[str, Meta(pattern=r"^(sha256|hmac-sha256):[0-9a-f]{64}\Z")]
Moment: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z\Z"
    ),
]
"""RFC 3339 in UTC, with milliseconds."""
MAX_COUNT: Final = 2**53 - 1
"""The largest whole number that every JSON reader tells from its neighbours (RFC 7493)."""
Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Seq: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
"""A turn's place in its context, from 0."""
Name: TypeAlias = Annotated[str, Meta(max_length=256)]
