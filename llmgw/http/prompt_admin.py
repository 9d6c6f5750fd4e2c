"""All admin routes of prompts."""

from litestar.handlers import HTTPRouteHandler

from llmgw.http.prompt_archive import archive_routes
from llmgw.http.prompt_asked import Desk
from llmgw.http.prompt_evaluations import evaluation_route
from llmgw.http.prompt_labels import label_routes
from llmgw.http.prompt_lifecycle import lifecycle_routes
from llmgw.http.prompt_pushes import push_routes
from llmgw.http.prompt_rollouts import rollout_routes
from llmgw.http.prompt_versions import version_routes
from llmgw.http.runtime import Runtime


def prompt_admin_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes by which prompts are changed and looked at."""
    desk = Desk(runtime)
    return [
        *push_routes(runtime, desk),
        *version_routes(runtime, desk),
        evaluation_route(runtime, desk),
        *label_routes(desk),
        *rollout_routes(desk),
        *lifecycle_routes(desk),
        *archive_routes(runtime, desk),
    ]
