"""What refuses a call for the sake of a limit, or a change of one, as branches of the tree in `errors.py`.

RequestError
├── LimitsChanged                412  limits_changed              somebody else was faster
└── LimitExceeded
    ├── RateLimited              429  rate_limit_exceeded         requests or tokens of the last minute
    │   └── NeverFits            429  rate_limit_exceeded         the call alone is larger than the limit
    ├── ConcurrencyExceeded      429  concurrency_limit_exceeded  calls under way
    └── BudgetExceeded           429  budget_exceeded             never retried: waiting seconds does not help
Unavailable
├── StoreReset                   503  store_reset                 the store lost the tenant's books
└── JournalRefuses               503  journal_unavailable         what a call costs could not be written down
InternalError
└── TooLate                      500  too_late                    it may have been charged, and that been forgotten
"""

from llmgw.types.errors import InternalError, RequestError, Unavailable


class LimitsChanged(RequestError):
    """What is set is not what whoever changes it expected; `etag` is that of what is there."""

    code = "limits_changed"
    status = 412

    def __init__(self, message: str, *, etag: str | None = None) -> None:
        super().__init__(message)
        self.etag = etag


class LimitExceeded(RequestError):
    """A limit of the key, its team or its tenant is reached; `limit` names it, `left` says how much there is.

    `left` counts requests, tokens, calls or nano-USD, as the limit does. `retry_after_s` is None where waiting
    does not help.
    """

    code = "rate_limit_exceeded"
    status = 429

    def __init__(self, message: str, *, limit: str, left: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.limit = limit
        self.left = left


class RateLimited(LimitExceeded):
    """Too many requests or tokens within a minute."""

    retryable = True


class NeverFits(RateLimited):
    """The call alone is more than the limit allows; it does not help to wait."""

    retryable = False


class ConcurrencyExceeded(LimitExceeded):
    """Too many calls are under way; `retry_after_s` is when the first of their leases ends, at the latest."""

    code = "concurrency_limit_exceeded"
    retryable = True


class BudgetExceeded(LimitExceeded):
    """What the call may cost does not fit into a budget; `resets_ms` is when its next window begins, in unix ms."""

    code = "budget_exceeded"

    def __init__(self, message: str, *, limit: str, left: int, resets_ms: int | None = None) -> None:
        super().__init__(message, limit=limit, left=left)
        self.resets_ms = resets_ms


class StoreReset(Unavailable):
    """The store has no books of the tenant, which does not mean that nothing was spent: an operator decides."""

    code = "store_reset"


class JournalRefuses(Unavailable):
    """What a call with a budget costs could be forgotten: this worker's journal takes no records."""

    code = "journal_unavailable"


class TooLate(InternalError):
    """A step of a call that began so long ago that the store may have forgotten that it was made."""

    code = "too_late"
    retryable = False
