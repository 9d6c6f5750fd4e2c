"""Large content of a context, kept once under its digest: a turn that holds it stays small.

What is stored is 16 bytes of salt, one that says what it is, and the content; the digest is that of all of it. The
salt is that of the context where it was said, so that nobody can tell from a digest whether a guess is right, nor
whether two contexts hold the same. It goes where the content goes, so that whoever has both can check them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from msgspec.structs import replace

from llmgw.context.integrity import frame
from llmgw.types.message import (
    ContentPart,
    MediaKind,
    MediaPart,
    Part,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

Kind: TypeAlias = Literal["b", "t", "r"]
"""Base64, text, or a provider's own bytes of an answer."""

SALT: Final = frame.SALT
LARGE: Final = 8 * 1024
"""Characters from which content is kept apart."""
PICTURE: Final = 8_000
"""More tokens than any model takes for one picture."""


def written(salt: bytes, kind: Kind, content: bytes) -> bytes:
    """Write content as it is stored."""
    return b"".join((salt, kind.encode(), content))


def digest_of(blob: bytes) -> str:
    """The name of what is stored."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def kind_of(blob: bytes) -> str:
    """What it is."""
    return blob[SALT : SALT + 1].decode("ascii", "replace")


def content_of(blob: bytes) -> bytes:
    """The content itself."""
    return blob[SALT + 1 :]


def put_aside(parts: tuple[Part, ...], salt: bytes, blobs: dict[str, bytes]) -> tuple[Part, ...]:
    """Replace large media by their digests, and add their content to `blobs`."""
    if len(parts) == 1 and parts[0].__class__ is TextPart:
        return parts

    def aside(part: MediaPart) -> MediaPart:
        content = part.base64 if part.base64 is not None else part.text
        if content is None or len(content) < LARGE:
            return part
        blob = written(salt, "t" if part.base64 is None else "b", content.encode())
        digest = digest_of(blob)
        blobs[digest] = blob
        return replace(part, base64=None, text=None, blob=digest, size=len(content))

    return _each_media(parts, aside)


def brought_back(
    parts: tuple[Part, ...], blobs: Mapping[str, bytes], missing: Callable[[str], None]
) -> tuple[Part, ...]:
    """Put content back where `put_aside` took it away; what is not in `blobs` stays away, and `missing` is told."""

    def back(part: MediaPart) -> MediaPart:
        if part.blob is None:
            return part
        blob = blobs.get(part.blob)
        if blob is None:
            missing(part.blob)
            return part
        content = content_of(blob).decode()
        if kind_of(blob) == "t":
            return replace(part, text=content, blob=None, size=None)
        return replace(part, base64=content, blob=None, size=None)

    return _each_media(parts, back)


def named(parts: Iterable[Part]) -> Iterator[str]:
    """The digests that parts refer to."""
    for part in parts:
        if isinstance(part, MediaPart) and part.blob is not None:
            yield part.blob
        elif isinstance(part, ToolResultPart):
            yield from named(part.content)


def tokens_at_most(parts: Iterable[Part]) -> int:
    """A bound of the tokens of what is kept apart: a picture's price, else one for each character."""
    total = 0
    for part in parts:
        if isinstance(part, MediaPart) and part.blob is not None:
            total += PICTURE if part.kind == "image" else part.size or 0
        elif isinstance(part, ToolResultPart):
            total += tokens_at_most(part.content)
    return total


def media_in(parts: Iterable[Part]) -> Iterator[MediaPart]:
    """The media in parts, those kept apart too; not documents that are plain text."""
    for part in parts:
        if isinstance(part, MediaPart):
            if part.text is None:
                yield part
        elif isinstance(part, ToolResultPart):
            yield from media_in(part.content)


def kinds_in(parts: Iterable[Part]) -> Iterator[MediaKind]:
    """The kinds of media in parts; documents that are plain text are within reach of every model."""
    return (part.kind for part in media_in(parts))


def words_in(part: Part) -> int:
    """Characters of a part that every model reads, and counts by: neither media nor reasoning nor seals."""
    match part:
        case TextPart(text=text) | RefusalPart(text=text):
            return len(text)
        case ToolCallPart(name=name, arguments=arguments):
            return len(name) + len(arguments)
        case ToolResultPart(content=content):
            return sum(map(words_in, content))
        case _:
            return 0


def _each_media(parts: tuple[Part, ...], change: Callable[[MediaPart], MediaPart]) -> tuple[Part, ...]:
    if not any(isinstance(part, MediaPart | ToolResultPart) for part in parts):
        return parts
    changed: list[Part] = []
    for part in parts:
        if isinstance(part, MediaPart):
            changed.append(change(part))
        elif isinstance(part, ToolResultPart):
            content: tuple[ContentPart, ...] = tuple(
                change(item) if isinstance(item, MediaPart) else item for item in part.content
            )
            changed.append(replace(part, content=content))
        else:
            changed.append(part)
    return tuple(changed)
