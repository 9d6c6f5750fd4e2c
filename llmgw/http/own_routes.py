"""All routes of contexts, schemas and feedback."""

from litestar.handlers import HTTPRouteHandler

from llmgw.http.context_branches import branch_routes
from llmgw.http.context_records import record_routes
from llmgw.http.context_state import state_routes
from llmgw.http.context_transfer import transfer_routes
from llmgw.http.context_turns import turn_routes
from llmgw.http.contexts import context_routes
from llmgw.http.feedback import feedback_routes
from llmgw.http.runtime import Runtime
from llmgw.http.schemas import schema_routes
from llmgw.http.sessions import session_routes


def own_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes that are no vendor's."""
    feedbacks = runtime.feedbacks
    return [
        *([] if feedbacks is None else feedback_routes(feedbacks, runtime.recorder, runtime.clock)),
        *context_routes(runtime),
        *turn_routes(runtime),
        *state_routes(runtime),
        *branch_routes(runtime),
        *record_routes(runtime),
        *transfer_routes(runtime),
        *schema_routes(runtime),
        *session_routes(runtime),
    ]
