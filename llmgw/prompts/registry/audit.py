"""Who changed what, when and why: the events of a tenant's audit chain."""

from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from llmgw.types.json import encode


class Author(NamedTuple):
    """Who changes something: `who` is the id of the key, `call` of the request."""

    tenant: str
    who: str
    call: str


class AuditEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. `subject` is the label or the version that changed, `before` and `after` what it was and is.

    `prev` is the digest of the bytes of the event before, of whatever prompt of the tenant; `seq` counts from 1.
    """

    seq: int
    at_ms: int
    who: str
    call: str
    op: str
    prompt: str
    subject: str = ""
    before: str = ""
    after: str = ""
    reason: str = ""
    detail: str = ""
    prev: str


class History(Struct, frozen=True, kw_only=True):
    """The last events of one prompt, the newest first; `problem` says what is wrong with the tenant's chain."""

    events: list[AuditEvent]
    intact: bool
    problem: str = ""


def written(event: AuditEvent) -> bytes:
    """The bytes of an event as they are stored and digested."""
    return encode(event)


decode_event: Final = msgspec.json.Decoder(AuditEvent).decode
