"""What can go wrong with questions to the call log.

GatewayError
├── RequestError
│   └── InvalidRequest           400
│       ├── QueryRefused         400  query_refused          no one SELECT over what may be read
│       └── QueryTooLarge        422  query_too_large        needs more memory, room or time than is allowed
└── Unavailable
└── CallLogUnavailable       503  call_log_unavailable   the process that answers ended, or the segments are away
"""

from llmgw.types.errors import InvalidRequest, Unavailable


class QueryRefused(InvalidRequest):
    """A query says what no caller may ask, or what the log cannot answer."""

    code = "query_refused"


class QueryTooLarge(InvalidRequest):
    """A query needs more memory, room or time than one may take."""

    code = "query_too_large"
    status = 422


class CallLogUnavailable(Unavailable):
    """The process that reads the log ended in the middle, or what it reads is out of reach."""

    code = "call_log_unavailable"
