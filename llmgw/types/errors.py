"""Everything that can go wrong, as one tree.

    GatewayError
    ├── RequestError                 the caller can mend it; never retried
    │   ├── InvalidRequest           400  invalid_request
    │   │   ├── InvalidJson          400  invalid_json
    │   │   ├── UnsupportedParameter 400  unsupported_parameter
    │   │   └── ForbiddenField       400  forbidden_field
    │   ├── InvalidApiKey            401  invalid_api_key
    │   ├── PermissionDenied         403  permission_denied
    │   │   └── ModelNotAllowed      403  model_not_allowed
    │   ├── PriceMissing             403  price_missing         only priced models may be asked
    │   ├── NotFound                 404  not_found
    │   │   └── ModelNotFound        404  model_not_found
    │   ├── MethodNotAllowed         405  method_not_allowed
    │   ├── RequestTimeout           408  request_timeout
    │   ├── KeyConflict              409  key_conflict
    │   ├── RequestTooLarge          413  request_too_large
    │   ├── UnsupportedMediaType     415  unsupported_media_type
    │   ├── HeadersTooLarge          431  headers_too_large
    │   └── ClientGone               499  client_gone
    ├── ProviderError                the provider is the cause
    │   ├── ProviderRefused          4xx  provider_refused      its own 400, 404, 413, 422 passed on
    │   ├── ProviderAuth             502  provider_auth         our credential was refused
    │   ├── ProviderRateLimited      429  rate_limited
    │   ├── ProviderQuotaExhausted   429  insufficient_quota    the operator's account there is used up
    │   ├── ProviderOverloaded       503  provider_overloaded
    │   ├── ProviderFailed           502  provider_error
    │   ├── ProviderUnreachable      502  provider_unreachable
    │   ├── ProviderTlsError         502  provider_tls_error
    │   ├── ProviderTimeout          504  provider_timeout
    │   ├── ProviderBadResponse      502  provider_bad_response
    │   ├── ProviderTooLarge         502  provider_response_too_large
    │   ├── ProviderBadStream        502  provider_bad_stream
    │   └── StreamInterrupted        502  stream_interrupted
    ├── Unavailable                  our own infrastructure; retry later
    │   ├── StoreUnavailable         503  store_unavailable
    │   ├── Overloaded               503  overloaded
    │   ├── NoHealthyTarget          503  no_healthy_target
    │   └── Draining                 503  draining
    ├── DeadlineExceeded             504  deadline_exceeded
    └── InternalError                500  internal_error

A class owns its `code`, HTTP `status`, whether the caller may retry (`retryable`) and whether the corridor
may try again before the first content (`fallback`). Wire formats dress an error in the caller's dialect.
What can go wrong with stored conversations is in `context_errors.py`, with prompts in `prompt_errors.py`, with
limits and budgets in `limit_errors.py`, before a caller is known in `auth_errors.py`.
"""

from collections.abc import Iterable
from typing import ClassVar

from llmgw.types.violation import Violation


