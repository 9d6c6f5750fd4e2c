"""Every way into a model: how it is asked, by whom, and in whose words it refuses."""

import itertools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tests.e2e.money.till import Keyholder
from tests.running import Answer

_numbers = itertools.count(1)
SAY: Final = [{"role": "user", "content": "say hello"}]
ANSWER: Final = {"type": "object", "required": ["mood"], "properties": {"mood": {"type": "string"}}}
TEXT: Final = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


class Asked(NamedTuple):
    """One request, ready to be made by whoever holds a key."""

    path: str
    body: Any


class Way(NamedTuple):
    """One route that reaches models; `prepare` makes a request for a model, by an admin whom nothing limits.

    `costs` tells whether money can be spent by it, `dialect` in whose words it refuses, `within` that models are
    asked by calls within its own.
    """

    route: str
    prepare: Callable[[Keyholder, str], Asked]
    dialect: str = "openai"
    costs: bool = True
    within: bool = False
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.route


def send(desk: Keyholder, asked: Asked) -> Answer:
    """Make a request."""
    return desk.gateway.request(asked.path, asked.body, key=desk.key)


def _chat(_: Keyholder, model: str) -> Asked:
    return Asked("/v1/chat/completions", {"model": model, "messages": SAY})


def _chat_stream(_: Keyholder, model: str) -> Asked:
    body = {"model": model, "messages": SAY, "stream": True, "stream_options": {"include_usage": True}}
    return Asked("/v1/chat/completions", body)


def _context(_: Keyholder, model: str) -> Asked:
    body = {"model": model, "messages": SAY, "llmgw": {"context": {"create": True}}}
    return Asked("/v1/chat/completions", body)


def _messages(_: Keyholder, model: str) -> Asked:
    return Asked("/v1/messages", {"model": model, "max_tokens": 100, "messages": SAY})


def _messages_stream(_: Keyholder, model: str) -> Asked:
    return Asked("/v1/messages", {"model": model, "max_tokens": 100, "messages": SAY, "stream": True})


def _count(_: Keyholder, model: str) -> Asked:
    return Asked("/v1/messages/count_tokens", {"model": f"claude/{model.partition('/')[2]}", "messages": SAY})


def _tokens(_: Keyholder, model: str) -> Asked:
    return Asked("/v1/tokens/count", {"model": f"claude/{model.partition('/')[2]}", "messages": SAY})


def _embeddings(_: Keyholder, model: str) -> Asked:
    return Asked("/v1/embeddings", {"model": model, "input": "hello"})


def prompt_of(admin: Keyholder, model: str, **members: Any) -> str:
    """Have a prompt served, and name it."""
    name = f"mood-{next(_numbers)}"
    told = {"messages": [{"role": "user", "text": "{{ text }}"}], "model": model, "input_schema": TEXT}
    admin.published(name, **{**told, **members})
    return name


def _completions(words: int) -> Callable[[Keyholder, str], Asked]:
    def prepare(admin: Keyholder, model: str) -> Asked:
        number = next(_numbers)
        name = "/".join(f"p{word}-{number}" for word in range(words))
        told = {"messages": [{"role": "user", "text": "say hello"}], "model": model}
        admin.published(name, **told)
        return Asked(f"/v1/prompts/{name}/completions", {"messages": []})

    return prepare


def _api(major: str) -> Callable[[Keyholder, str], Asked]:
    def prepare(admin: Keyholder, model: str) -> Asked:
        slug = f"api-{next(_numbers)}"
        admin.published(
            slug,
            messages=[{"role": "user", "text": "{{ text }}"}],
            model=model,
            input_schema=TEXT,
            output_schema=ANSWER,
            api={"slug": slug},
        )
        return Asked(f"/v1/apis/{slug}{major}", {"text": "lovely"})

    return prepare


def _compact(admin: Keyholder, model: str) -> Asked:
    context = admin.told("one", "two", "three", "four")
    return Asked(f"/v1/contexts/{context}/compact", {"alias": model, "keep_last": 1})


def _evaluate(words: int) -> Callable[[Keyholder, str], Asked]:
    def prepare(admin: Keyholder, model: str) -> Asked:
        number = next(_numbers)
        name = "/".join(f"e{word}-{number}" for word in range(words))
        content = {"messages": [{"role": "user", "text": "say hello"}], "model": model}
        version = admin.done("POST", "/admin/v1/prompts", {"name": name, "content": content})["version"]
        case = {"vars": {}, "assert": [{"type": "equals", "value": "hello"}]}
        path = f"/admin/v1/prompts/{name}/versions/{version}/evaluate"
        return Asked(path, {"cases": [case], "against": None})

    return prepare


def _named(words: int) -> str:
    return "/".join(f"{{part{word}:str}}" for word in range(1, words + 1))


WAYS: Final = (
    Way("/v1/chat/completions", _chat),
    Way("/v1/chat/completions", _chat_stream, name="/v1/chat/completions streamed"),
    Way("/v1/chat/completions", _context, name="/v1/chat/completions in a context"),
    Way("/v1/messages", _messages, dialect="anthropic"),
    Way("/v1/messages", _messages_stream, dialect="anthropic", name="/v1/messages streamed"),
    Way("/v1/messages/count_tokens", _count, dialect="anthropic", costs=False),
    Way("/v1/tokens/count", _tokens, dialect="problem", costs=False),
    Way("/v1/embeddings", _embeddings),
    *(Way(f"/v1/prompts/{_named(n)}/completions", _completions(n)) for n in range(1, 5)),
    Way("/v1/apis/{slug:str}", _api(""), dialect="problem"),
    Way("/v1/apis/{slug:str}/{major:str}", _api("/v1"), dialect="problem"),
    Way("/v1/contexts/{context:str}/compact", _compact, dialect="problem", within=True),
    *(
        Way(
            f"/admin/v1/prompts/{_named(n)}/versions/{{number:str}}/evaluate",
            _evaluate(n),
            dialect="problem",
            within=True,
        )
        for n in range(1, 5)
    ),
)
