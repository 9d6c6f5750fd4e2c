"""What a tenant's callers can call by prompt: its prompts, and those of them that are APIs."""

import asyncio
from datetime import UTC, datetime
from typing import NamedTuple

from llmgw.http.prompt_headers import successor_url
from llmgw.prompts.serving.apis import api_labels, behind, served_slugs
from llmgw.prompts.serving.snapshot import Snapshot
from llmgw.types.message import Details
from llmgw.types.prompt import DEFAULT_LABEL, SERVED, PromptApi, PromptContent, PromptInfo, VersionInfo

_AT_ONCE = 64
"""Prompts after which others get a turn."""


class ServedApi(NamedTuple):
    """One API in one major version, and the version of the prompt behind it."""

    name: str
    info: VersionInfo
    api: PromptApi
    content: PromptContent

    @property
    def url(self) -> str:
        """Its address."""
        return f"/v1/apis/{self.api.slug}/v{self.api.major}"


async def listing(snapshot: Snapshot, tenant: str) -> list[Details]:
    """Describe the prompts that callers may have: by what `production` leads to, else by the newest version."""
    found: list[Details] = []
    for number, info in enumerate(sorted(snapshot.prompts(tenant).values(), key=lambda each: each.name)):
        if number and number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        if (version := _shown(info)) is not None:
            found.append(_described(info, version, snapshot.content(tenant, info.name, version.hash)))
    return found


def served_apis(snapshot: Snapshot, tenant: str) -> list[ServedApi]:
    """The APIs of a tenant by their slugs, the present major version of each first."""
    prompts = snapshot.prompts(tenant)
    by_slug: dict[str, PromptInfo] = {}
    for name in sorted(prompts):
        for slug in served_slugs(prompts[name]):
            by_slug.setdefault(slug, prompts[name])
    found: list[ServedApi] = []
    for slug, info in sorted(by_slug.items()):
        for _, label in sorted(api_labels(info, slug).items(), reverse=True):
            version = behind(info, label)
            if version is not None and version.api is not None and version.state in SERVED:
                content = snapshot.content(tenant, info.name, version.hash)
                found.append(ServedApi(info.name, version, version.api, content))
    return found


def catalogue(snapshot: Snapshot, tenant: str) -> list[Details]:
    """Describe the APIs of a tenant."""
    return [_catalogued(each) for each in served_apis(snapshot, tenant)]


def date_of(unix_ms: int) -> str:
    """Write a moment as RFC 3339 does."""
    return datetime.fromtimestamp(unix_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def _catalogued(served: ServedApi) -> Details:
    described: Details = {
        "slug": served.api.slug,
        "major": served.api.major,
        "prompt": f"{served.name}@{served.info.number}",
        "summary": served.api.summary,
        "state": served.info.state,
        "url": served.url,
    }
    if served.info.sunset_ms is not None:
        described["sunset"] = date_of(served.info.sunset_ms)
    if served.info.successor:
        described["successor"] = successor_url(served.info.successor)
    return described


def _shown(info: PromptInfo) -> VersionInfo | None:
    version = behind(info, DEFAULT_LABEL)
    if version is None or version.state not in SERVED:
        version = info.versions[info.latest] if info.latest is not None else None
    return version


def _described(info: PromptInfo, version: VersionInfo, content: PromptContent) -> Details:
    return {
        "name": info.name,
        "labels": {name: label.version for name, label in sorted(info.labels.items())},
        "latest": info.latest,
        "description": content.description,
        "input_schema": content.input_schema,
        "api": {"slug": version.api.slug, "major": version.api.major} if version.api is not None else None,
    }
