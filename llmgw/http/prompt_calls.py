"""What callers do with prompts: list them, render them, ask with them, and call those that are APIs."""

import asyncio
from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from llmgw.gateway.rendering import rendering_of
from llmgw.http.api_document import api_document
from llmgw.http.asked import HttpRequest, answer, body_of, caller_of
from llmgw.http.data_plane import Endpoint
from llmgw.http.exchange import Exchange, Receive, Scope, Send
from llmgw.http.permissions import Permission
from llmgw.http.prompt_catalogue import catalogue, listing, served_apis
from llmgw.http.prompt_headers import prompt_headers
from llmgw.http.prompt_paths import name_of, paths
from llmgw.http.prompt_wires import PromptApi, PromptCompletions
from llmgw.http.runtime import Runtime
from llmgw.types.message import Details
from llmgw.wire.base import WireFormat
from llmgw.wire.prompt_member import CHOICES, own_ref, refuse_unknown


def prompt_call_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes that ask a model: the walk of every call, in a dialect that its address completes.

    They are ordinary routes whose answer takes the connection over, as the router has no parameters for others.
    They stand outside the lock, as that walk sees to the key itself.
    """

    def walked(wire: WireFormat) -> ASGIApp:
        async def answer_call(scope: Scope, receive: Receive, send: Send) -> None:
            await Endpoint(wire, runtime).serve(Exchange(scope, receive, send))

        return answer_call  # type: ignore[return-value]  # Litestar types ASGI more narrowly than the specification

    @post(paths("/v1/prompts", "/completions"), opt={"permission": Permission.CALL})
    async def complete(request: HttpRequest) -> ASGIApp:
        return walked(PromptCompletions(request.path_params))

    @post(["/v1/apis/{slug:str}", "/v1/apis/{slug:str}/{major:str}"], opt={"permission": Permission.CALL})
    async def call(request: HttpRequest) -> ASGIApp:
        found = request.path_params
        return walked(PromptApi(found["slug"], found.get("major")))

    return [complete, call]


def prompt_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes that ask no model."""
    snapshot = runtime.prompts.snapshot

    @get("/v1/prompts", opt={"permission": Permission.CALL})
    async def prompts(request: HttpRequest) -> Response[bytes]:
        return answer({"prompts": await listing(snapshot, caller_of(request).tenant)})

    @post(paths("/v1/prompts", "/render"), status_code=200, opt={"permission": Permission.CALL})
    async def render(request: HttpRequest) -> Response[bytes]:
        members = await body_of(request, Details)
        refuse_unknown(members, CHOICES, "")
        ref = own_ref(members, name=name_of(request))
        tenant = caller_of(request).tenant
        rendering = partial(rendering_of, runtime.prompts, tenant, ref, runtime.new_id(), runtime.clock)
        told, facts = await runtime.prompts.when_ready(rendering)
        response = answer(told)
        for name, value in prompt_headers(facts):
            response.headers[name.decode()] = value.decode()
        return response

    @get("/v1/apis", opt={"permission": Permission.CALL})
    async def apis(request: HttpRequest) -> Response[bytes]:
        return answer({"apis": catalogue(snapshot, caller_of(request).tenant)})

    @get("/v1/apis/openapi.json", opt={"permission": Permission.CALL})
    async def document(request: HttpRequest) -> Response[bytes]:
        served = served_apis(snapshot, caller_of(request).tenant)
        # What is in it does not change any more, and going through it may take longer than others should wait.
        keys = runtime.keyring is not None
        return answer(await asyncio.to_thread(api_document, served, keys=keys))

    return [prompts, render, apis, document]
