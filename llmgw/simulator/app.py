"""The simulator as a function of requests: it routes, notes what it received, and answers."""

import time
from collections.abc import Callable
from typing import TypeAlias

from llmgw.simulator.faults import Turnstile
from llmgw.simulator.log import RequestLog
from llmgw.simulator.openai import OpenAI
from llmgw.simulator.refusal import Refused
from llmgw.simulator.reply import Reply, Request, Whole
from llmgw.simulator.stats import Stats
from llmgw.types.json import Json, encode

_Handler: TypeAlias = Callable[[Request], Reply]

_OWN = "/_sim/"
_ONE_MODEL = "/v1/models/"


class Simulator:
    """Answers requests; knows no sockets. A dialect joins with its endpoints in `_routes`."""

    def __init__(
        self,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.log = RequestLog()
        self.stats = Stats(monotonic_ns)
        self._openai = OpenAI(Turnstile(monotonic_ns), unix_ns)
        self._routes: dict[str, dict[str, _Handler]] = {
            "/v1/chat/completions": {"POST": self._openai.chat},
            "/v1/embeddings": {"POST": self._openai.embeddings},
            "/v1/models": {"GET": self._openai.models},
            "/livez": {"GET": lambda _: _json({"status": "ok"})},
            f"{_OWN}log": {"GET": lambda _: _json(self.log.entries()), "DELETE": self._forget},
            f"{_OWN}stats": {"GET": lambda _: _json(self.stats.snapshot())},
        }

    def answer(self, request: Request) -> Reply:
        """Answer one request; what OpenAI would refuse is refused in its words."""
        if not request.path.startswith(_OWN):
            self.log.add(request)
        try:
            return self._dispatch(request)
        except Refused as refused:
            return self._openai.error(refused, request)

    def _dispatch(self, request: Request) -> Reply:
        path = request.path
        methods = self._routes.get(path)
        name = path.removeprefix(_ONE_MODEL)
        if methods is None and name and name != path:
            path, methods = _ONE_MODEL, {"GET": lambda asked: self._openai.model(asked, name)}
        if methods is None:
            raise Refused(404, f"Invalid URL ({request.method} {request.path})")
        if not path.startswith(_OWN):
            self.stats.received(path)
        handler = methods.get(request.method)
        if handler is None:
            allowed = ", ".join(methods)
            raise Refused(
                405,
                f"Not allowed to {request.method} on {request.path}; allowed: {allowed}.",
                code="method_not_supported",
                headers=(("allow", allowed),),
            )
        return handler(request)

    def _forget(self, _: Request) -> Reply:
        self.log.clear()
        return Whole(204, (), b"")


def _json(value: Json) -> Whole:
    return Whole(200, (("content-type", "application/json"),), encode(value))
