"""Schemas that strangers send: examined, bounded in every direction, and compiled.

Nothing in a schema is fetched, run by a backtracking engine, or followed further than these bounds. The order of
the checks is that of their cost, and each relies on those before it.
"""

from typing import Final

from msgspec.structs import replace

from llmgw.types import json
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.errors import InvalidJson
from llmgw.types.violation import Violation
from llmgw.user_schemas.compiled import CompiledSchema
from llmgw.user_schemas.form import FORM
from llmgw.user_schemas.measures import measured
from llmgw.user_schemas.outline import foreign, outlined
from llmgw.user_schemas.patterns import programs
from llmgw.user_schemas.work import Work, work

__all__ = ["SCHEMA_DEPTH_MAX", "SCHEMA_MAX", "CompiledSchema", "compile_schema"]

SCHEMA_MAX: Final = 64 * 1024
"""Bytes of a schema."""
SCHEMA_DEPTH_MAX: Final = 32
"""Lists and objects in each other in a schema."""


def compile_schema(document: bytes) -> CompiledSchema:
    """Examine and compile a JSON Schema of draft 2020-12; `format` is an annotation, as that draft has it.

    Raises:
        SchemaRejected: it is no such schema, refers to anything outside itself, has a pattern that cannot be
            matched in linear time, or is larger, deeper or more work than the bounds; its violations point into it.
    """
    if len(document) > SCHEMA_MAX:
        raise _rejected("schema.size", f"the schema has {len(document)} bytes; the most are {SCHEMA_MAX}")
    try:
        schema = json.decode(document)
    except InvalidJson as error:
        raise _rejected("schema.json", error.message) from None
    if measured(schema, SCHEMA_DEPTH_MAX).depth > SCHEMA_DEPTH_MAX:
        raise _rejected("schema.depth", f"the schema is nested deeper than {SCHEMA_DEPTH_MAX} levels")
    if not isinstance(schema, dict):
        raise _rejected("schema.type", "a schema is a JSON object")
    if problem := foreign(schema, ""):
        raise SchemaRejected(problem.message, [problem])
    if violations := _FORM.violations(schema):
        # Where in the gateway's own schema of schemas is of no use to anybody.
        raise SchemaRejected(
            "the schema has not the form of one", [replace(each, schema_pointer=None) for each in violations]
        )
    outline = outlined(schema)
    return CompiledSchema(outline, work(outline, programs(outline.schemas)))


def _rejected(rule: str, message: str) -> SchemaRejected:
    return SchemaRejected(message, [Violation(rule=rule, pointer="", message=message)])


_FORM: Final = CompiledSchema(outlined(FORM), Work(steps=1, programs=0))
"""Takes a time linear in the schema, whatever it is: there is but one place in it that comes round to the whole."""
