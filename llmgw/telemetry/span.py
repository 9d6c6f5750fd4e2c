"""One span to be: what it says, and where it stands among the others."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link

from llmgw.telemetry.bounds import Attributes, Facts, bounded_span
from llmgw.types.links import SpanPlace

Kind: TypeAlias = Literal[1, 2, 3]
"""As OTLP numbers them."""
INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3


class Said(Struct, frozen=True, gc=False):
    """What one span says, or several of a trace alike, and the same as it stands in a request.

    It is not `written` where something of it may have to be cut.
    """

    facts: Facts
    written: bytes | None


class Span(Struct, frozen=True, kw_only=True, gc=False):
    """One span, with the names that the SDK has for its parts; its moments are unix nanoseconds.

    What it says in `words` is found out when it is written: to look through them for secrets takes milliseconds.
    A `remote` parent is in another process. `red` tells of a failure. `state` is a `tracestate`.
    """

    name: str
    context: SpanPlace
    parent: SpanPlace | None
    kind: Kind
    said: tuple[Said, ...]
    words: Callable[[], Facts] | None = None
    red: bool
    start_time: int
    end_time: int
    state: str
    remote: bool = False
    events: Sequence[Event] = ()
    links: Sequence[Link] = ()

    @property
    def attributes(self) -> Attributes:
        """All it says, as it is sent."""
        facts = merged(self.said)
        if self.words is not None:
            facts = {**facts, **self.words()}
        return bounded_span(facts, self.events)[0]


def merged(groups: Iterable[Said]) -> Facts:
    """All facts of the groups."""
    return {name: value for group in groups for name, value in group.facts.items()}
