"""What refuses a caller before it is known who it is, as branches of the tree in `errors.py`.

RequestError
└── TooManyWrongKeys         429  too_many_wrong_keys         an address that tries keys; good ones of it still work
Unavailable
└── IssuerUnavailable        503  issuer_unavailable          the keys that tokens are checked with cannot be had
"""

from llmgw.types.errors import RequestError, Unavailable


class TooManyWrongKeys(RequestError):
    """An address has presented more wrong keys within a minute than one that means well does."""

    code = "too_many_wrong_keys"
    status = 429
    retryable = True


class IssuerUnavailable(Unavailable):
    """Whether a token is good cannot be told now: its issuer's keys are not here."""

    code = "issuer_unavailable"
