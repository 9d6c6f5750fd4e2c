"""All prompts of a tenant as lines of JSON, and back: with the numbers, hashes and labels that they have.

The first line says what follows, the last one that nothing is missing. Evaluations and events of the audit are told
for the record; taking an archive over is an event of its own for each prompt.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.changes import At, Change
from llmgw.prompts.registry.events import as_commit
from llmgw.prompts.registry.foreign import believed
from llmgw.prompts.settings import PromptSettings
from llmgw.prompts.storage.store import PromptStore, decode_info
from llmgw.types.errors import InvalidRequest, StoreUnavailable
from llmgw.types.json import encode
from llmgw.types.prompt import PromptContent, PromptInfo
from llmgw.types.prompt_errors import PromptConflict

FORMAT: Final = "llmgw-prompts/1"
_CHUNK: Final = 1024 * 1024
"""Bytes of contents that are read or written at once, or one content."""
_TRIES: Final = 20
_DETAIL_MAX: Final = 1024
"""Characters of what the audit says of labels."""


class Head(Struct, frozen=True, kw_only=True, tag_field="kind", tag="archive"):
    """What an archive is."""

    format: str
    tenant: str
    at_ms: int


class PromptLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="prompt"):
    """One prompt without its contents, which follow it."""

    info: PromptInfo


class ContentLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="content"):
    """The content of a version, as the bytes that its hash is of."""

    prompt: str
    hash: str
    content: Raw


class GatesLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="gates"):
    """The evaluations of a content."""

    prompt: str
    hash: str
    gates: Raw


class EventLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="event"):
    """One event of the tenant's audit."""

    event: Raw


class End(Struct, frozen=True, kw_only=True, tag_field="kind", tag="end"):
    """That nothing is missing: how many prompts and contents there are, and lines before this one."""

    prompts: int
    contents: int
    lines: int


Line: TypeAlias = Head | PromptLine | ContentLine | GatesLine | EventLine | End


class Imported(Struct, frozen=True, kw_only=True):
    """What was taken over: prompts that were not there, versions added, prompts that were there and as archived."""

    prompts: int
    versions: int
    unchanged: int


class _Whole(Struct):
    """One prompt of an archive."""

    info: PromptInfo
    contents: dict[str, bytes]


_decode = msgspec.json.Decoder(Line).decode


