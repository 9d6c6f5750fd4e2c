"""The OpenAPI 3.1 document of a tenant's APIs: one operation for each of them and each of its major versions."""

from collections.abc import Iterable
from typing import Final

from llmgw import __version__
from llmgw.http.prompt_catalogue import ServedApi, date_of
from llmgw.http.prompt_headers import successor_url
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.types.prompt import ApiExample

_PROBLEM: Final = "application/problem+json"
_OF_TEXT: Final[Details] = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}
_VIOLATION: Final[Details] = {
    "type": "object",
    "required": ["rule", "pointer", "message"],
    "properties": {
        "rule": {"type": "string"},
        "pointer": {"type": "string", "description": "A JSON Pointer into the body."},
        "schema_pointer": {"type": "string", "description": "A JSON Pointer to the keyword of the schema."},
        "message": {"type": "string"},
    },
}
_PROBLEM_SCHEMA: Final[Details] = {
    "type": "object",
    "description": "An error, as RFC 9457 tells it; `code` is stable, for programs.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
    },
}
_PROBLEMS: Final = {
    "400": "The body is not JSON, or no prompt can be rendered with it.",
    "401": "There is no valid key.",
    "404": "There is no such API.",
    "410": "The API is retired; a link names its successor.",
    "422": "The body does not fit its schema; each violation points into both.",
    "429": "Too many calls: come back after `Retry-After`.",
    "502": "No provider gave an answer, or it does not fit its schema.",
    "503": "The gateway cannot serve the call now.",
}
_HEADERS: Final = {
    "x-llmgw-prompt": "The prompt version that served the call, as `name@7`.",
    "x-llmgw-call-id": "The call's id.",
    "x-llmgw-trace-id": "The id of the trace the call is in, whether the trace is kept or not.",
}


def api_document(served: Iterable[ServedApi], *, keys: bool) -> Details:
    """Write the document; `keys` tells whether the gateway asks for one."""
    components: Details = {"schemas": {"Problem": _PROBLEM_SCHEMA, "Violation": _VIOLATION}}
    document: Details = {
        "openapi": "3.1.0",
        "info": {"title": "llmgw APIs", "version": __version__},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": {each.url: {"post": _operation(each)} for each in served},
        "components": components,
    }
    if keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def _operation(served: ServedApi) -> Details:
    api, content = served.api, served.content
    operation: Details = {
        "operationId": f"{api.slug}_v{api.major}",
        "summary": api.summary or content.description.partition("\n")[0] or api.slug,
        "description": _description(served),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": _media(
                    _embedded(content.input_schema or {"type": "object"}, served, "input"),
                    {_key(number): _example(each, each.input) for number, each in enumerate(api.examples)},
                )
            },
        },
        "responses": {
            "200": _answered(served),
            **{status: _failed(words) for status, words in _PROBLEMS.items()},
        },
    }
    if served.info.state == "deprecated":
        operation["deprecated"] = True
    return operation


def _answered(served: ServedApi) -> Details:
    schema = served.content.output_schema
    examples = {
        _key(number): _example(each, each.output)
        for number, each in enumerate(served.api.examples)
        if each.output is not None
    }
    return {
        "description": "The answer.",
        "headers": {
            name: {"description": words, "schema": {"type": "string"}} for name, words in _HEADERS.items()
        },
        "content": {
            "application/json": _media(
                _OF_TEXT if schema is None else _embedded(schema, served, "output"), examples
            )
        },
    }


def _failed(words: str) -> Details:
    return {
        "description": words,
        "content": {_PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _media(schema: Details, examples: Details) -> Details:
    return {"schema": schema, "examples": examples} if examples else {"schema": schema}


def _key(number: int) -> str:
    return f"example{number + 1}"


def _example(example: ApiExample, value: Json) -> Details:
    return {"summary": example.summary, "value": value} if example.summary else {"value": value}


def _embedded(schema: dict[str, Json], served: ServedApi, part: str) -> Details:
    """The schema as a resource of its own, so that what it refers to stays within it."""
    if "$id" in schema:
        return schema
    return {"$id": f"urn:llmgw:api:{served.api.slug}:{served.api.major}:{part}", **schema}


def _description(served: ServedApi) -> str:
    info = served.info
    said = [served.content.description] if served.content.description else []
    if info.state == "deprecated" and info.sunset_ms is not None:
        said.append(f"Deprecated: it will be gone after {date_of(info.sunset_ms)}.")
    if info.state == "deprecated" and info.successor:
        said.append(f"Call {successor_url(info.successor)} instead.")
    return "\n\n".join(said)
