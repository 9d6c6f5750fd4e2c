"""The gateway that is soaked: its configuration, its callers' keys, and the prompt they ask by name."""

from typing import Any, Final

from tests.running import RunningGateway

from loadtests.soak.books import TENANTS
from loadtests.soak.traffic import PROMPT

PLENTY: Final = 1_000_000.0
"""US dollars that no run spends."""
KEYS: Final = 4
"""Keys of each tenant."""


def config(upstream_port: int) -> dict[str, Any]:
    """Everything on, with a cache that a run of minutes fills."""
    root = f"http://127.0.0.1:{upstream_port}"
    provider = {"kind": "openai_compatible", "base_url": f"{root}/v1", "api_key": "upstream-key"}
    most = {"requests_per_minute": 10**9, "concurrent": 10_000, "budgets": {"day": PLENTY, "total": PLENTY}}
    return {
        "server": {"workers": 2},
        "providers": {"up": provider, "spare": {**provider, "base_url": f"{root}/spare/v1"}},
        "aliases": {"soak": {"targets": ["up/soak", "spare/soak"]}},
        "prices": {"models": {f"{name}/*": {"input": 1, "output": 2} for name in ("up", "spare")}},
        "limits": {
            "tenants": {
                "paid": {**most, "keys": {"*": most}},
                "lent": {"budgets": {"day": PLENTY}, "degraded": "allow"},
            },
        },
        "prompts": {"min_cases": 1},
        "contexts": {"cache_mib": 8, "lease_s": 5},
        "state": {"timeout_s": 0.5},
        "telemetry": {"otlp_endpoint": root, "sample": 1.0},
    }


def prepared(gateway: RunningGateway) -> list[str]:
    """Have each tenant serve the prompt, and make the keys of its callers.

    Raises:
        RuntimeError: the gateway refuses one of these.
    """
    keys = [_key(gateway, tenant, "caller") for tenant in TENANTS for _ in range(KEYS)]
    for tenant in TENANTS:
        _publish(gateway, _key(gateway, tenant, "admin"))
    return keys


def _key(gateway: RunningGateway, tenant: str, role: str) -> str:
    made = gateway.request("/admin/v1/keys", {"name": "soak", "role": role, "tenant": tenant})
    if made.status != 201:
        raise RuntimeError(f"no key: {made.status} {made.body!r}")
    return str(made.json()["key"])


def _publish(gateway: RunningGateway, key: str) -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    content = {
        "messages": [{"role": "user", "text": "say: {{ text }}"}],
        "model": "soak",
        "input_schema": schema,
    }
    root = "/admin/v1/prompts"
    made = gateway.request(root, {"name": PROMPT, "content": content}, key=key)
    number = made.json()["version"]
    gateway.request(f"{root}/{PROMPT}/versions/{number}/publish", b"", method="POST", key=key)
    label = {"version": number, "break_glass": True, "reason": "a soak"}
    answer = gateway.request(f"{root}/{PROMPT}/labels/production", label, method="PUT", key=key)
    if answer.status >= 300:
        raise RuntimeError(f"the prompt is not served: {answer.status} {answer.body!r}")
