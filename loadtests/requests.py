"""The bytes of requests: one scenario, as each server wants to be asked."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from loadtests.generator import Shot
from loadtests.scenarios import DONE, EMBEDDINGS, Scenario
from loadtests.upstream import EMBEDDING_MARKER
from loadtests.upstream_wire import MARKER

WORDS: Final = ("How does a fox jump over a dog? " * 20)[:400]
PROMPT: Final = "bench/terse"
LABEL: Final = "live"
VARIABLES: Final = {"tone": "terse", "form": "one paragraph"}
TEMPLATE: Final = "You are a {{ tone }} assistant who answers in {{ form }}."
SYSTEM: Final = "You are a terse assistant who answers in one paragraph."
"""What the template comes to; whoever stores no prompts is sent it."""

_ASKED: Final = "How does a fox jump over a dog? "


def written(path: str, body: object, key: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Write a POST request."""
    content = msgspec.json.encode(body)
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        "content-type: application/json\r\naccept: application/json\r\nuser-agent: llmgw-loadtests\r\n"
        f"{more}content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def whole(scenario: Scenario, model: str, key: str, headers: Mapping[str, str] | None = None) -> Shot:
    """Ask for everything in one request, as clients of servers that store nothing do."""
    if scenario.path == EMBEDDINGS:
        text = "The quick brown fox jumps over the lazy dog."
        body: dict[str, Any] = {"model": model, "input": text, "encoding_format": "base64"}
        return _shot(scenario, body, key, headers)
    turns = [{"role": "assistant" if n % 2 else "user", "content": WORDS} for n in range(scenario.turns)]
    system = [] if scenario.turns and not scenario.prompt else [{"role": "system", "content": SYSTEM}]
    messages = [*system, *turns, _question(scenario)]
    return _shot(scenario, _chat(scenario, model, messages), key, headers)


def stored(scenario: Scenario, model: str, key: str, context: str | None = None) -> Shot:
    """Ask by the names of what the gateway stores: a prompt's label, a conversation's id."""
    messages = [_question(scenario)]
    if not scenario.prompt and not scenario.turns:
        messages.insert(0, {"role": "system", "content": SYSTEM})
    body = _chat(scenario, model, messages)
    if scenario.prompt:
        body["prompt"] = {"id": PROMPT, "label": LABEL, "variables": VARIABLES}
    if context is not None:
        body["llmgw"] = {"context": {"id": context}}
    return _shot(scenario, body, key, None)


def _question(scenario: Scenario) -> dict[str, str]:
    times = scenario.size // len(_ASKED) + 1
    return {"role": "user", "content": (_ASKED * times)[: scenario.size]}


def _chat(scenario: Scenario, model: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "messages": messages, "temperature": 0.2, "max_tokens": 256}
    if scenario.chunks:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _shot(scenario: Scenario, body: object, key: str, headers: Mapping[str, str] | None) -> Shot:
    return Shot(
        payload=written(scenario.path, body, key, headers),
        marker=EMBEDDING_MARKER if scenario.path == EMBEDDINGS else MARKER,
        markers=scenario.chunks or 1,
        ending=DONE if scenario.chunks else b"}",
    )
