"""What of one conversation each vendor's model is told, whichever vendor's model answered in it before.

The reports are kept beside this file; `LLMGW_GOLDEN=write` writes them anew.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from llmgw.context.views.bindings import Maker
from llmgw.gateway.telling import Prefix, toolset_digest
from llmgw.state.connection import State
from llmgw.types.context import ContextOptions
from llmgw.types.feature import Feature
from llmgw.types.invocation import ChatInvocation, FunctionTool
from llmgw.types.json import encode
from llmgw.types.message import MediaPart, Part, ToolResultPart
from llmgw.types.preservation import Report
from llmgw.types.target import Target
from llmgw.types.turn import Turn
from msgspec.structs import replace
from tests.cross.claims import Claims
from tests.cross.targets import PLACES, Place
from tests.integration.context.stage import Worker, play, user
from tests.integration.portability.conversation import LARGE, TOOLS, conversation
from tests.integration.portability.telling import told

WRITE: Final = os.environ.get("LLMGW_GOLDEN") == "write"
GOLDEN: Final = Path(__file__).with_name("golden")
READERS: Final = {
    name: next(place for place in PLACES if f"{place.row}/{place.model}" == name)
    for name in (
        "openai/gpt-5.2",
        "mistral/mistral-large-2512",
        "deepseek/deepseek-reasoner",
        "anthropic/claude-sonnet-4-5",
        "anthropic/claude-opus-5-5",
        "gemini/gemini-3-pro",
        "vertex/gemini-2.5-pro",
    )
}
ASKED: Final = ChatInvocation(
    model="any",
    wire="openai",
    messages=(user("What now?"),),
    tools=tuple(FunctionTool(name=name, parameters={"type": "object"}) for name in TOOLS),
)
CONTEXT: Final = "portable"
NEEDED: Final = {"image": Feature.IMAGES, "audio": Feature.AUDIO_IN, "file": Feature.FILES}

each_pair = pytest.mark.parametrize(
    ("writer", "reader"),
    [pytest.param(one, other, id=f"{one}-{other}") for one in READERS for other in READERS],
)


async def stored(worker: Worker, writer: Target) -> None:
    """Store the conversation as answers of `writer` to several calls."""
    opened = await worker.lease(CONTEXT, create=True)
    key = writer.endpoint.api_key
    maker = Maker(
        provider=writer.provider,
        kind=writer.kind,
        protocol=writer.protocol,
        model=writer.model,
        account=worker.contexts.chain_keys.account(key.reveal()) if key else "",
    )
    prefix = Prefix(toolset_digest(ASKED), ())
    for message in conversation(writer):
        by_model = message.role == "assistant"
        draft = worker.contexts.draft(
            opened,
            message,
            source="provider" if by_model else "caller",
            produced_by=maker.binding(prefix(opened.count)) if by_model else None,
        )
        opened.said.append(draft)
    await worker.contexts.commit(opened, opened.said)


def whole(turns: list[Turn]) -> list[Turn]:
    """Turns with the large picture in its place."""
    return [
        replace(
            turn,
            parts=tuple(
                replace(part, base64=LARGE, blob=None, size=None) if getattr(part, "blob", None) else part
                for part in turn.parts
            ),
        )
        for turn in turns
    ]


def plain(report: Report) -> dict[str, Any]:
    """A report without what differs from run to run: names of turns."""
    document: dict[str, Any] = json.loads(encode(report))
    for loss in document["losses"]:
        loss.pop("turn", None)
    return document


@each_pair
def test_the_report_is_what_it_was_and_true(writer: str, reader: str, store_url: str) -> None:
    """No vendor would refuse the request, the report says of each part what became of it, and always the same."""
    one, other = READERS[writer], READERS[reader]

    async def scene(state: State) -> None:
        worker = Worker(state)
        await stored(worker, one.target)
        report, body = await told(worker, other.target, ASKED, ContextOptions(id=CONTEXT))
        check(other, report, whole(await worker.turns(CONTEXT)), body)
        compare(f"{writer}-{reader}", plain(report))

    play(store_url, scene)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", ["openai/gpt-5.2", "anthropic/claude-opus-5-5", "gemini/gemini-3-pro"])
def test_the_same_view_gives_the_same_report(writer: str, reader: str, store_url: str) -> None:
    """Whether turns are at hand or another worker reads them for the first time: request and report are equal."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await stored(worker, READERS[writer].target)
        found = []
        for teller in (worker, worker, Worker(state)):
            fork = await worker.archive.branches.fork(worker.actor, CONTEXT, at=None)
            report, body = await told(teller, READERS[reader].target, ASKED, ContextOptions(id=fork.id))
            found.append((plain(replace(report, context="")), body))
        assert found[0] == found[1] == found[2]

    play(store_url, scene)


def check(place: Place, report: Report, turns: list[Turn], body: bytes) -> None:
    """Hold a report against the request, and the request against the vendor's rules."""
    assert place.violation(json.loads(body)) is None
    assert report.input_digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
    for media in media_of(part for turn in turns for part in turn.parts):
        content = str(media.base64 or media.url)
        assert NEEDED[media.kind] in place.target.features or content.encode() not in body
    claims = Claims(place.target.protocol, report, turns[:-1], body)
    assert claims.wrong() == []
    assert report.counts.dropped == claims.gone()


def media_of(parts: Iterable[Part]) -> Iterator[MediaPart]:
    """All media in parts, but for plain text."""
    for part in parts:
        if isinstance(part, MediaPart) and part.text is None:
            yield part
        if isinstance(part, ToolResultPart):
            yield from media_of(part.content)


def compare(name: str, document: dict[str, Any]) -> None:
    """Compare with what is kept, or keep it."""
    path = GOLDEN / f"{name.replace('/', '_')}.json"
    if WRITE:
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert document == json.loads(path.read_text(encoding="utf-8"))
