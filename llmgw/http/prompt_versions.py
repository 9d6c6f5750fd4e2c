"""One version of a prompt: read, compared, rendered and published: `/admin/v1/prompts/{name}/versions/{n}`."""

import asyncio
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from llmgw.gateway.evaluating import Subject, Trial, render_all
from llmgw.gateway.rendering import rendered_as_told
from llmgw.http.asked import MAX_BODY, HttpRequest, answer, body_of, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import MAX_WORDS, ROOT, Desk, done, meant
from llmgw.http.prompt_labels import Nothing
from llmgw.http.prompt_paths import name_of, paths, version_of
from llmgw.http.prompt_pushes import rejected
from llmgw.http.runtime import Runtime
from llmgw.prompts.files import write
from llmgw.prompts.gates.dataset import read_cases
from llmgw.prompts.gates.differences import breaking, changed_members, unified
from llmgw.prompts.gates.lint import Models, errors, lint
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types.errors import InvalidRequest
from llmgw.types.json import Json
from llmgw.types.prompt import PromptContent, VersionInfo

_VERSION: Final = "/versions/{number:str}"
_PROMPT_FILE: Final = "text/plain; charset=utf-8"
_ANY_MODEL: Final = "any"


class RenderRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a rendering."""

    variables: dict[str, Json] = {}


def version_routes(runtime: Runtime, desk: Desk) -> list[HTTPRouteHandler]:
    """Make the routes."""

    @get(paths(ROOT, _VERSION), opt={"permission": Permission.VIEW})
    async def version(request: HttpRequest) -> Response[bytes]:
        info, content = await desk.version(caller_of(request).tenant, name_of(request), version_of(request))
        return answer({"info": info, "content": content})

    @get(paths(ROOT, f"{_VERSION}/file"), opt={"permission": Permission.VIEW})
    async def file(request: HttpRequest) -> Response[str]:
        name = name_of(request)
        _, content = await desk.version(caller_of(request).tenant, name, version_of(request))
        return Response(
            write(name, content), media_type=_PROMPT_FILE, headers={"x-content-type-options": "nosniff"}
        )

    @get(paths(ROOT, "/diff"), opt={"permission": Permission.VIEW})
    async def diff(request: HttpRequest) -> Response[bytes]:
        tenant, name = caller_of(request).tenant, name_of(request)
        info = await desk.info(tenant, name)
        asked = request.query_params
        if not asked.get("from") or not asked.get("to"):
            raise InvalidRequest("name two versions or labels: ?from=7&to=8", param="from")
        old, new = meant(info, asked["from"]), meant(info, asked["to"])
        _, before = await desk.version(tenant, name, old.number)
        _, after = await desk.version(tenant, name, new.number)
        return answer(await asyncio.to_thread(_difference, name, (old, before), (new, after)))

    @post(
        paths(ROOT, f"{_VERSION}/render"),
        status_code=200,
        request_max_body_size=MAX_BODY,
        opt={"permission": Permission.PUBLISH},
    )
    async def render(request: HttpRequest) -> Response[bytes]:
        name, number = name_of(request), version_of(request)
        wanted = await body_of(request, RenderRequest, default=RenderRequest())
        _, content = await desk.version(caller_of(request).tenant, name, number)
        if content.partial is not None:
            raise InvalidRequest("a partial is for others to include and cannot be rendered by itself")
        compiled = await asyncio.to_thread(compile_prompt, content)
        return answer(rendered_as_told(compiled, wanted.variables, name, number))

    @post(
        paths(ROOT, f"{_VERSION}/publish"),
        status_code=200,
        request_max_body_size=MAX_WORDS,
        opt={"permission": Permission.PUBLISH},
    )
    async def publish(request: HttpRequest) -> Response[bytes]:
        name, number, author = name_of(request), version_of(request), desk.author(request)
        await body_of(request, Nothing, default=Nothing())
        info, content = await desk.version(author.tenant, name, number)
        await _check(name, info, content, runtime.generation.gateway.models())
        return done(author, await desk.registry.publish(author, name, number))

    return [version, file, diff, render, publish]


async def _check(name: str, info: VersionInfo, content: PromptContent, models: Models) -> None:
    """Refuse a version that is not fit to be called.

    Raises:
        PromptRejected: the lint found errors, or cases of its own cannot be rendered.
    """
    findings = errors(await asyncio.to_thread(lint, content, models))
    if findings:
        raise rejected(f"{name}@{info.number} is not fit to be published", findings)
    if content.partial is not None or content.tests is None:
        return
    compiled = await asyncio.to_thread(compile_prompt, content)
    trial = Trial(
        name=name,
        subject=Subject(info=info, compiled=compiled),
        dataset=read_cases(content.tests.cases),
        model=_ANY_MODEL,
        min_cases=1,
    )
    await render_all(trial, within="/tests/cases")


def _difference(
    name: str, old: tuple[VersionInfo, PromptContent], new: tuple[VersionInfo, PromptContent]
) -> dict[str, Json]:
    (was, before), (now, after) = old, new
    old_lines, new_lines = (write(name, each).splitlines(keepends=True) for each in (before, after))
    return {
        "from": was.number,
        "to": now.number,
        "text": unified(old_lines, new_lines, f"{name}@{was.number}", f"{name}@{now.number}"),
        "changed": changed_members(before, after),
        "breaking": breaking(before, after),
    }
