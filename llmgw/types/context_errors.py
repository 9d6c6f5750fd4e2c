"""What can go wrong with stored conversations, as branches of the tree in `errors.py`.

RequestError
├── NotFound
│   ├── ContextNotFound          404  context_not_found
│   ├── SchemaNotFound           404  schema_not_found
│   └── SessionNotFound          404  session_not_found
├── ContextExists                409  context_exists
├── ContextLocked                409  context_locked             another call is under way
├── ContextFenced                409  context_fenced             the call took longer than its lease
├── ContextQuarantined           409  context_quarantined
├── ContextHasForks              409  context_has_forks
├── MergeConflict                409  merge_conflict
├── IdempotencyInFlight          409  idempotency_in_flight
├── ContextErased                410  context_erased
├── ContextExpired               410  context_expired
├── RevisionMismatch             412  revision_mismatch
├── ContextTooLarge              413  context_too_large          bytes the context may take
├── ContextTooLong               413  context_length_exceeded    tokens the model takes
├── ContextViolation             422  context_violation
├── ContextNotPreserved          422  context_not_preserved      too much of it would not reach the model
├── SchemaViolation              422  schema_violation
├── SchemaRejected               422  schema_rejected
├── SchemaIncompatible           409  schema_incompatible
├── PatchFailed                  422  patch_failed
├── BundleRejected               422  bundle_rejected
├── IdempotencyReused            422  idempotency_key_reused
├── MediaMissing                 424  media_missing
└── RevisionRequired             428  revision_required
IntegrityFailed                  500  context_integrity_failed   stored bytes are not what was stored
"""

from llmgw.types.errors import GatewayError, NotFound, RequestError, WithViolations


class ContextNotFound(NotFound):
    """No context by that name, or another tenant's: nobody can tell which."""

    code = "context_not_found"

    def __init__(self, message: str = "there is no such context") -> None:
        super().__init__(message)


class SchemaNotFound(NotFound):
    """No schema of that name and version is registered for the tenant."""

    code = "schema_not_found"


class SessionNotFound(NotFound):
    """Nothing is known of a session by that name, or it is another tenant's: nobody can tell which."""

    code = "session_not_found"

    def __init__(self, message: str = "there is no such session") -> None:
        super().__init__(message)


class ContextExists(RequestError):
    """A context by that name is there already."""

    code = "context_exists"
    status = 409


class ContextLocked(RequestError):
    """Another call with this context is under way; `retry_after_s` says how long its lease still runs.

    `turns` is how many were stored by then. `forks` says that the policy has the call go on in a fork.
    """

    code = "context_locked"
    status = 409

    def __init__(self, message: str, *, retry_after_s: float | None = None, turns: int = 0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.turns = turns
        self.forks = False


class ContextFenced(RequestError):
    """The call lost its lease to another writer; its answer was kept aside, under its call id."""

    code = "context_fenced"
    status = 409


class ContextQuarantined(RequestError):
    """The stored bytes are not what was stored; the context can be read and exported, and not continued."""

    code = "context_quarantined"
    status = 409


class ContextHasForks(RequestError):
    """Others begin in this context, and the caller has not said what becomes of them."""

    code = "context_has_forks"
    status = 409


class MergeConflict(WithViolations, RequestError):
    """Two branches cannot become one; the violations say where."""

    code = "merge_conflict"
    status = 409


class IdempotencyInFlight(RequestError):
    """The call with this idempotency key has not ended; who asks again with it gets its answer."""

    code = "idempotency_in_flight"
    status = 409
    retryable = True


class ContextErased(RequestError):
    """The context was erased on request."""

    code = "context_erased"
    status = 410


class ContextExpired(RequestError):
    """The context's time ran out while the call was under way."""

    code = "context_expired"
    status = 410


class RevisionMismatch(RequestError):
    """The caller expected another revision; `etag` is the one there is.

    `rolled_back` tells that, as far as this worker or the caller knows, the store has lost acknowledged turns.
    """

    code = "revision_mismatch"
    status = 412

    def __init__(self, message: str, etag: str = "", *, rolled_back: bool = False) -> None:
        super().__init__(message)
        self.etag = etag
        self.rolled_back = rolled_back


class ContextTooLarge(RequestError):
    """The context would take more bytes than its policy allows."""

    code = "context_too_large"
    status = 413


class ContextTooLong(RequestError):
    """The conversation does not fit into the model's window, and the policy allows no cut that would do."""

    code = "context_length_exceeded"
    status = 413
    fallback = True


class ContextViolation(WithViolations, RequestError):
    """Rules of the context do not hold, and its policy is to refuse the call."""

    code = "context_violation"
    status = 422


class ContextNotPreserved(WithViolations, RequestError):
    """A target cannot be told as much of the context as its policy demands; another one may."""

    code = "context_not_preserved"
    status = 422
    fallback = True


class SchemaViolation(WithViolations, RequestError):
    """A document does not fit its schema."""

    code = "schema_violation"
    status = 422


class SchemaRejected(WithViolations, RequestError):
    """A schema that cannot be registered: it is none, is too large, or refers to other places."""

    code = "schema_rejected"
    status = 422


class SchemaIncompatible(WithViolations, RequestError):
    """A schema of that version is there, or documents of the last version would not fit this one."""

    code = "schema_incompatible"
    status = 409


class PatchFailed(WithViolations, RequestError):
    """A JSON Patch that cannot be applied to the document as it is."""

    code = "patch_failed"
    status = 422


class BundleRejected(WithViolations, RequestError):
    """An exported context that is damaged, not signed by a trusted gateway, or of an unknown form."""

    code = "bundle_rejected"
    status = 422


class IdempotencyReused(RequestError):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"
    status = 422


class MediaMissing(WithViolations, RequestError):
    """Content that the context refers to is not there."""

    code = "media_missing"
    status = 424


class RevisionRequired(RequestError):
    """The context's policy wants `If-Match`."""

    code = "revision_required"
    status = 428


class IntegrityFailed(GatewayError):
    """Stored bytes are not what was stored; the context is quarantined. `turn` is the first bad one, if known."""

    code = "context_integrity_failed"
    status = 500

    def __init__(self, message: str, turn: int | None = None) -> None:
        super().__init__(message)
        self.turn = turn
