"""What other tools keep as OpenAI's requests say it."""

from llmgw.prompts.files.importing.building import Draft
from llmgw.types.json import Json


def read_response_format(said: Json, where: str, draft: Draft) -> None:
    """Take over the schema of a response format; any other format becomes a note."""
    inner = said.get("json_schema") if isinstance(said, dict) else None
    schema = inner.get("schema") if isinstance(inner, dict) else None
    if isinstance(schema, dict):
        draft.members["output_schema"] = schema
    elif isinstance(said, str) and said.startswith("${"):
        draft.note(f"{where} stands in another file, and is left out: write the schema out")
    elif not (isinstance(said, dict) and said.get("type") == "text"):
        draft.note(f"{where} has no schema, and is left out")
