"""A schema ready for use: says of a document what keeps it from fitting."""

from typing import Final

from jsonschema_rs import Draft202012Validator

from llmgw.types.json import Json, encode
from llmgw.types.violation import Violation
from llmgw.user_schemas.explanation import Explanation
from llmgw.user_schemas.measures import measured
from llmgw.user_schemas.outline import Outline
from llmgw.user_schemas.patterns import ENGINE
from llmgw.user_schemas.work import Work

DOCUMENT_MAX: Final = 256 * 1024
"""Bytes of a document that is held against a schema."""
DOCUMENT_DEPTH_MAX: Final = 64
"""Lists and objects in each other; jsonschema-rs recurses, and takes the process with it where that ends."""


class CompiledSchema:
    """A schema that was found to be good, and cannot take long or lead anywhere else."""

    def __init__(self, outline: Outline, work: Work) -> None:
        self.outline = outline
        self.work = work
        self.explanation = Explanation(outline)
        # An outline holds no reference to elsewhere; should one ever, nobody goes there.
        self._validator = Draft202012Validator(
            outline.document, validate_formats=False, pattern_options=ENGINE, offline=True
        )

    def violations(self, value: Json) -> tuple[Violation, ...]:
        """Say what keeps a document from fitting, each with pointers into document and schema; nothing if it fits.

        There are 50 at most. A document that would take too long to check does not fit.
        """
        size = measured(value, DOCUMENT_DEPTH_MAX)
        if size.depth > DOCUMENT_DEPTH_MAX:
            return (
                _whole("schema.depth", f"the document is nested deeper than {DOCUMENT_DEPTH_MAX} levels"),
            )
        if len(encode(value)) > DOCUMENT_MAX:
            return (_whole("schema.size", f"the document has more than {DOCUMENT_MAX} bytes"),)
        if self.work.too_much(size):
            return (_whole("schema.work", "so large a document takes too long to hold against this schema"),)
        if self._validator.is_valid(value):
            return ()
        return self.explanation.of(value)


def _whole(rule: str, message: str) -> Violation:
    return Violation(rule=rule, pointer="", message=message)
