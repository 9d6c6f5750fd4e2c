"""Times in a query: RFC 3339, or a length of time before now such as `7d`."""

import re

from llmgw.http.asked import HttpRequest
from llmgw.types.errors import InvalidRequest
from llmgw.types.moments import moment


def moment_of(request: HttpRequest, name: str, now_ms: int, default: int) -> int:
    """Read a moment of the query, in unix ms; a date alone begins in UTC.

    Raises:
        InvalidRequest: it is none.
    """
    written = request.query_params.get(name)
    if written is None:
        return default
    try:
        # A plus sign in a query that was not quoted arrives as a space.
        return moment(re.sub(r" (?=[0-9]{2}:[0-9]{2}\Z)", "+", written), now_ms)
    except ValueError:
        raise InvalidRequest(
            f"{name} is a time like 2026-11-27T00:00:00Z, or as long ago as 24h or 7d", param=name
        ) from None
