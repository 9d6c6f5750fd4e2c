"""From what is said to the frames that are stored: each turn is encoded once, then sealed to the one before it."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from llmgw.context.birth import new_salt
from llmgw.context.clock import moment
from llmgw.context.ids import new_id
from llmgw.context.integrity import blobs, frame
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.cipher import Cipher
from llmgw.context.kept import Kept, encode_json, kept, meta_of
from llmgw.types.message import Message
from llmgw.types.turn import Turn


class Draft(Struct, frozen=True, kw_only=True):
    """A turn that is about to be stored, and the bytes that will be; `at` is unix milliseconds.

    One that was redacted where it comes from has no bytes but the `digest` of those there were.
    """

    turn: Kept
    body: bytes
    at: int
    digest: bytes | None = None


class Place(Struct, frozen=True, kw_only=True):
    """Where a draft is to stand: its number, its context, and the salt of that context's blobs."""

    seq: int
    home: str
    salt: bytes


def draft(message: Message, place: Place, at: int, aside: dict[str, bytes], **more: Any) -> Draft:
    """Make a turn of a message; large content goes to `aside`, `more` are further members of `Turn`."""
    return of_turn(
        Turn(
            id=new_id("turn", at),
            seq=place.seq,
            role=message.role,
            created_at=moment(at),
            parts=blobs.put_aside(message.parts, place.salt, aside),
            name=message.name,
            protocol=message.protocol,
            provider_details=message.provider_details,
            **more,
        ),
        at,
        place.home,
    )


def of_turn(turn: Turn, at: int, home: str) -> Draft:
    """Make a draft of a turn that is complete."""
    body = encode_json(turn)
    return Draft(turn=kept(turn, len(body), home), body=body, at=at)


def seal(
    drafts: Sequence[Draft], keys: ChainKeys, tenant: str, link: bytes, cipher: Cipher | None
) -> tuple[list[bytes], bytes]:
    """Write the frames of turns that follow a link; returns them and the link they end in."""
    key_id = keys.current
    key = keys.chain(tenant, key_id)
    frames: list[bytes] = []
    for each in drafts:
        meta = meta_of(each.turn, each.at, len(each.body))
        if each.digest is not None:
            bare = frame.redacted(meta, each.digest, key_id=key_id, key=key, before=link)
            written, link = frame.encode(bare), bare.link
        else:
            body = each.body if cipher is None else cipher.encrypt(each.body, str(each.turn.seq))
            written, link = frame.chained(
                meta, body, new_salt(), key_id=key_id, key=key, before=link, encrypted=cipher is not None
            )
        frames.append(written)
    return frames, link
