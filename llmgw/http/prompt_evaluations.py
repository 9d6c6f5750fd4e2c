"""Versions tried on cases: `/admin/v1/prompts/{name}/versions/{n}/evaluate`, the one route that asks models."""

import asyncio
from typing import Annotated, Final

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from llmgw.gateway.evaluating import CONCURRENCY, CONCURRENCY_MAX, Evaluator, Subject, Trial
from llmgw.http.asked import HttpRequest, body_of
from llmgw.http.own_calls import begun, recorded
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import ROOT, Desk, done, meant
from llmgw.http.prompt_paths import name_of, paths, version_of
from llmgw.http.runtime import Runtime
from llmgw.http.while_there import while_there
from llmgw.prompts.gates.dataset import DATASET_MAX, read_cases
from llmgw.prompts.gates.results import GateResult
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types.errors import Draining, InvalidRequest
from llmgw.types.json import Json
from llmgw.types.prompt import DEFAULT_LABEL, PromptContent

_ENDPOINT: Final = "/admin/v1/prompts/{name}/versions/{n}/evaluate"
_FAILURES_KEPT: Final = 3
_FAILURE_KEPT: Final = 200
"""Characters of a failure that are stored."""


class EvaluateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of an evaluation; without cases, the version's own are run.

    `against` is a label, a number, or null for no comparison; without it what is behind `production`. `dataset`
    is what the cases are called. `model` is asked where the version names none.
    """

    cases: list[Json] | UnsetType = UNSET
    against: str | int | UnsetType | None = UNSET
    dataset: Annotated[str, Meta(max_length=512)] = ""
    concurrency: Annotated[int, Meta(ge=1, le=CONCURRENCY_MAX)] = CONCURRENCY
    model: Annotated[str, Meta(max_length=256)] = ""


def evaluation_route(runtime: Runtime, desk: Desk) -> HTTPRouteHandler:
    """Make the route."""

    # Somewhat more than a dataset may have, so that a larger one is refused in words.
    @post(
        paths(ROOT, "/versions/{number:str}/evaluate"),
        status_code=200,
        request_max_body_size=2 * DATASET_MAX,
        opt={"permission": Permission.PUBLISH},
    )
    async def evaluate(request: HttpRequest) -> Response[bytes]:
        if runtime.draining:
            raise Draining("the gateway is stopping", retry_after_s=1)
        name, number, author = name_of(request), version_of(request), desk.author(request)
        wanted = await body_of(request, EvaluateRequest, default=EvaluateRequest())
        trial = await _trial(runtime, desk, author, (name, number), wanted)
        evaluator = Evaluator(runtime.generation.gateway, runtime.clock)
        call = begun(runtime, request, _ENDPOINT, named=author.call)
        with recorded(runtime, call):
            result = await while_there(request, evaluator.evaluate(trial, call))
        # Under the version's hash: whoever pushes another content in the meantime gets nothing of it.
        await desk.registry.note_gate(author, name, number, result.summary, _kept(result))
        return done(author, result)

    return evaluate


async def _trial(
    runtime: Runtime, desk: Desk, author: Author, which: tuple[str, int], wanted: EvaluateRequest
) -> Trial:
    """Put together what is to be tried.

    Raises:
        PromptNotFound, PromptVersionNotFound: there is no such version, or none it shall be compared with.
        InvalidPrompt: the cases are none.
        InvalidRequest: there are no cases, or it is a partial.
    """
    name, number = which
    info, content = await desk.version(author.tenant, name, number)
    if content.partial is not None:
        raise InvalidRequest("a partial is for others to include and cannot be evaluated by itself")
    cases = wanted.cases if wanted.cases is not UNSET else list(content.tests.cases if content.tests else ())
    if not cases:
        raise InvalidRequest("there are no cases to try the version on", param="cases")
    dataset = await asyncio.to_thread(read_cases, cases, within="/cases")
    against, baseline = await _baseline(desk, author.tenant, which, wanted)
    return Trial(
        name=name,
        subject=Subject(info=info, compiled=await asyncio.to_thread(compile_prompt, content)),
        dataset=dataset,
        dataset_name=wanted.dataset,
        baseline=baseline,
        against=against,
        model=wanted.model,
        concurrency=wanted.concurrency,
        min_cases=runtime.prompts.settings.min_cases,
        by=author.who,
    )


async def _baseline(
    desk: Desk, tenant: str, which: tuple[str, int], wanted: EvaluateRequest
) -> tuple[str, Subject | None]:
    """Find what a version is compared with; nothing, where that is the version itself."""
    name, number = which
    if wanted.against is None:
        return "", None
    info = await desk.info(tenant, name)
    against = wanted.against
    if against is UNSET:
        label = info.labels.get(DEFAULT_LABEL)
        if label is None or not label.version:
            return "", None
        against = DEFAULT_LABEL
    found = meant(info, str(against))
    if found.number == number:
        return str(against), None
    content: PromptContent
    _, content = await desk.version(tenant, name, found.number)
    if content.partial is not None:
        raise InvalidRequest("it cannot be compared with a partial", param="against")
    return str(against), Subject(info=found, compiled=await asyncio.to_thread(compile_prompt, content))


def _kept(result: GateResult) -> GateResult:
    """What is stored of a result: no words of any model."""
    results = tuple(
        replace(
            each, output="", failures=tuple(why[:_FAILURE_KEPT] for why in each.failures[:_FAILURES_KEPT])
        )
        for each in result.results
    )
    return replace(result, results=results)
