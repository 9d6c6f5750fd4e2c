"""Prompts listed, and new versions of them: `/admin/v1/prompts`."""

import asyncio
from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct, to_builtins

from llmgw.http.asked import HttpRequest, answer, body_of, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import ROOT, Desk, done
from llmgw.http.prompt_paths import name_of, paths
from llmgw.http.runtime import Runtime
from llmgw.prompts.files import parse
from llmgw.prompts.gates.findings import Finding
from llmgw.prompts.gates.lint import SECRET, errors, lint
from llmgw.prompts.registry.foreign import CONTENT_MAX
from llmgw.prompts.registry.wishes import Push
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import GitSource, PromptContent, PromptInfo, content_bytes
from llmgw.types.prompt_errors import InvalidPrompt, PromptRejected

MAX_PUSH: Final = 2 * 1024 * 1024
"""Bytes of a push: more than a version may have, so that one that is too large is refused in words."""

_UNUSABLE: Final = frozenset({SECRET, "schema", "template"})
"""Rules of findings that keep a content from being stored; others keep it from being published."""


class PushRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a push: a `.prompt` file, or its content beside its name."""

    file: Annotated[str, Meta(max_length=MAX_PUSH)] | None = None
    name: Annotated[str, Meta(max_length=300)] | None = None
    content: PromptContent | None = None
    message: Annotated[str, Meta(max_length=4096)] = ""
    parent: Annotated[int, Meta(ge=1)] | None = None
    source: GitSource = GitSource()
    author: Annotated[str, Meta(max_length=256)] = ""


def push_routes(runtime: Runtime, desk: Desk) -> list[HTTPRouteHandler]:
    """Make the routes."""

    @get(ROOT, opt={"permission": Permission.VIEW})
    async def prompts(request: HttpRequest) -> Response[bytes]:
        found = await desk.prompts(caller_of(request).tenant, request.query_params.get("prefix", ""))
        return answer({"prompts": [_listed(each) for each in found]})

    @get(paths(ROOT), opt={"permission": Permission.VIEW})
    async def prompt(request: HttpRequest) -> Response[bytes]:
        info = await desk.info(caller_of(request).tenant, name_of(request))
        return answer(info, etag=str(info.rev))

    @post(ROOT, request_max_body_size=MAX_PUSH, opt={"permission": Permission.PUBLISH})
    async def push(request: HttpRequest) -> Response[bytes]:
        wanted = await body_of(request, PushRequest)
        author = desk.author(request)
        name, content = await _read(wanted)
        await asyncio.to_thread(_refuse_unusable, content)
        wish = Push(
            content=content,
            message=wanted.message,
            parent=wanted.parent,
            source=wanted.source,
            author=wanted.author,
        )
        pushed = await desk.registry.push(author, name, wish)
        # What is stored has its partials beside it.
        _, stored = await desk.version(author.tenant, name, pushed.info.number)
        findings = await asyncio.to_thread(lint, stored, runtime.generation.gateway.models())
        told = {
            "name": name,
            "version": pushed.info.number,
            "hash": pushed.info.hash,
            "created": pushed.created,
            "findings": findings,
        }
        return done(author, told, 201 if pushed.created else 200)

    return [prompts, prompt, push]


def _refuse_unusable(content: PromptContent) -> None:
    """Refuse a content that is of no use, and one with credentials in it: versions are kept for good.

    Raises:
        InvalidPrompt: it is too large, which is found out before any of it is looked at.
        PromptRejected: it is one; the violations name all that is wrong, and repeat no secret.
    """
    if len(content_bytes(content)) > CONTENT_MAX:
        raise InvalidPrompt(f"a version has at most {CONTENT_MAX} bytes")
    found = tuple(each for each in errors(lint(content)) if each.rule in _UNUSABLE)
    # Other findings may quote what they are about, and that may be a secret.
    found = tuple(each for each in found if each.rule == SECRET) or found
    if found:
        raise rejected("the prompt cannot be kept as a version", found)


def rejected(message: str, findings: tuple[Finding, ...]) -> PromptRejected:
    """Make an error of findings."""
    return PromptRejected(f"{message}: {findings[0].message}", [each.violation for each in findings])


async def _read(wanted: PushRequest) -> tuple[str, PromptContent]:
    if wanted.file is not None:
        if wanted.name is not None or wanted.content is not None:
            raise InvalidRequest("give a file, or a name and a content", param="file")
        parsed = await asyncio.to_thread(parse, wanted.file, files=None)
        return parsed.name, parsed.content
    if wanted.name is None or wanted.content is None:
        raise InvalidRequest("give a file, or a name and a content", param="name")
    return wanted.name, wanted.content


def _listed(info: PromptInfo) -> dict[str, Any]:
    told: dict[str, Any] = to_builtins(info, str_keys=True)
    told.pop("versions", None)
    return told | {"labels": told.get("labels", {}), "newest": info.newest, "latest": info.latest}
