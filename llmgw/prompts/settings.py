"""What the operator decides about prompts."""

from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct


class PromptSettings(Struct, frozen=True, kw_only=True):
    """The operator's word on prompts; `state_dir` is where the last good state is kept, None to keep none."""

    protected: tuple[str, ...] = ("production", "production-*", "prod-*")
    approvals: int = 0
    min_cases: int = 20
    poll_s: float = 5.0
    state_dir: Path | None = None

    def is_protected(self, label: str) -> bool:
        """Whether a label leads only to versions whose evaluation passed."""
        return any(fnmatchcase(label, pattern) for pattern in self.protected)
