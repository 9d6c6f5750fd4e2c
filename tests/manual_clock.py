"""A clock that moves when a test says so."""


class ManualClock:
    """Starts at one second monotonic and the first second of 2026; `advance` moves both."""

    def __init__(self) -> None:
        self._elapsed_ns = 0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._elapsed_ns += round(seconds * 1e9)

    def monotonic_ns(self) -> int:
        """As `Clock`."""
        return 1_000_000_000 + self._elapsed_ns

    def unix_ns(self) -> int:
        """As `Clock`."""
        return 1_767_225_600_000_000_000 + self._elapsed_ns
