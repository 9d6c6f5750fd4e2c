"""What was said in a call, for administrators of its own tenant alone; each look is told, and none of its words."""

import base64
import logging

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.calllog.datasets import CONTENT
from llmgw.calllog.reading import Found
from llmgw.http.asked import HttpRequest, answer, caller_of
from llmgw.http.call_filters import call_id_of, only, reading_of
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.errors import GatewayError, NotFound
from llmgw.types.json import decode
from llmgw.types.text import printable

_log = logging.getLogger(__name__)


def content_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's calls are not there."""

    @get("/admin/v1/calls/{call_id:str}/content", opt={"permission": Permission.ADMINISTER})
    async def content(request: HttpRequest, call_id: FromPath[str]) -> Response[bytes]:
        reading = reading_of(runtime)
        only(request, frozenset())
        caller = caller_of(request)
        found = await reading.find(call_id_of(call_id), caller.tenant)
        if not found.rows:
            raise missing(found)
        call = decode(found.rows[0])
        kept = await reading.find(call_id, call["tenant"], CONTENT)
        if not kept.rows or runtime.unseal is None:
            raise NotFound(
                f"nothing that was said in this call is kept: its tenant's capture was {call['capture']} then, "
                "or the time for which words are kept is over"
            )
        sealed = base64.b64decode(decode(kept.rows[0])["sealed"])
        try:
            told = runtime.unseal(call["tenant"], call_id, sealed)
        except ValueError:
            raise NotFound("what was said in this call is kept, but not the key that opens it") from None
        _log.warning(
            "the content of call %s of tenant %s was read by key %s, role %s",
            printable(call_id, 128), call["tenant"], caller.key_id, caller.role,
        )  # fmt: skip
        return answer({"id": call_id, "tenant": call["tenant"], "capture": call["capture"], **told})

    return [content]


def missing(found: Found) -> GatewayError:
    """Say that there is no such call, as far as that is known."""
    if found.live:
        return NotFound("there is no such call")
    return NotFound(
        "there is no such call in what is stored; the calls of the last minute cannot be asked for now"
    )
