"""All prompts of a tenant on their way to another gateway, and from one: `/admin/v1/prompt-archive`.

One JSON object a line: first what it is, then each version with its content, then where the labels lead.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Literal, TypeAlias

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from msgspec import Struct

from llmgw.http.asked import HttpRequest, caller_of, read, require_json
from llmgw.http.context_transfer import NDJSON
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import Desk, done
from llmgw.http.prompt_pushes import refuse_secrets
from llmgw.http.runtime import Runtime
from llmgw.prompts.audit import Author
from llmgw.prompts.wishes import Deprecate, LabelMove, Push, Retire
from llmgw.types.errors import GatewayError, InvalidRequest
from llmgw.types.json import encode
from llmgw.types.prompt import Number, PromptContent, VersionInfo

ARCHIVE: Final = "/admin/v1/prompt-archive"
LINES_MAX: Final = 10_000
_REASON: Final = "taken over from an archive"


class Beginning(Struct, frozen=True, kw_only=True, tag_field="kind", tag="llmgw.prompts"):
    """The first line."""

    format: Literal[1] = 1


class Version(Struct, frozen=True, kw_only=True, tag_field="kind", tag="version"):
    """One version of a prompt."""

    name: str
    info: VersionInfo
    content: PromptContent


class Leads(Struct, frozen=True, kw_only=True, tag_field="kind", tag="labels"):
    """Where the labels of a prompt lead."""

    name: str
    labels: dict[str, Number]


Line: TypeAlias = Beginning | Version | Leads


class TakenOver(Struct, kw_only=True):
    """What became of an archive: labels that were there already stay, and are listed."""

    created: int = 0
    unchanged: int = 0
    labels: list[str] = []
    kept: list[str] = []
    pending: list[str] = []


def archive_routes(runtime: Runtime, desk: Desk) -> list[HTTPRouteHandler]:
    """Make the routes."""

    @get(ARCHIVE, opt={"permission": Permission.VIEW})
    async def export(request: HttpRequest) -> Stream:
        lines = _lines(desk, caller_of(request).tenant)
        # What cannot be exported is told before the status is.
        first = await anext(lines)

        async def told() -> AsyncIterator[bytes]:
            yield first
            async for line in lines:
                yield line

        named = {"content-disposition": 'attachment; filename="prompts.ndjson"'}
        return Stream(told(), media_type=NDJSON, headers=named)

    @post(
        ARCHIVE,
        status_code=200,
        request_max_body_size=runtime.limits.max_body,
        opt={"permission": Permission.PUBLISH},
    )
    async def take_over(request: HttpRequest) -> Response[bytes]:
        require_json(request, NDJSON, "application/ndjson", "application/jsonl")
        lines = _read(await request.body())
        author = desk.author(request)
        return done(author, await _TakingOver(desk, author).all(lines))

    return [export, take_over]


async def _lines(desk: Desk, tenant: str) -> AsyncGenerator[bytes, None]:
    infos = await desk.prompts(tenant, "")
    yield encode(Beginning()) + b"\n"
    for info in infos:
        for number in sorted(info.versions):
            version, content = await desk.version(tenant, info.name, number)
            yield encode(Version(name=info.name, info=version, content=content)) + b"\n"
        labels = {name: label.version for name, label in info.labels.items() if label.version}
        if labels:
            yield encode(Leads(name=info.name, labels=labels)) + b"\n"


def _read(body: bytes) -> list[Line]:
    written = [line for line in body.split(b"\n") if line.strip()]
    if len(written) > LINES_MAX:
        raise InvalidRequest(f"an archive has {LINES_MAX} lines at most")
    lines: list[Line] = []
    for number, each in enumerate(written, 1):
        try:
            lines.append(read(each, Line))  # type: ignore[arg-type]  # a union of structs is one to msgspec
        except GatewayError as error:
            raise InvalidRequest(f"line {number}: {error.message}") from None
    if not lines or not isinstance(lines[0], Beginning):
        raise InvalidRequest('an archive begins with {"kind":"llmgw.prompts","format":1}')
    for line in lines:
        if isinstance(line, Version):
            refuse_secrets(line.content)
    return lines


class _TakingOver:
    """Takes over one archive, version by version; what is there already stays as it is."""

    def __init__(self, desk: Desk, author: Author) -> None:
        self._registry = desk.registry
        self._author = author
        self._numbers: dict[tuple[str, int], int] = {}
        self._came_to = TakenOver(labels=[], kept=[], pending=[])

    async def all(self, lines: list[Line]) -> TakenOver:
        """Take over all lines; may be repeated after a failure.

        Raises:
            GatewayError: a version or a label is refused; what came before it stays.
        """
        for line in lines:
            match line:
                case Version():
                    await self._version(line)
                case Leads():
                    await self._labels(line)
                case Beginning():
                    pass
        return self._came_to

    async def _version(self, line: Version) -> None:
        wish = Push(
            content=line.content,
            message=line.info.message,
            source=line.info.source,
            author=line.info.author,
            as_is=True,
        )
        pushed = await self._registry.push(self._author, line.name, wish)
        number = pushed.info.number
        self._numbers[line.name, line.info.number] = number
        if not pushed.created:
            self._came_to.unchanged += 1
            return
        self._came_to.created += 1
        if line.info.state == "draft":
            return
        await self._registry.publish(self._author, line.name, number)
        if line.info.state == "deprecated":
            wish_end = Deprecate(version=number, sunset_ms=line.info.sunset_ms, successor=line.info.successor)
            await self._registry.deprecate(self._author, line.name, wish_end)
        elif line.info.state == "retired":
            await self._registry.retire(
                self._author, line.name, Retire(version=number, successor=line.info.successor)
            )

    async def _labels(self, line: Leads) -> None:
        """Lead labels that are not there yet to where they led; their evaluations stayed behind."""
        there = (await self._registry.info(self._author.tenant, line.name)).labels
        for label, number in sorted(line.labels.items()):
            told = f"{line.name}:{label}"
            if label in there:
                self._came_to.kept.append(told)
                continue
            version = self._numbers.get((line.name, number))
            if version is None:
                raise InvalidRequest(
                    f"the label {told} leads to version {number}, which is not in the archive"
                )
            wish = LabelMove(version=version, reason=_REASON, break_glass=True)
            moved = await self._registry.move(self._author, line.name, label, wish)
            (self._came_to.pending if moved.pending else self._came_to.labels).append(told)
