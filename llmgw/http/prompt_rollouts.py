"""Sending a share of a label's calls elsewhere: `/admin/v1/prompts/{name}/labels/{label}/rollout`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from llmgw.http.asked import HttpRequest, answer, body_of, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import MAX_WORDS, ROOT, Desk, expected_of, left
from llmgw.http.prompt_paths import label_of, name_of, paths
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.wishes import Start, Turn
from llmgw.types.prompt import BasisPoints, Label, Number, StickyBy

_ROLLOUT: Final = "/labels/{label:str}/rollout"
_Reason = Annotated[str, Meta(max_length=1024)]


class StartRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST …/rollout`; shares in basis points."""

    candidate: Number
    steps: Annotated[tuple[BasisPoints, ...], Meta(max_length=20)] = ()
    weight: BasisPoints | None = None
    sticky_by: StickyBy = "context"
    reason: _Reason = ""
    break_glass: bool = False


class TurnRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of what is done with a rollout under way; all of it may be left out."""

    reason: _Reason = ""


class StepRequest(TurnRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a step; without a weight it is the next one."""

    weight: BasisPoints | None = None


def rollout_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """Make the routes; whoever is on call may hold a rollout, or end it, but send it no further."""
    registry = desk.registry
    back, forth = Permission.ROLL_BACK, Permission.PUBLISH

    @post(
        paths(ROOT, _ROLLOUT),
        status_code=201,
        request_max_body_size=MAX_WORDS,
        opt={"permission": Permission.PUBLISH},
    )
    async def start(request: HttpRequest) -> Response[bytes]:
        name, label, author = name_of(request), label_of(request), desk.author(request)
        wanted = await body_of(request, StartRequest)
        wish = Start(
            candidate=wanted.candidate,
            steps=wanted.steps,
            weight=wanted.weight,
            sticky_by=wanted.sticky_by,
            reason=wanted.reason,
            break_glass=wanted.break_glass,
            if_match=expected_of(request),
        )
        return left(author, await registry.start_rollout(author, name, label, wish), 201)

    @get(paths(ROOT, _ROLLOUT), opt={"permission": Permission.VIEW})
    async def status(request: HttpRequest) -> Response[bytes]:
        tenant, name, label = caller_of(request).tenant, name_of(request), label_of(request)
        there = (await registry.info(tenant, name)).labels.get(label)
        arms = await registry.arms(tenant, name, label)
        return answer({"rollout": there.rollout if there is not None else None, "arms": arms})

    @post(
        paths(ROOT, f"{_ROLLOUT}/step"),
        status_code=200,
        request_max_body_size=MAX_WORDS,
        opt={"permission": Permission.PUBLISH},
    )
    async def step(request: HttpRequest) -> Response[bytes]:
        name, label, author = name_of(request), label_of(request), desk.author(request)
        wanted = await body_of(request, StepRequest, default=StepRequest())
        wish = Turn(weight=wanted.weight, reason=wanted.reason, if_match=expected_of(request))
        return left(author, await registry.step(author, name, label, wish))

    return [
        start,
        status,
        step,
        _turning(desk, "pause", back, registry.pause),
        _turning(desk, "resume", forth, registry.resume),
        _turning(desk, "abort", back, registry.abort),
        _turning(desk, "promote", forth, registry.promote),
    ]


def _turning(
    desk: Desk,
    word: str,
    permission: Permission,
    turn: Callable[[Author, str, str, Turn], Awaitable[Label]],
) -> HTTPRouteHandler:
    @post(
        paths(ROOT, f"{_ROLLOUT}/{word}"),
        status_code=200,
        request_max_body_size=MAX_WORDS,
        opt={"permission": permission},
        name=f"rollout {word}",
    )
    async def handle(request: HttpRequest) -> Response[bytes]:
        name, label, author = name_of(request), label_of(request), desk.author(request)
        wanted = await body_of(request, TurnRequest, default=TurnRequest())
        wish = Turn(reason=wanted.reason, if_match=expected_of(request))
        return left(author, await turn(author, name, label, wish))

    return handle
