"""The JSON Schema of a front matter, for editors and for whoever writes such files by program."""

from typing import Any, Final

import msgspec

from llmgw.prompts.files.reading import Head, Shape
from llmgw.types.member_docs import describe
from llmgw.types.prompt import (
    PROMPT_NAME,
    RESERVED,
    ApiExample,
    Prices,
    PromptApi,
    PromptConfig,
    PromptGate,
    PromptTests,
    PromptTool,
    TemplateMessage,
)

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ID: Final = "urn:llmgw:schema:prompt"
_STRUCTS: Final = (
    Head,
    Shape,
    ApiExample,
    Prices,
    PromptApi,
    PromptConfig,
    PromptGate,
    PromptTests,
    PromptTool,
    TemplateMessage,
)


def json_schema() -> dict[str, Any]:
    """Describe what stands between the two lines of dashes, in JSON Schema 2020-12."""
    (root,), definitions = msgspec.json.schema_components([Head], ref_template="#/$defs/{name}")
    for cls in _STRUCTS:
        describe(definitions[cls.__name__], cls)
    for definition in definitions.values():
        for member in definition["properties"].values():
            if "pattern" in member:
                # What ends a text in Python; elsewhere it is no escape, or the letter.
                member["pattern"] = member["pattern"].replace(r"\Z", "$")
    definitions["Head"]["properties"]["name"] |= {
        "pattern": f"^{PROMPT_NAME.pattern}$",
        "not": {"pattern": f"(^|/)({'|'.join(sorted(RESERVED))})(/|$)"},
    }
    return {
        "$schema": _DIALECT,
        "$id": _ID,
        "title": "The front matter of a prompt",
        **root,
        "$defs": definitions,
    }


def json_schema_text() -> str:
    """Give `json_schema()` as indented JSON, byte for byte what `schemas/prompt.json` holds."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"
