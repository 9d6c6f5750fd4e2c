"""What the door works with: the parts that live as long as the process, and those a reload swaps."""

from collections.abc import Callable

from msgspec import Struct

from llmgw.gateway.gateway import Gateway
from llmgw.http.auth import Authenticator
from llmgw.policy.keyring import Keyring
from llmgw.routing.health import Health
from llmgw.state.connection import State
from llmgw.telemetry.logs import CallLog
from llmgw.telemetry.spans import Tracing
from llmgw.types.clock import Clock


class Generation(Struct, frozen=True, kw_only=True):
    """One configuration at work; a reload puts a whole new one in its place."""

    number: int
    source: str | None
    loaded_unix_ns: int
    gateway: Gateway


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one exchange: bytes and seconds."""

    max_body: int
    max_in_flight: int
    body_timeout_s: float
    hold_s: float
    ping_s: float


class Runtime:
    """Everything the routes need; `generation` is replaced as a whole."""

    def __init__(
        self,
        *,
        state: State,
        keyring: Keyring | None,
        health: Health,
        tracing: Tracing,
        call_log: CallLog,
        clock: Clock,
        limits: Limits,
        generation: Generation,
        new_id: Callable[[], str],
    ) -> None:
        self.state = state
        self.keyring = keyring
        self.authenticator = Authenticator(keyring)
        self.health = health
        self.tracing = tracing
        self.call_log = call_log
        self.clock = clock
        self.limits = limits
        self.generation = generation
        self.new_id = new_id
        self.draining = False
        self.in_flight = 0
