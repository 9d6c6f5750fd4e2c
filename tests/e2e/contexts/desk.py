"""What a caller does with contexts, over HTTP and nothing else."""

import itertools
import json
from typing import Any

from tests.running import Answer, RunningGateway

MODELS = ("openai/gpt-5.2", "claude/claude-sonnet-4-5", "gemini/gemini-3-pro")
"""One model behind each of the three protocols."""

_numbers = itertools.count(1)


def config_for(simulator_url: str) -> dict[str, Any]:
    """Three protocols, and what goes wrong behind them."""
    root = simulator_url.removesuffix("/v1")
    return {
        "providers": {
            "openai": {"kind": "openai", "base_url": simulator_url, "api_key": "none-needed"},
            "claude": {"kind": "anthropic", "base_url": root, "api_key": "none-needed"},
            "gemini": {"kind": "gemini", "base_url": f"{root}/v1beta", "api_key": "none-needed"},
            "sim": {"kind": "simulator", "base_url": simulator_url},
        },
        "aliases": {"summary": {"targets": ["openai/gpt-5.2"]}},
    }


class Desk:
    """One key's view of a gateway."""

    def __init__(self, gateway: RunningGateway, key: str) -> None:
        self.gateway = gateway
        self.key = key

    @classmethod
    def of(cls, gateway: RunningGateway, tenant: str, role: str = "caller") -> "Desk":
        """Make a key of a tenant's, and be its holder."""
        made = gateway.request("/admin/v1/keys", {"name": tenant, "role": role, "tenant": tenant})
        assert made.status == 201, made.body
        return cls(gateway, made.json()["key"])

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        media_type: str = "application/json",
    ) -> Answer:
        """Make one exchange at a path below `/v1`; a body that is not bytes goes out as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"content-type": media_type} if data is not None else {}
        return self.gateway.request(
            f"/v1{path}", data, method=method, headers={**kind, **(headers or {})}, key=self.key
        )

    def made(self, **members: Any) -> str:
        """Make a context and return its name."""
        answer = self.ask("POST", "/contexts", {"id": f"c-{next(_numbers)}", **members})
        assert answer.status == 201, answer.body
        return str(answer.json()["id"])

    def say(self, context: Any, text: str, model: str = MODELS[0], **members: Any) -> Answer:
        """Say something in a context."""
        headers = members.pop("headers", None)
        body = {
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "llmgw": {"context": context},
            **members,
        }
        return self.ask("POST", "/chat/completions", body, headers=headers)

    def told(self, *texts: str, **members: Any) -> str:
        """Make a context in which this was said, each followed by an answer."""
        context = self.made(**members)
        for text in texts:
            assert self.say(context, text).status == 200
        return context

    def texts(self, context: str) -> list[str]:
        """The text of each turn."""
        turns = self.ask("GET", f"/contexts/{context}/turns?limit=1000").json()["turns"]
        return [
            "".join(part.get("text", "") for part in turn.get("parts", ()) if part["type"] == "text")
            for turn in turns
        ]


def problem(answer: Answer) -> tuple[int, str, list[tuple[str, str]]]:
    """Status, code, and the rule and pointer of each violation of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.body
    document = answer.json()
    assert document["status"] == answer.status
    return (
        answer.status,
        document["code"],
        [(each["rule"], each["pointer"]) for each in document.get("violations", ())],
    )
