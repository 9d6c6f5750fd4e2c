"""The demo's steps with prompts: two versions, a rollout, a rollback to the same bytes, and an API."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from openai import NotFoundError
from rich.markup import escape

from llmgw.cli.demo.stage import Stage
from llmgw.cli.demo.step import Step, expect
from llmgw.prompts.samples import sample
from llmgw.types.json import Json, decode, encode

_NAME: Final = "sentiment"
_AT: Final = f"/admin/v1/prompts/{_NAME}"
_LABEL: Final = f"{_AT}/labels/production"
_CONVERSATIONS: Final = 50
_SHARE: Final = 2000
"""Of the calls, in hundredths of a percent."""
_HEARD_WITHIN_S: Final = 10.0


def _written() -> tuple[str, list[Json]]:
    """The sample, and the cases that a model passes which shapes its answers and understands nothing."""
    text, _, shape = sample(_NAME)
    return text, [decode(line.encode()) for line in shape.splitlines()]


def _released(stage: Stage, text: str, message: str) -> Iterator[str]:
    """Push a version, try it, and let callers have it."""
    status, pushed = stage.ask("POST", "/admin/v1/prompts", {"file": text, "message": message})
    expect(status == 201, f"the push got {status}: {pushed}")
    version = pushed["version"]
    _, cases = _written()
    status, gate = stage.ask("POST", f"{_AT}/versions/{version}/evaluate", {"cases": cases})
    expect(status == 200 and gate["verdict"] == "pass", f"the evaluation got {status}: {gate}")
    yield (
        f"[cyan]{_NAME}@{version}[/] {escape(message)}   "
        f"[dim]evaluated: {gate['passed']} of {gate['cases']} cases passed[/]"
    )
    status, refused = stage.ask("POST", f"{_AT}/versions/{version}/publish")
    expect(status == 200, f"publishing got {status}: {refused}")


def _versions(stage: Stage) -> Iterator[str]:
    text, _ = _written()
    yield from _released(stage, text, "the first")
    status, label = stage.ask("PUT", _LABEL, {"version": 1})
    expect(status == 200, f"the label got {status}: {label}")
    yield from _released(stage, f"{text.rstrip()}\nBe brief.\n", "shorter")
    _, difference = stage.ask("GET", f"{_AT}/diff?from=1&to=2")
    changed = [
        line
        for line in difference["text"].splitlines()
        if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    ]
    for line in changed:
        yield f"[{'green' if line.startswith('+') else 'red'}]{escape(line)}[/]"
    expect("+Be brief." in changed, f"the difference is {difference['text']!r}")


def _served(stage: Stage, context: str) -> tuple[str, str]:
    """The version and the arm that one call of a conversation gets."""
    raw = stage.client.chat.completions.with_raw_response.create(
        model="demo",
        messages=[],
        extra_body={
            "prompt": {"id": _NAME, "variables": {"text": "What a lovely day!"}},
            "llmgw": {"context": {"id": context, "create": True}},
        },
    )
    return raw.headers["x-llmgw-prompt"], raw.headers.get("x-llmgw-prompt-arm", "")


def _heard(stage: Stage, name: str, wanted: Callable[[str, str], bool]) -> str:
    """The version that new conversations get once the worker has heard of a change, which takes it a moment."""
    pause = threading.Event()
    for number in range(int(_HEARD_WITHIN_S / 0.1)):
        try:
            served, arm = _served(stage, f"{name}-{number}")
        except NotFoundError as unheard:
            served, arm = str(unheard.code), ""
        if wanted(served, arm):
            break
        pause.wait(0.1)
    return served


def _rolled_out(stage: Stage) -> Iterator[str]:
    status, started = stage.ask("POST", f"{_LABEL}/rollout", {"candidate": 2, "weight": _SHARE})
    expect(status in {200, 201}, f"the rollout got {status}: {started}")
    _heard(stage, "before-rollout", lambda _, arm: bool(arm))
    names = [f"conversation-{number}" for number in range(_CONVERSATIONS)]
    first = {name: _served(stage, name) for name in names}
    arms = Counter(arm for _, arm in first.values())
    versions = dict.fromkeys(sorted(first.values(), reverse=True))
    for version, arm in versions:
        yield f"[dim]{arm:<9}[/] {version}   {arms[arm]:>2} of {_CONVERSATIONS} conversations"
    expect(set(versions) == {(f"{_NAME}@1", "stable"), (f"{_NAME}@2", "candidate")}, f"they got {versions}")
    moved = [name for name in names[:10] if _served(stage, name) != first[name]]
    yield "[dim]ten of them go on:[/] each with the version it began with"
    expect(not moved, f"{moved} changed the version in the middle")


def _taken_back(stage: Stage) -> Iterator[str]:
    _, before = stage.ask("GET", f"{_AT}/versions/1")
    status, promoted = stage.ask("POST", f"{_LABEL}/rollout/promote", {})
    expect(status == 200, f"promoting got {status}: {promoted}")
    served = _heard(stage, "after-promotion", lambda served, arm: served.endswith("@2") and not arm)
    yield f"[dim]promoted:[/]    calls get [cyan]{served}[/]"
    expect(served == f"{_NAME}@2", f"after the promotion a call got {served}")
    status, label = stage.ask("POST", f"{_LABEL}/rollback", {"reason": "too brief"})
    expect(status == 200 and label["version"] == 1, f"rolling back got {status}: {label}")
    served = _heard(stage, "after-rollback", lambda served, _: served.endswith("@1"))
    _, after = stage.ask("GET", f"{_AT}/versions/1")
    yield f"[dim]rolled back:[/] calls get [cyan]{served}[/]   [dim]{after['info']['hash'][:23]}…[/]"
    expect(served == f"{_NAME}@1", f"after the rollback a call got {served}")
    expect(after["content"] == before["content"], "version 1 is not what it was")
    expect(after["info"]["hash"] == before["info"]["hash"], "version 1 has another hash than before")


def _api(stage: Stage) -> Iterator[str]:
    status, answer = stage.ask("POST", f"/apis/{_NAME}", {"text": "What a lovely day!"})
    yield f'[dim]> {{"text": "What a lovely day!"}}[/]   [cyan]{escape(encode(answer).decode())}[/]'
    expect(status == 200 and _NAME in answer, f"the API answered {status}: {answer}")
    status, refused = stage.ask("POST", f"/apis/{_NAME}", {"txet": "What a lovely day!"})
    yield f'[dim]> {{"txet": …}}[/]   [magenta]{status} {refused.get("code")}[/]'
    for each in refused.get("violations", ()):
        yield f"  [dim]{escape(each['pointer'] or '/')}[/] {escape(each['message'])}"
    expect((status, refused.get("code")) == (422, "input_schema_violation"), f"it got {status}: {refused}")
    _, document = stage.ask("GET", "/apis/openapi.json")
    expect(f"/v1/apis/{_NAME}/v1" in document["paths"], "the OpenAPI document does not have it")


PROMPT_STEPS: Final = (
    Step(
        "A prompt in two versions",
        "both passed their evaluation, and the first is what callers get",
        _versions,
    ),
    Step(
        "A fifth of the conversations get the second",
        "both versions serve at once, and no conversation changes in the middle",
        _rolled_out,
    ),
    Step(
        "Promoted, and taken back", "a rollback gives the very bytes of the first version again", _taken_back
    ),
    Step("The prompt as an API", "a body that fits is answered, one that does not is told where", _api),
)
