"""Versions ready to be rendered: made once for each content, as long as there is room."""

import asyncio
import threading

import pytest
from llmgw.prompts import prompts as module
from llmgw.prompts.prompts import NotCompiled, Prompts
from llmgw.prompts.registry.wishes import Push
from llmgw.prompts.rendering.compiled import CompiledPrompt, compile_prompt
from llmgw.state.connection import State
from llmgw.types.message import Message, TextPart
from llmgw.types.prompt import PromptContent, PromptRef
from llmgw.types.prompt_errors import TemplateError
from tests.integration.prompts.stage import (
    ANNA,
    NAME,
    TENANT,
    UNITS,
    comes,
    content,
    lead,
    play,
    ready,
    worker,
)
from tests.published_prompts import put
from tests.waiting import ROOMY_S


def rendered(prompts: Prompts, name: str = NAME) -> tuple[Message, ...]:
    """What a call with `who` is told."""
    resolved = prompts.snapshot.resolve(TENANT, PromptRef(name=name), UNITS)
    return prompts.compiled(resolved, TENANT).render({"who": "Ada"}).before


def test_a_version_is_compiled_once(store_url: str) -> None:
    """The next call gets the same one; a label that moves gets another."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for text in ("Hello {{ who }}", "Bye {{ who }}"):
                await ready(prompts.registry, text)
            await lead(prompts.registry, 1)
            assert await comes(lambda: rendered(prompts), "the label to be seen") == (
                Message(role="system", parts=(TextPart(text="Hello Ada"),)),
            )
            resolved = prompts.snapshot.resolve(TENANT, PromptRef(name=NAME), UNITS)
            assert prompts.compiled(resolved, TENANT) is prompts.compiled(resolved, TENANT)
            await lead(prompts.registry, 2)
            bye = (Message(role="system", parts=(TextPart(text="Bye Ada"),)),)
            await comes(lambda: rendered(prompts) == bye, "the move to be seen")

    play(store_url, scene)


@pytest.mark.parametrize("limit", ["COMPILED_MAX", "COMPILED_BYTES_MAX"])
def test_only_so_many_are_kept(store_url: str, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """What was used last stays; what was dropped is compiled again when it is wanted."""
    monkeypatch.setattr(module, limit, 2 if limit == "COMPILED_MAX" else 150)

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for number in range(4):
                await ready(prompts.registry, f"{number} {{{{ who }}}}", name=f"p{number}")
                await lead(prompts.registry, 1, name=f"p{number}")
            await comes(lambda: rendered(prompts, "p3"), "all to be seen")
            for number in (0, 1, 0, 2, 0, 3):
                assert rendered(prompts, f"p{number}")[0].parts == (TextPart(text=f"{number} Ada"),)
            assert len(prompts._compiled) == 2
            assert rendered(prompts, "p1")[0].parts == (TextPart(text="1 Ada"),)

    play(store_url, scene)


def test_what_cannot_be_rendered_is_not_kept(store_url: str) -> None:
    """A push of a broken template makes no version."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for text in ("{{ who", "{% for %}", "{% import 'x' as y %}"):
                with pytest.raises(TemplateError):
                    await prompts.registry.push(ANNA, NAME, Push(content=content(text)))
            assert await prompts.registry.prompts(TENANT) == []

    play(store_url, scene)


def test_a_large_version_is_compiled_once_and_off_the_loop(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on while it is; all calls that wait share one compilation, and one that leaves ends it not."""
    large = "{{ who }} " * 2000
    began, may_end = threading.Event(), threading.Event()
    threads: list[int] = []

    def held(content: PromptContent) -> CompiledPrompt:
        threads.append(threading.get_ident())
        began.set()
        assert may_end.wait(ROOMY_S)
        return compile_prompt(content)

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            await ready(prompts.registry, large)
            await lead(prompts.registry, 1)
            await comes(
                lambda: any(each.labels for each in prompts.snapshot.prompts(TENANT).values()),
                "the label to be seen",
            )
            with pytest.raises(NotCompiled):
                rendered(prompts)
            monkeypatch.setattr(module, "compile_prompt", held)
            waiting = [asyncio.create_task(prompts.when_ready(lambda: rendered(prompts))) for _ in range(3)]
            # That this thread comes to know it shows that it is not the one that compiles.
            await comes(began.is_set, "the compilation to begin")
            waiting[0].cancel()
            may_end.set()
            first, *others = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(first, asyncio.CancelledError)
            said = (Message(role="system", parts=(TextPart(text="Ada " * 2000),)),)
            assert others == [said, said]
            assert len(threads) == 1
            assert threads[0] != threading.get_ident()
            assert rendered(prompts) == said

    play(store_url, scene)


def test_a_large_version_that_is_broken_fails_each_call_that_waits(store_url: str) -> None:
    """And the next one, too."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            broken = content("{{ who }} " * 2000 + "{% import 'x' as y %}")
            put(prompts, broken, name="broken", tenant=TENANT)
            for _ in range(2):
                waiting = [prompts.when_ready(lambda: rendered(prompts, "broken")) for _ in range(2)]
                found = await asyncio.gather(*waiting, return_exceptions=True)
                assert [type(each) for each in found] == [TemplateError, TemplateError]

    play(store_url, scene)
