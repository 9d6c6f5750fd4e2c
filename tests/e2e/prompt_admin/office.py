"""What holders of keys do with prompts, over HTTP and nothing else."""

import itertools
from collections.abc import Mapping
from typing import Any, Final

from tests.running import Answer, RunningGateway

ROOT: Final = "/admin/v1/prompts"
ECHO: Final[dict[str, Any]] = {
    "messages": [{"role": "user", "text": "say: {{ text }}"}],
    "model": "demo",
    "input_schema": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    },
}
"""A prompt that the simulator answers with the variable."""

_numbers = itertools.count(1)


def config_for(simulator_url: str, **prompts: Any) -> dict[str, Any]:
    """One simulated provider; `prompts` are settings."""
    return {
        "providers": {"sim": {"kind": "simulator", "base_url": simulator_url, "windows": {"small": 300}}},
        "aliases": {
            "demo": {"targets": ["sim/sim"]},
            "small": {"targets": ["sim/small"]},
            "hangs": {"targets": ["sim/sim-hang"]},
            "broken": {"targets": ["sim/sim-fail-500"]},
        },
        "prompts": {"min_cases": 3, **prompts},
    }


def fresh() -> str:
    """A name that no other test has."""
    return f"team/echo-{next(_numbers)}"


def echo(note: str = "", **members: Any) -> dict[str, Any]:
    """A content of its own: `note` makes it another version."""
    return {**ECHO, **members, **({"description": note} if note else {})}


def case(text: str = "hello", **assertion: Any) -> dict[str, Any]:
    """A case that the echo passes, or one with another assertion."""
    return {"vars": {"text": text}, "assert": [assertion or {"type": "equals", "value": text}]}


GOOD: Final = [case("hello"), case("good morning"), case("bye")]


class Office:
    """One key's view of the admin routes of prompts."""

    def __init__(self, gateway: RunningGateway, key: str, key_id: str = "") -> None:
        self.gateway = gateway
        self.key = key
        self.key_id = key_id

    @classmethod
    def of(cls, gateway: RunningGateway, role: str, tenant: str = "acme") -> "Office":
        """Make a key, and be its holder."""
        made = gateway.request("/admin/v1/keys", {"name": role, "role": role, "tenant": tenant}).json()
        return cls(gateway, made["key"], made["id"])

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make one exchange at a path below the admin root."""
        return self.gateway.request(f"{ROOT}{path}", body, method=method, headers=headers, key=self.key)

    def done(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Make an exchange that must succeed, and return what was answered."""
        answer = self.ask(method, path, body, **more)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json()

    def refused(self, status: int, code: str, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Make an exchange that must be refused so, and return the problem."""
        answer = self.ask(method, path, body, **more)
        assert (answer.status, answer.json().get("code")) == (status, code), answer.body
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()

    def pushed(self, name: str, content: Mapping[str, Any]) -> int:
        """Push a content and return its number."""
        number: int = self.done("POST", "", {"name": name, "content": content})["version"]
        return number

    def published(self, name: str, content: Mapping[str, Any]) -> int:
        """Push and publish."""
        number = self.pushed(name, content)
        self.done("POST", f"/{name}/versions/{number}/publish")
        return number

    def passed(self, name: str, content: Mapping[str, Any]) -> int:
        """Push, publish, and have it pass an evaluation."""
        number = self.published(name, content)
        found = self.done("POST", f"/{name}/versions/{number}/evaluate", {"cases": GOOD, "against": None})
        assert found["verdict"] == "pass", found
        return number

    def live(self, name: str, content: Mapping[str, Any], label: str = "production") -> int:
        """Have a label lead to a content that passed."""
        number = self.passed(name, content)
        self.done("PUT", f"/{name}/labels/{label}", {"version": number})
        return number

    def label(self, name: str, label: str = "production") -> dict[str, Any]:
        """The label as it is."""
        found: dict[str, Any] = self.done("GET", f"/{name}")["labels"][label]
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """The history, whose chain must be intact, the newest first."""
        found = self.done("GET", f"/{name}/history")
        assert found["intact"] is True
        events: list[dict[str, Any]] = found["events"]
        return events
