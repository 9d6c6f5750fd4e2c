"""Prompts of dotprompt (Google, Genkit): YAML front matter, Picoschema, and a Handlebars template."""

from collections.abc import Mapping
from typing import Any, Final

from llmgw.prompts.files.importing import handlebars
from llmgw.prompts.files.importing.building import Draft, Imported
from llmgw.prompts.files.importing.head import read_head
from llmgw.prompts.files.importing.picoschema import json_schema
from llmgw.types.json import Json
from llmgw.types.prompt_errors import InvalidPrompt

_KNOWN: Final = frozenset({
    "name", "variant", "version", "model", "description", "config", "input", "output", "tools", "toolDefs",
    "metadata",
})  # fmt: skip


def read(text: str) -> list[Imported]:
    """Read one `.prompt` file of dotprompt.

    Raises:
        InvalidPrompt: it is none, or says what has no equal here; the message names the line.
    """
    head = read_head(text)
    members = head.members
    draft = Draft(name_of(members))
    if isinstance(members.get("variant"), str):
        draft.note(f"the variant {members['variant'][:64]} has no place here: give it a name of its own")
    if "version" in members:
        draft.note("version is left out: versions are counted here")
    read_model(members.get("model"), draft)
    if "description" in members:
        draft.describe(members["description"], "description")
    draft.configure(object_of(members, "config", draft), "config.")
    read_input(object_of(members, "input", draft), draft)
    read_output(object_of(members, "output", draft), draft)
    _read_tools(members, draft)
    draft.keep(object_of(members, "metadata", draft))
    extensions = {name: value for name, value in members.items() if "." in name}
    draft.keep(extensions)
    for name in members:
        if name not in _KNOWN and name not in extensions:
            draft.note(f"{name[:64]} has no place here, and is left out")
    handlebars.translate(head.body, head.line, draft)
    return [draft.finish()]


def name_of(members: Mapping[str, Json]) -> str:
    """The name a front matter says; empty where it says none."""
    name = members.get("name")
    return name if isinstance(name, str) else ""


def read_model(model: Json, draft: Draft) -> None:
    """Take over the model's name as it is: an alias of that name has to be configured here."""
    if isinstance(model, str) and 0 < len(model) <= 256 and "{{" not in model:
        draft.members["model"] = model
    elif model is not None:
        draft.note("model is not a fixed name, and is left out: calls say the model")


def object_of(members: Mapping[str, Json], name: str, draft: Draft) -> dict[str, Any]:
    """A member that is an object; what is none becomes a note."""
    found = members.get(name)
    if isinstance(found, dict):
        return found
    if found is not None:
        draft.note(f"{name} is no object, and is left out")
    return {}


def read_input(said: Mapping[str, Json], draft: Draft) -> None:
    """Take over the schema and the defaults of variables."""
    default = said.get("default")
    schema = json_schema(said["schema"], "input.schema") if said.get("schema") is not None else None
    if isinstance(default, dict):
        draft.defaults = dict(default)
        draft.note("input.default is written into the templates that use it")
    elif default is not None:
        draft.note("input.default is no object, and is left out")
    if schema is not None:
        if schema.get("type") not in {None, "object"}:
            raise InvalidPrompt("input.schema: the variables are an object")
        draft.members["input_schema"] = with_defaults(schema, draft.defaults)
    for name in said:
        if name not in {"schema", "default"}:
            draft.note(f"input.{name[:64]} has no place here, and is left out")


def with_defaults(schema: dict[str, Json], defaults: Mapping[str, Json]) -> dict[str, Json]:
    """A schema in which what has a default may be left out."""
    properties, required = schema.get("properties"), schema.get("required")
    made = dict(schema)
    if isinstance(properties, dict):
        made["properties"] = {
            name: {**shape, "default": defaults[name]}
            if name in defaults and isinstance(shape, dict)
            else shape
            for name, shape in properties.items()
        }
    if isinstance(required, list):
        left = [name for name in required if not isinstance(name, str) or name not in defaults]
        made.pop("required")
        if left:
            made["required"] = left
    return made


def read_output(said: Mapping[str, Json], draft: Draft) -> None:
    """Take over what the answer is to be."""
    if said.get("schema") is not None:
        draft.members["output_schema"] = json_schema(said["schema"], "output.schema")
    form = said.get("format")
    if form == "json" and said.get("schema") is None:
        draft.note("output.format is json without a schema: it asks for nothing here")
    elif form not in {None, "json", "text"}:
        draft.note("output.format is neither json nor text, and is left out")
    for name in said:
        if name not in {"schema", "format"}:
            draft.note(f"output.{name[:64]} has no place here, and is left out")


def _read_tools(members: Mapping[str, Json], draft: Draft) -> None:
    tools = members.get("tools")
    for each in tools if isinstance(tools, list) else []:
        if isinstance(each, str):
            draft.note(
                f"the tool {each[:64]} is named but not described: tools are described in the prompt here"
            )
        else:
            draft.offer([_function(each)], "tools")
    if tools is not None and not isinstance(tools, list):
        draft.note("tools are no list, and are left out")
    definitions = members.get("toolDefs")
    if isinstance(definitions, list):
        draft.offer([_function(each) for each in definitions], "toolDefs")
    elif definitions is not None:
        draft.note("toolDefs are no list, and are left out")


def _function(tool: Json) -> Json:
    """A tool as dotprompt defines it, told as a function."""
    if not isinstance(tool, dict) or "inputSchema" not in tool:
        return tool
    said = {name: tool[name] for name in ("name", "description") if name in tool}
    return said | {"parameters": json_schema(tool["inputSchema"], "tools.inputSchema")}
