"""A summary that one vendor made of a conversation, once another vendor's model goes on with it."""

import pytest
from llmgw.context.opened import Asker
from llmgw.context.views.bindings import Maker
from llmgw.gateway.compacting import Compacting
from llmgw.gateway.telling import Prefix, toolset_digest
from llmgw.state.connection import State
from llmgw.types.context import ContextOptions, Policy
from llmgw.types.context_errors import ContextTooLong
from llmgw.types.message import Message, OpaquePart, TextPart
from llmgw.types.target import Target
from msgspec.structs import replace
from tests.integration.context.stage import Worker, assistant, play, user
from tests.integration.portability.telling import told
from tests.integration.portability.test_matrix import ASKED, READERS
from tests.integration.portability.test_windows import PARAGRAPH, answers, texts

C = "summed-up"
CLAUDE = READERS["anthropic/claude-opus-5-5"].target
BLOCK = {"type": "compaction", "content": "SEALED SUMMARY", "encrypted_content": "c2VhbGVk"}
GO_ON = ContextOptions(id=C)
LONG = PARAGRAPH * 3
SHORT = replace(ASKED, tools=())

each_other = pytest.mark.parametrize("reader", ["openai/gpt-5.2", "gemini/gemini-3-pro"])


def small(reader: str) -> Target:
    """A model whose window does not hold the conversation."""
    return replace(READERS[reader].target, window=512)


async def summed_up(worker: Worker, **policy: object) -> None:
    """Store four turns, and an answer of Claude's that begins with its own summary of them."""
    options = ContextOptions(id=C, policy=Policy(fit="provider_native", **policy))  # type: ignore[arg-type]
    await worker.library.create(worker.actor, options)
    opened = await worker.lease(C)
    for message in (user("one"), assistant("ONE"), user(f"two {LONG}"), assistant(f"TWO {LONG}")):
        opened.said.append(worker.contexts.draft(opened, message))
    opened.said.append(worker.contexts.draft(opened, user("three")))
    maker = Maker(
        provider=CLAUDE.provider,
        kind=CLAUDE.kind,
        protocol="anthropic",
        model=CLAUDE.model,
        account=worker.contexts.chain_keys.account("sk-test"),
    )
    parts = (OpaquePart(protocol="anthropic", kind="compaction", value=BLOCK), TextPart(text="THREE"))
    answer = Message(role="assistant", parts=parts, protocol="anthropic")
    prefix = Prefix(toolset_digest(ASKED), ())(opened.count)
    opened.said.append(
        worker.contexts.draft(opened, answer, source="provider", produced_by=maker.binding(prefix))
    )
    await worker.contexts.commit(opened, opened.said)


def test_its_maker_is_told_the_summary(store_url: str) -> None:
    """As it was made, byte for byte, behind what it stands for, which the vendor then passes over."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await summed_up(worker)
        report, body = await told(worker, CLAUDE, ASKED, GO_ON)
        assert b'"encrypted_content":"c2VhbGVk"' in body
        assert (report.fit, report.sent) == ("provider_native", ((0, 6),))
        assert [(loss.code, loss.pointer, loss.through) for loss in report.losses] == [
            ("window.summarised", "/turns/0", 4)
        ]
        assert (await worker.texts(C))[:2] == ["one", "ONE"]

    play(store_url, scene)


@each_other
def test_others_are_told_what_it_stands_for(store_url: str, reader: str) -> None:
    """All that was said, and nothing of the seal; that it was left out is a loss of the one part."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await summed_up(worker)
        report, body = await told(worker, READERS[reader].target, ASKED, GO_ON)
        assert b"c2VhbGVk" not in body
        assert b"SEALED SUMMARY" not in body
        words = [text for _, text in texts(READERS[reader].target.protocol, body)]
        assert words == ["one", "ONE", f"two {LONG}", f"TWO {LONG}", "three", "THREE", "What now?"]
        assert [(loss.code, loss.pointer) for loss in report.losses] == [
            ("compaction.opaque_dropped", "/turns/5/parts/0")
        ]
        assert (report.verdict, report.counts.dropped) == ("degraded", 1)

    play(store_url, scene)


@each_other
def test_where_the_originals_do_not_fit_it_is_said(store_url: str, reader: str) -> None:
    """What a small window makes of them is reported as cut, beside the summary that was lost."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await summed_up(worker)
        report, body = await told(worker, small(reader), SHORT, GO_ON)
        assert b"TWO The tide" not in body
        assert {"window.trimmed", "compaction.opaque_dropped"} <= {loss.code for loss in report.losses}
        assert report.verdict == "degraded"

    play(store_url, scene)


@each_other
def test_the_strict_rule_refuses_what_does_not_fit(store_url: str, reader: str) -> None:
    """Before anything is sent; and nothing is stored of the call."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        await summed_up(worker, rules={"window.fit": "strict"})
        with pytest.raises(ContextTooLong):
            await told(worker, small(reader), SHORT, GO_ON)
        assert len(await worker.texts(C)) == 6

    play(store_url, scene)


@pytest.mark.parametrize("reader", ["anthropic/claude-opus-5-5", "gemini/gemini-3-pro", "openai/gpt-5.2"])
def test_a_summary_of_the_gateways_own_is_everybodys(store_url: str, reader: str) -> None:
    """It is text: any model is told it in place of what it stands for."""

    async def scene(state: State) -> None:
        worker = Worker(state)
        for text in ("one", "two", "three"):
            await worker.say(C, text)
        compacting = Compacting(worker.contexts, answers("SUMMED UP"))
        asker = Asker(tenant=worker.tenant, who="tester", op="compact")
        await compacting.compact(asker, GO_ON, "any", keep_last=2)
        report, body = await told(worker, READERS[reader].target, ASKED, GO_ON)
        words = [text for _, text in texts(READERS[reader].target.protocol, body)]
        assert "SUMMED UP" in words[0]
        assert words[1:] == ["three", "answer to three", "What now?"]
        assert [(loss.code, loss.through) for loss in report.losses if loss.severity != "minor"] == []

    play(store_url, scene)
