"""The demo's steps with stored conversations: moved between vendors, proven, contended for, forged, erased."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Final

from openai import APIStatusError
from rich.markup import escape

from llmgw.cli.demo.stage import Stage
from llmgw.cli.demo.step import Step, expect
from llmgw.context.storage.names import TURNS, Keys
from llmgw.state.connection import State
from llmgw.state.embedded import attach_or_start
from llmgw.types.call import DEFAULT_TENANT

_CONTEXT: Final = "ada-and-the-models"
_HEADER: Final = "x-llmgw-context"
_REPORT: Final = "x-llmgw-preservation"


def _moved(stage: Stage) -> Iterator[str]:
    first = stage.client.chat.completions.with_raw_response.create(
        model="demo",
        messages=[{"role": "user", "content": "My name is Ada."}],
        extra_body={"llmgw": {"context": {"id": _CONTEXT, "create": True}}},
    )
    yield f"[dim]OpenAI's protocol >[/] My name is Ada.   [dim]{_HEADER}: {first.headers[_HEADER]}[/]"
    second = stage.anthropic.messages.with_raw_response.create(
        model="claude",
        max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 2048},
        messages=[{"role": "user", "content": "What is my name?"}],
        extra_headers={_HEADER: _CONTEXT},
    )
    answer = "".join(block.text for block in second.parse().content if block.type == "text")
    yield f"[dim]Claude's >[/] What is my name?   [cyan]{escape(answer)}[/]   [dim]{second.headers[_REPORT]}[/]"
    expect("Ada" in answer, f"Claude was not told the name: {answer!r}")
    third = stage.client.chat.completions.with_raw_response.create(
        model="gemini",
        messages=[{"role": "user", "content": "And once more: what is my name?"}],
        extra_headers={_HEADER: _CONTEXT},
    )
    answer = third.parse().choices[0].message.content or ""
    yield f"[dim]Gemini's >[/] And once more…     [cyan]{escape(answer)}[/]   [dim]{third.headers[_REPORT]}[/]"
    expect("Ada" in answer, f"Gemini was not told the name: {answer!r}")
    expect("verdict=preserved" in second.headers[_REPORT], "Claude was not given all of it")


def _proven(stage: Stage) -> Iterator[str]:
    _, page = stage.ask("GET", f"/contexts/{_CONTEXT}/turns")
    for turn in page["turns"]:
        parts = ", ".join(f"{part['type']}" for part in turn["parts"])
        text = "".join(part.get("text", "") for part in turn["parts"] if part["type"] == "text")
        yield f"[dim]{turn['seq']} {turn['role']:<9}[/] {escape(text)} [dim]({parts})[/]"
    expect(len(page["turns"]) == 6, f"{len(page['turns'])} turns are stored")
    _, record = stage.ask("GET", f"/contexts/{_CONTEXT}/report/{page['rev']}")
    report = record["report"]
    counts = report["counts"]
    yield (
        f"[dim]what Gemini was given:[/] {counts['turns_sent']} of {counts['turns']} turns; "
        f"of {counts['parts']} parts {counts['carried']} as they are, {counts['dropped']} not"
    )
    for loss in report["losses"]:
        yield f"[yellow]{escape(loss['code'])}[/] [dim]{escape(loss['pointer'])}[/]"
    expect(report["losses"], "Claude's thinking is bound to Claude, and nothing was said of it")


def _contended(stage: Stage) -> Iterator[str]:
    with stage.client.chat.completions.create(
        model="slow",
        messages=[{"role": "user", "content": "count to 30"}],
        stream=True,
        extra_headers={_HEADER: _CONTEXT},
    ) as stream:
        next(iter(stream))
        yield "[dim]one answer is being streamed; another call with the same context:[/]"
        try:
            stage.client.chat.completions.create(
                model="demo",
                messages=[{"role": "user", "content": "say me too"}],
                extra_headers={_HEADER: _CONTEXT},
            )
        except APIStatusError as refused:
            wait = refused.response.headers["retry-after"]
            yield f"[magenta]{refused.status_code} {refused.code}[/] [dim]retry-after: {wait}[/]"
            expect((refused.status_code, refused.code) == (409, "context_locked"), str(refused))
        else:
            expect(holds=False, otherwise="two calls wrote to one context at the same time")
        for _ in stream:
            pass
    _, info = stage.ask("GET", f"/contexts/{_CONTEXT}")
    yield f"[dim]the stream ended, and is stored: revision {info['rev']}, {info['turns']} turns[/]"
    expect(info["turns"] == 8, f"{info['turns']} turns are stored")


def _tampered(stage: Stage) -> Iterator[str]:
    name = "tampered-with"
    stage.client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "My name is Ada."}],
        extra_body={"llmgw": {"context": {"id": name, "create": True}}},
    )
    asyncio.run(_rewritten(stage, Keys(DEFAULT_TENANT, name)))
    yield "[dim]somebody with access to the store makes an Eve of Ada, behind the gateway's back[/]"
    _, proof = stage.ask("POST", f"/contexts/{name}/verify")
    yield f"[dim]verify:[/] [magenta]turn {proof.get('bad_turn')}: {escape(str(proof.get('reason')))}[/]"
    expect(proof["ok"] is False and proof["bad_turn"] == 0, f"nobody noticed: {proof}")
    status, refused = stage.ask(
        "POST",
        "/chat/completions",
        {
            "model": "demo",
            "messages": [{"role": "user", "content": "What is my name?"}],
            "llmgw": {"context": name},
        },
    )
    code = refused["error"]["code"]
    yield f"[magenta]{status} {code}[/] [dim]for the next call: no model is told a history that was forged[/]"
    expect((status, code) == (409, "context_quarantined"), f"the next call got {status} {code}")


async def _rewritten(stage: Stage, keys: Keys) -> None:
    """Change a word of a stored turn in place."""
    with attach_or_start(stage.state_dir) as url:
        async with aclosing(State(url)) as state:
            frame: bytes = await state.command("LINDEX", keys.of(TURNS), 0)
            await state.command("LSET", keys.of(TURNS), 0, frame.replace(b"Ada", b"Eve"))


def _erased(stage: Stage) -> Iterator[str]:
    status, receipt = stage.ask("DELETE", f"/contexts/{_CONTEXT}")
    expect(status == 200, f"erasing got {status}: {receipt}")
    for name in ("id", "turns", "bytes", "reports", "head"):
        yield f"[dim]{name:<8}[/]{escape(str(receipt[name]))}"
    status, refused = stage.ask("GET", f"/contexts/{_CONTEXT}")
    yield f"[magenta]{status} {refused['code']}[/] [dim]for whoever asks for it now[/]"
    expect(status == 410, f"an erased context answered {status}")


CONTEXT_STEPS = (
    Step(
        "A fact told in one vendor's protocol, asked for in two others",
        "each call sent its new message only; the gateway told each model the rest",
        _moved,
    ),
    Step(
        "What is stored, and what of it reached the model",
        "the report names what Gemini cannot be told: thinking that is sealed for Claude",
        _proven,
    ),
    Step(
        "A second writer",
        "it was refused before a model was asked, and the stream was stored whole",
        _contended,
    ),
    Step(
        "A stored word changed in place",
        "the chain names the turn, and the context is quarantined",
        _tampered,
    ),
    Step("Erased, with a receipt", "nothing is left but the fact that it was erased", _erased),
)
