"""What the admin routes of prompts have in common: who asks, what the label was to him, and how he is answered."""

import re
from typing import Any, Final

from litestar import Response

from llmgw.http.asked import HttpRequest, answer, caller_of
from llmgw.http.exchange import request_id
from llmgw.http.runtime import Runtime
from llmgw.prompts.audit import Author
from llmgw.prompts.changes import etag
from llmgw.prompts.registry import Registry
from llmgw.prompts.snapshot import SERVED
from llmgw.types.errors import StoreUnavailable
from llmgw.types.prompt import LATEST, PromptContent, PromptInfo, VersionInfo
from llmgw.types.prompt_errors import PromptVersionNotFound

ROOT: Final = "/admin/v1/prompts"
MAX_WORDS: Final = 64 * 1024
"""Bytes of a body that says what shall be done, but no content."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)
_LISTED: Final = 20


class Desk:
    """Where prompts are looked up for those who may see drafts: in the store, or as this worker last saw it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._snapshot = runtime.prompts.snapshot

    @property
    def registry(self) -> Registry:
        """Where prompts are changed."""
        return self._runtime.prompts.registry

    async def info(self, tenant: str, name: str) -> PromptInfo:
        """Read what is known of a prompt; while the store is away, what was known last.

        Raises:
            PromptNotFound: the tenant has none of that name.
            StoreUnavailable: it is away, and was before the prompt was seen.
        """
        try:
            return await self.registry.info(tenant, name)
        except StoreUnavailable:
            known = self._snapshot.prompts(tenant).get(name)
            if known is None:
                raise
            return known

    async def prompts(self, tenant: str, prefix: str) -> list[PromptInfo]:
        """Read the prompts whose names begin so; while the store is away, what was known last.

        Raises:
            StoreUnavailable: it is away, and nothing was ever known.
        """
        try:
            found = await self.registry.prompts(tenant, prefix)
        except StoreUnavailable:
            known = self._snapshot.prompts(tenant)
            if not known:
                raise
            found = [each for name, each in sorted(known.items()) if name.startswith(prefix)]
        return found

    async def version(self, tenant: str, name: str, number: int) -> tuple[VersionInfo, PromptContent]:
        """Read one version, a draft too.

        Raises:
            PromptNotFound, PromptVersionNotFound: there is none.
            StoreUnavailable: the store is away, and this worker does not have it.
        """
        try:
            stored = await self.registry.version(tenant, name, number)
        except StoreUnavailable:
            known = self._snapshot.prompts(tenant).get(name)
            if known is None:
                raise
            info = numbered(known, number)
            if info.state not in SERVED:
                raise
            return info, self._snapshot.content(tenant, name, info.hash)
        return stored.info, stored.content

    def author(self, request: HttpRequest) -> Author:
        """Who changes something, in the request that the answer will name."""
        headers = dict(request.scope["headers"])
        return Author(
            tenant=caller_of(request).tenant,
            who=caller_of(request).key_id,
            call=request_id(headers, self._runtime.new_id),
        )


def numbered(info: PromptInfo, number: int) -> VersionInfo:
    """Find a version by its number.

    Raises:
        PromptVersionNotFound: there is none; the message lists the newest there are.
    """
    found = info.versions.get(number)
    if found is None:
        known = ", ".join(map(str, sorted(info.versions)[-_LISTED:])) or "none"
        raise PromptVersionNotFound(f"the prompt {info.name} has no version {number}; versions: {known}")
    return found


def meant(info: PromptInfo, written: str) -> VersionInfo:
    """Find what a number or a label means.

    Raises:
        PromptVersionNotFound: nothing; the message lists what there is.
    """
    if _NUMBER.fullmatch(written):
        return numbered(info, int(written))
    if written == LATEST and info.latest is not None:
        return info.versions[info.latest]
    label = info.labels.get(written)
    if label is None or not label.version:
        known = ", ".join(sorted(info.labels)[:_LISTED]) or "none"
        raise PromptVersionNotFound(f"the prompt {info.name} has no such version or label; labels: {known}")
    return numbered(info, label.version)


def expected_of(request: HttpRequest) -> str | None:
    """The entity tags that a label may have for the caller, as they are written; None for none, or any.

    Whoever would make a label, and change none, says `If-None-Match: *`.
    """
    written = request.headers.get("if-match", "").strip()
    if not written and request.headers.get("if-none-match", "").strip() == "*":
        return etag(None)
    return None if written in {"", "*"} else written


def done(author: Author, value: Any, status: int = 200, *, etag: str | None = None) -> Response[bytes]:
    """Answer a change, under the request id that the audit has."""
    return answer(value, status, etag=etag, x_request_id=author.call)
