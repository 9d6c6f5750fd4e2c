"""What the admin routes of prompts have in common: who asks, what the label was to him, and how he is answered."""

import re
from typing import Any, Final

from litestar import Response

from llmgw.http.asked import HttpRequest, answer, caller_of
from llmgw.http.own_calls import request_id_of
from llmgw.http.runtime import Runtime
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.changes import etag, version_of
from llmgw.prompts.registry.registry import Registry
from llmgw.types.errors import StoreUnavailable
from llmgw.types.prompt import LATEST, SERVED, Label, PromptContent, PromptInfo, VersionInfo
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
            info = version_of(known, number)
            if info.state not in SERVED:
                raise
            return info, self._snapshot.content(tenant, name, info.hash)
        return stored.info, stored.content

    def author(self, request: HttpRequest) -> Author:
        """Who changes something, in the request that the answer will name."""
        caller = caller_of(request)
        return Author(tenant=caller.tenant, who=caller.key_id, call=request_id_of(request, self._runtime))


def meant(info: PromptInfo, written: str) -> VersionInfo:
    """Find what a number or a label means.

    Raises:
        PromptVersionNotFound: nothing; the message lists what there is.
    """
    if _NUMBER.fullmatch(written):
        return version_of(info, int(written))
    if written == LATEST and info.latest is not None:
        return info.versions[info.latest]
    label = info.labels.get(written)
    if label is None or not label.version:
        known = ", ".join(sorted(info.labels)[:_LISTED]) or "none"
        raise PromptVersionNotFound(f"the prompt {info.name} has no such version or label; labels: {known}")
    return version_of(info, label.version)


def expected_of(request: HttpRequest) -> str | None:
    """The entity tags that a label may have for the caller, as they are written; None for none, or any.

    Whoever would make a label, and change none, says `If-None-Match: *`.
    """
    written = request.headers.get("if-match", "").strip()
    if not written and request.headers.get("if-none-match", "").strip() == "*":
        return etag(None)
    return None if written in {"", "*"} else written


def left(author: Author, label: Label, status: int = 200) -> Response[bytes]:
    """Answer with a label as it is now; 202 where a move of it waits for somebody."""
    return done(author, label, 202 if label.pending is not None else status, etag=str(label.rev))


def done(author: Author, value: Any, status: int = 200, *, etag: str | None = None) -> Response[bytes]:
    """Answer a change, under the request id that the audit has."""
    return answer(value, status, etag=etag, x_request_id=author.call)
