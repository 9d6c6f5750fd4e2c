"""Prompts in a worker's snapshot, as the registry would have put them there."""

from typing import Any

import msgspec
from llmgw.prompts.prompts import Prompts
from llmgw.state.connection import State
from llmgw.types.prompt import (
    Label,
    PromptContent,
    PromptInfo,
    Rollout,
    VersionInfo,
    content_bytes,
    content_hash,
)


def content(*messages: tuple[str, str], **members: Any) -> PromptContent:
    """A content of messages, each a role and a template; other members as JSON has them."""
    said = [{"role": role, "text": text} for role, text in messages]
    return msgspec.convert({"messages": said, **members}, PromptContent)


def prompts_of(*contents: PromptContent, name: str = "triage", **members: Any) -> Prompts:
    """A worker that knows one prompt, its versions from 1 on, the last one behind `production`."""
    known = Prompts(State("unix:///nowhere", timeout_s=1))
    known.snapshot.confirm()
    put(known, *contents, name=name, **members)
    return known


def put(
    known: Prompts,
    *contents: PromptContent,
    name: str = "triage",
    tenant: str = "default",
    labels: dict[str, int] | None = None,
    rollout: Rollout | None = None,
    facts: dict[int, dict[str, Any]] | None = None,
) -> None:
    """Have the worker know one prompt; `facts` are further members of its versions by their numbers."""
    versions = {}
    for number, each in enumerate(contents, 1):
        known_facts: dict[str, Any] = {"state": "published", "api": each.api, "model": each.model}
        versions[number] = VersionInfo(
            number=number,
            hash=content_hash(each),
            author="ann",
            created_ms=1,
            **{**known_facts, **(facts or {}).get(number, {})},
        )
    led = {
        label: Label(version=number, rev=1, moved_ms=1, moved_by="ann", rollout=rollout)
        for label, number in (labels or {"production": len(contents)}).items()
    }
    info = PromptInfo(name=name, rev=1, created_ms=1, updated_ms=1, versions=versions, labels=led)
    known.snapshot.put(tenant, info, {content_hash(each): content_bytes(each) for each in contents})
    known.snapshot.confirm()
