"""Schemas that users send: compiled within bounds, held against documents, and compared from version to version."""

from llmgw.user_schemas.compatibility import incompatibilities
from llmgw.user_schemas.compiled import CompiledSchema
from llmgw.user_schemas.compiling import SCHEMA_MAX, compile_schema

__all__ = ["SCHEMA_MAX", "CompiledSchema", "compile_schema", "incompatibilities"]