class GatewayError(Exception):
    """An answer that is not a completion; raised deep, dressed at the door."""

    code: ClassVar[str] = "internal_error"
    status: int = 500
    retryable: ClassVar[bool] = False
    fallback: ClassVar[bool] = False
    violations: tuple[Violation, ...] = ()
    """Each thing that is wrong with what was sent, where there may be several."""
    etag: str | None = None
    """The entity tag of what is there now, where the caller's was another."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        upstream_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.upstream_code = upstream_code


class WithViolations(Exception):  # part of an error, named for what it adds
    """What errors that say each thing that is wrong have beside the branch of the tree that they are on."""

    def __init__(self, message: str, violations: Iterable[Violation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)


class RequestError(GatewayError):
    """The caller can mend it."""

    code = "invalid_request"
    status = 400


class InvalidRequest(RequestError):
    """The body decodes as JSON but does not say what the wire format requires."""


class InvalidJson(InvalidRequest):
    """The body is not acceptable JSON."""

    code = "invalid_json"


class UnsupportedParameter(InvalidRequest):
    """A field is understood, but no target of this call can honour it; `param` names it.

    `pointer` leads to the part of the conversation that is the cause, where one is: `/messages/3/parts/0`.
    """

    code = "unsupported_parameter"

    def __init__(self, message: str, *, param: str | None = None, pointer: str | None = None) -> None:
        super().__init__(message, param=param)
        self.pointer = pointer


class ForbiddenField(InvalidRequest):
    """A field would redirect the call or carry a credential, which only the operator may do."""

    code = "forbidden_field"


class InvalidApiKey(RequestError):
    """No key, or a key nobody issued."""

    code = "invalid_api_key"
    status = 401


class PermissionDenied(RequestError):
    """A good key that may not do this."""

    code = "permission_denied"
    status = 403


class ModelNotAllowed(PermissionDenied):
    """A good key whose list does not have this model; said alike whether there is such a model or not."""

    code = "model_not_allowed"


class PriceMissing(RequestError):
    """The model has no price, and the operator lets only priced ones be asked."""

    code = "price_missing"
    status = 403


class NotFound(RequestError):
    """Nothing by that name that this caller may see."""

    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    """Neither an alias nor `provider/model` of a configured provider."""

    code = "model_not_found"


def unknown_model() -> ModelNotFound:
    """Say that there is no such model to who is not to know which names come near."""
    return ModelNotFound("there is no model of this name", param="model")


class MethodNotAllowed(RequestError):
    """The path exists with another method."""

    code = "method_not_allowed"
    status = 405
    allow = "POST"
    """The methods that it takes."""


class RequestTimeout(RequestError):
    """The caller sent its body too slowly."""

    code = "request_timeout"
    status = 408
    retryable = True


class KeyConflict(RequestError):
    """What is asked does not go with what a key or an access request has become."""

    code = "key_conflict"
    status = 409


class RequestTooLarge(RequestError):
    """The body is over the configured limit."""

    code = "request_too_large"
    status = 413


class UnsupportedMediaType(RequestError):
    """Not `application/json`, or a content encoding."""

    code = "unsupported_media_type"
    status = 415


class HeadersTooLarge(RequestError):
    """More header bytes than the limit."""

    code = "headers_too_large"
    status = 431


class ClientGone(RequestError):
    """The caller closed its connection; the status is for the record only."""

    code = "client_gone"
    status = 499


class ProviderError(GatewayError):
    """The provider is the cause.

    `upstream_status` is the provider's HTTP status where one arrived.
    """

    code = "provider_error"
    status = 502
    retryable = True
    fallback = True

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        upstream_code: str | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s, upstream_code=upstream_code)
        self.upstream_status = upstream_status


class ProviderRefused(ProviderError):
    """The provider found the request itself wrong; its status, code and message go to the caller."""

    code = "provider_refused"
    status = 400
    retryable = False
    fallback = False

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        upstream_code: str | None = None,
    ) -> None:
        super().__init__(message, param=param, upstream_code=upstream_code, upstream_status=status)
        self.status = status


class ProviderAuth(ProviderError):
    """The provider refused the gateway's credential: the operator's to mend, never a 401 to the caller."""

    code = "provider_auth"
    retryable = False


class ProviderRateLimited(ProviderError):
    """The provider answered 429."""

    code = "rate_limited"
    status = 429


class ProviderQuotaExhausted(ProviderError):
    """The operator's account with the provider is used up; waiting does not help, another provider may."""

    code = "insufficient_quota"
    status = 429
    retryable = False


class ProviderOverloaded(ProviderError):
    """The provider said it has no capacity (529, or 503 with such a code)."""

    code = "provider_overloaded"
    status = 503


class ProviderFailed(ProviderError):
    """The provider answered with a server error of its own."""


class ProviderUnreachable(ProviderError):
    """No connection: refused, unresolvable, unroutable, or cut before an answer."""

    code = "provider_unreachable"


class ProviderTlsError(ProviderError):
    """The provider's certificate or handshake is bad; never retried on the same target."""

    code = "provider_tls_error"
    retryable = False


class ProviderTimeout(ProviderError):
    """No first byte, or no next byte, within its clock."""

    code = "provider_timeout"
    status = 504


class ProviderBadResponse(ProviderError):
    """A success status with something that is not an answer."""

    code = "provider_bad_response"


class ProviderTooLarge(ProviderError):
    """An answer, line or header block over its limit."""

    code = "provider_response_too_large"
    retryable = False


class ProviderBadStream(ProviderError):
    """A stream event that does not parse."""

    code = "provider_bad_stream"


class StreamInterrupted(ProviderError):
    """The stream ended before the answer did."""

    code = "stream_interrupted"


class Unavailable(GatewayError):
    """Our own infrastructure; the caller may come back."""

    code = "unavailable"
    status = 503
    retryable = True


class StoreUnavailable(Unavailable):
    """Redis does not answer; where it was not even `asked`, nothing of what was wanted is done."""

    code = "store_unavailable"

    def __init__(self, message: str, *, retry_after_s: float | None = None, asked: bool = True) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.asked = asked


class Overloaded(Unavailable):
    """A queue of ours is full; with other targets left, the corridor tries them."""

    code = "overloaded"
    fallback = True


class NoHealthyTarget(Unavailable):
    """Every target of the alias is resting after failures."""

    code = "no_healthy_target"


class Draining(Unavailable):
    """The process is stopping."""

    code = "draining"


class DeadlineExceeded(GatewayError):
    """The call's total time is over."""

    code = "deadline_exceeded"
    status = 504
    retryable = True


class InternalError(GatewayError):
    """A fault of ours; the log has the cause, the caller gets none of it."""

    retryable = True