class Archive:
    """Writes and takes over archives."""

    def __init__(self, store: PromptStore, settings: PromptSettings, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._settings = settings
        self._now_ms = now_ms

    async def export(self, tenant: str) -> AsyncIterator[bytes]:
        """Write all prompts of a tenant, a line at a time.

        Raises:
            StoreUnavailable: the store cannot be asked; what was written so far lacks its last line.
        """
        yield _line(Head(format=FORMAT, tenant=tenant, at_ms=self._now_ms()))
        prompts = contents = 0
        lines = 1
        for name in sorted(name for owner, name in await self._store.members() if owner == tenant):
            (found,) = await self._store.read([(tenant, name)], [""])
            if found.info is None:
                continue
            info = decode_info(found.info, name)
            prompts += 1
            lines += 1
            yield _line(PromptLine(info=info))
            for digest in sorted({each.hash for each in info.versions.values()}):
                content, gates = await self._store.fields(tenant, name, f"c:{digest}", f"g:{digest}")
                if content is not None:
                    contents += 1
                    lines += 1
                    yield _line(ContentLine(prompt=name, hash=digest, content=Raw(content)))
                if gates is not None:
                    lines += 1
                    yield _line(GatesLine(prompt=name, hash=digest, gates=Raw(gates)))
        first = 0
        while page := await self._store.events(tenant, first):
            first += len(page)
            for event in page:
                yield _line(EventLine(event=Raw(event)))
        yield _line(End(prompts=prompts, contents=contents, lines=lines + first))

    async def take_over(
        self, author: Author, lines: Iterable[bytes], compiles: Callable[[PromptContent], object]
    ) -> Imported:
        """Take over an archive: prompts that are not there as they are in it; to others, versions they lack.

        Labels of prompts that are there stay. Evaluations are not taken over: whoever brings an archive may have
        written them himself. Nothing is changed unless all of it can be.

        Raises:
            InvalidRequest: it is no archive, or not whole.
            PromptConflict: a prompt is there and has another content at one of the numbers.
            TemplateError, SchemaRejected: a version cannot be rendered.
            StoreUnavailable: it is not known how much was taken over; asking again does no harm.
        """
        archived = await asyncio.to_thread(read, lines)
        at = At(author, self._now_ms(), self._settings)
        for each in archived.values():
            each.info = await asyncio.to_thread(believed, each.info, each.contents, compiles, at)
        for name, each in archived.items():
            _missing(each, (await self._store.peek(author.tenant, name)).info)
        prompts = versions = unchanged = 0
        for name, each in archived.items():
            made, added = await self._put(author, name, each)
            prompts += made
            versions += added
            unchanged += not added
        # Only now may workers take what is here for all there is.
        if not (await self._store.standing()).epoch and archived:
            await self._store.begin()
        return Imported(prompts=prompts, versions=versions, unchanged=unchanged)

    async def _put(self, author: Author, name: str, whole: _Whole) -> tuple[bool, int]:
        """Take over one prompt; says whether it was not there, and how many versions it got."""
        for _ in range(_TRIES):
            there = await self._store.peek(author.tenant, name)
            missing = _missing(whole, there.info)
            if not missing:
                return False, 0
            # Contents that no entry names yet are nothing to anybody.
            await self._put_contents(author.tenant, name, whole, missing)
            at = At(author, self._now_ms(), self._settings)
            info = whole.info
            if there.info is not None:
                added = {number: whole.info.versions[number] for number in missing}
                info = replace(
                    there.info,
                    rev=there.info.rev + 1,
                    updated_ms=at.now_ms,
                    versions={**there.info.versions, **added},
                )
            change = Change(
                info=info, op="import", after=f"{len(missing)} versions", detail=_labels(info, there.info)
            )
            before = there.info or replace(info, labels={})
            if await self._store.commit(as_commit(change, before, there, at, begin=False)):
                return there.info is None, len(missing)
        raise StoreUnavailable("too many change this tenant's prompts at once", retry_after_s=1)

    async def _put_contents(self, tenant: str, name: str, whole: _Whole, missing: list[int]) -> None:
        chunk: dict[str, bytes] = {}
        for digest in sorted({whole.info.versions[number].hash for number in missing}):
            chunk[f"c:{digest}"] = whole.contents[digest]
            if sum(map(len, chunk.values())) > _CHUNK:
                await self._store.put_fields(tenant, name, chunk)
                chunk = {}
        if chunk:
            await self._store.put_fields(tenant, name, chunk)


def read(lines: Iterable[bytes]) -> dict[str, _Whole]:
    """Read an archive into its prompts.

    Raises:
        InvalidRequest: it is no archive, or not whole.
    """
    found: dict[str, _Whole] = {}
    contents = number = 0
    end: End | None = None
    for number, line in enumerate(_lines(lines), start=1):
        if (number == 1) != isinstance(line, Head) or end is not None:
            raise InvalidRequest(f"line {number} is not where it belongs")
        match line:
            case PromptLine(info=info) if info.name not in found:
                found[info.name] = _Whole(info, {})
            case ContentLine() if line.prompt in found:
                contents += 1
                found[line.prompt].contents[line.hash] = bytes(line.content)
            case GatesLine() if line.prompt in found:
                pass  # told for the record, as events are
            case End():
                end = line
            case PromptLine() | ContentLine() | GatesLine():
                raise InvalidRequest(f"line {number} is not where it belongs")
    if end is None or (end.prompts, end.contents, end.lines) != (len(found), contents, number - 1):
        raise InvalidRequest("the archive is not whole: lines are missing")
    return found


def _lines(lines: Iterable[bytes]) -> Iterator[Line]:
    for number, raw in enumerate((each for each in lines if each.strip()), start=1):
        try:
            line = _decode(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise InvalidRequest(f"line {number} is none of an archive") from None
        if isinstance(line, Head) and line.format != FORMAT:
            raise InvalidRequest(f"this is no archive of the format {FORMAT}")
        yield line


def _missing(whole: _Whole, there: PromptInfo | None) -> list[int]:
    """The versions that a prompt lacks, by number.

    Raises:
        PromptConflict: it has another content at one of the numbers.
    """
    known = there.versions if there is not None else {}
    for number, version in whole.info.versions.items():
        if number in known and known[number].hash != version.hash:
            raise PromptConflict(
                f"{whole.info.name}@{number} is there and has another content: take it over under another tenant, "
                "or push its files"
            )
    hashes = {each.hash for each in known.values()}
    missing = sorted(set(whole.info.versions) - set(known))
    if any(whole.info.versions[number].hash in hashes for number in missing):
        raise PromptConflict(f"{whole.info.name} has a content of the archive under another number")
    return missing


def _labels(info: PromptInfo, there: PromptInfo | None) -> str:
    """Where the labels lead that came with a prompt, for the audit: nobody here evaluated what they lead to."""
    if there is not None or not info.labels:
        return ""
    led = (f"{name} to {label.version}" for name, label in sorted(info.labels.items()))
    return f"labels without evaluation: {', '.join(led)}"[:_DETAIL_MAX]


def _line(line: Line) -> bytes:
    return encode(line) + b"\n"
