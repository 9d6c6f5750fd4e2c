"""What went on in the simulator: counts, the exchanges still open, and the clients that left too early."""

from collections import Counter, deque
from collections.abc import Callable

from msgspec import Struct

from llmgw.simulator.reply import Bill
from llmgw.types.json import Json

_KEPT = 256


class Exchange(Struct):
    """One scripted answer while it is played; `pieces` counts what has been sent of its body."""

    path: str
    model: str
    stream: bool
    began_ns: int
    pieces: int = 0


class Stats:
    """Counts requests and follows open exchanges."""

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self._now_ns = monotonic_ns
        self._start_ns = monotonic_ns()
        self._by_path: Counter[str] = Counter()
        self._open = 0
        self._open_streams = 0
        self._closed_early = 0
        self._departures: deque[Json] = deque(maxlen=_KEPT)
        self._billed: dict[str, Counter[str]] = {}

    @property
    def closed_early(self) -> int:
        """How many clients left before their answer was complete."""
        return self._closed_early

    @property
    def open(self) -> int:
        """How many scripted answers are being played."""
        return self._open

    def received(self, path: str) -> None:
        """Count a request to a known path."""
        self._by_path[path] += 1

    def begin(self, path: str, model: str, *, stream: bool) -> Exchange:
        """Follow an exchange."""
        exchange = Exchange(path, model, stream, self._now_ns())
        self._open += 1
        self._open_streams += stream
        return exchange

    def end(self, exchange: Exchange) -> None:
        """The simulator is done with it."""
        self._open -= 1
        self._open_streams -= exchange.stream

    def left(self, exchange: Exchange) -> None:
        """The client went away before the end."""
        self.end(exchange)
        self._closed_early += 1
        now = self._now_ns()
        self._departures.append(
            {
                "path": exchange.path,
                "model": exchange.model,
                "stream": exchange.stream,
                "pieces_sent": exchange.pieces,
                "after_s": round((now - exchange.began_ns) / 1e9, 3),
                "at_s": round((now - self._start_ns) / 1e9, 3),
            }
        )

    def charge(self, bill: Bill) -> None:
        """Note what an answer is charged as it begins."""
        billed = self._billed.setdefault(bill.model, Counter())
        billed["answers"] += 1
        for name in ("input", "cached", "written", "output"):
            billed[name] += getattr(bill, name)

    def charge_output(self, model: str, tokens: int) -> None:
        """Note what was sent of an answer that is streamed."""
        self._billed[model]["output"] += tokens

    def snapshot(self) -> Json:
        """Give everything as JSON; `at_s` counts from the simulator's start."""
        return {
            "requests": self._by_path.total(),
            "by_path": dict(self._by_path),
            "open": self._open,
            "open_streams": self._open_streams,
            "closed_early": self._closed_early,
            "departures": list(self._departures),
            "billed": {model: dict(billed) for model, billed in self._billed.items()},
        }
