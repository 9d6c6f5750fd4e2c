"""A webhook as it is configured, and what one delivery to it looks like (Standard Webhooks 1.0.0)."""

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from llmgw.types.json import encode
from llmgw.types.secret import Secret
from llmgw.types.signal import Event

PREFIX: Final = "whsec_"
SECRET_LEAST: Final = 24
SECRET_MOST: Final = 64
"""Bytes of a secret, as the specification bounds them."""
PING: Final = "ping"
"""The kind of an event that tells nothing, for a test."""


class Webhook(Struct, frozen=True, kw_only=True):
    """Where events go; `kinds` and `tenants` are those it gets, empty for all."""

    url: str
    secret: Secret
    kinds: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What stands for it in the store and in answers: its place in the list may change."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def origin(self) -> str:
        """Its URL without what is often a secret: path and query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def secret_bytes(written: str) -> bytes:
    """Decode a secret: base64, with or without `whsec_` before it.

    Raises:
        ValueError: it is none, or too short or too long; the message does not repeat it.
    """
    try:
        decoded = base64.b64decode(written.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not base64, with or without {PREFIX} before it") from None
    if not SECRET_LEAST <= len(decoded) <= SECRET_MOST:
        raise ValueError(f"must have {SECRET_LEAST} to {SECRET_MOST} bytes before it is written as base64")
    return decoded


def message_id(event: Event) -> str:
    """The `webhook-id` of an event: the same at every attempt, without the full stop that ends it."""
    return f"evt_{hashlib.sha256(f'{event.tenant} {event.id}'.encode()).hexdigest()[:32]}"


def body_of(event: Event) -> bytes:
    """What is sent of an event."""
    at = datetime.fromtimestamp(event.at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return encode({"type": event.kind, "timestamp": f"{at}.{event.at_ms % 1000:03d}Z", "data": event})


def signed_headers(secret: Secret, event_id: str, at_s: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """The headers of one attempt at a moment in unix seconds: `{id}.{timestamp}.{body}` is what is signed."""
    signed = f"{event_id}.{at_s}.".encode() + body
    mac = hmac.new(secret_bytes(secret.reveal()), signed, hashlib.sha256).digest()
    return (
        ("content-type", "application/json"),
        ("webhook-id", event_id),
        ("webhook-timestamp", str(at_s)),
        ("webhook-signature", f"v1,{base64.b64encode(mac).decode()}"),
    )


def ping(at_ms: int) -> Event:
    """An event that says nothing but that the webhook works."""
    return Event(
        id=f"ping:{at_ms}",
        kind=PING,
        at_ms=at_ms,
        tenant="default",
        subject="webhook",
        numbers={},
        message="This is a test of the webhook.",
    )
