"""What the lint says of a content: one finding for each place."""

from typing import Literal, TypeAlias

from msgspec import Struct

from llmgw.types.violation import Pointer, Violation

Severity: TypeAlias = Literal["error", "warning"]


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is wrong with a content (`error`), or may be (`warning`); `pointer` leads into the content."""

    severity: Severity
    rule: str
    pointer: Pointer
    message: str

    @property
    def violation(self) -> Violation:
        """The finding as an error tells it."""
        return Violation(rule=self.rule, pointer=self.pointer, message=self.message)


def error(rule: str, pointer: str, message: str) -> Finding:
    """Say what keeps a content from being published."""
    return Finding(severity="error", rule=rule, pointer=pointer, message=message)


def warning(rule: str, pointer: str, message: str) -> Finding:
    """Say what its author should look at."""
    return Finding(severity="warning", rule=rule, pointer=pointer, message=message)
