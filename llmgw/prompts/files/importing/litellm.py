"""Prompts of LiteLLM: its `.prompt` files, and what its API says of prompts that are kept in its database."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from llmgw.prompts.files.importing.building import Draft, Imported
from llmgw.prompts.files.importing.dotprompt import name_of, object_of, read_input, read_model, read_output
from llmgw.prompts.files.importing.head import Head, read_head
from llmgw.prompts.files.importing.langfuse import PROMPTS_MAX, several
from llmgw.prompts.files.importing.response_format import read_response_format
from llmgw.types.json import Json
from llmgw.types.prompt_errors import InvalidPrompt

_ROLE: Final = re.compile(r"^[ \t]*(?P<role>System|User|Assistant):", re.MULTILINE)
_HIDDEN: Final = re.compile(r"[%}]\}[ \t]*(?:System|User|Assistant):")
"""A role that begins its line only when it is rendered."""
_PARAMS: Final = frozenset({"prompt_id", "prompt_integration", "dotprompt_content", "prompt_data"})
_READ: Final = frozenset(
    {"name", "model", "description", "input", "output", "config", "tools", "tool_choice"}
)


def read(text: str) -> list[Imported]:
    """Read a `.prompt` file of LiteLLM, or JSON of its API.

    Raises:
        InvalidPrompt: it is neither, or says what has no equal here; the message names the line.
    """
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["} and not text.lstrip().startswith(("{{", "{%", "{#")):
        return [_read_object(each, number) for number, each in enumerate(_objects(text), 1)]
    return [_read_head(read_head(text), "").finish()]


def _objects(text: str) -> list[Mapping[str, Json]]:
    found = several(text)
    if len(found) == 1 and isinstance(found[0].get("prompts"), list):
        found = found[0]["prompts"]
    if len(found) > PROMPTS_MAX:
        raise InvalidPrompt(f"a file has at most {PROMPTS_MAX} prompts")
    if not found:
        raise InvalidPrompt("there is no prompt in it")
    return found


def _read_object(said: Json, number: int) -> Imported:
    if isinstance(said, dict) and isinstance(said.get("prompt_spec"), dict):
        said = said["prompt_spec"]
    params = said.get("litellm_params") if isinstance(said, dict) else None
    if not isinstance(params, dict):
        raise InvalidPrompt(f"prompt {number} has no litellm_params")
    name = said.get("prompt_id", params.get("prompt_id"))
    name, _, version = (name if isinstance(name, str) else "").partition(".v")
    if version and not version.isdecimal():
        name, version = f"{name}.v{version}", ""
    try:
        draft = _text_of(params, name, number)
    except InvalidPrompt as error:
        raise InvalidPrompt(f"the prompt {name[:64]!r}: {error.message}") from None
    if version:
        draft.note(f"it is version {version[:9]} there: versions are counted anew here")
    for each in params:
        if each not in _PARAMS:
            draft.note(f"litellm_params.{each[:64]} has no place here, and is left out")
    for each, value in said.items():
        if each not in {"prompt_id", "litellm_params"} and value is not None:
            draft.note(f"{each[:64]} has no place here, and is left out")
    return draft.finish()


def _text_of(params: Mapping[str, Json], name: str, number: int) -> Draft:
    """Read the text that an entry of the API brings, in either of its forms."""
    content, data = params.get("dotprompt_content"), params.get("prompt_data")
    if isinstance(content, str):
        return _read_head(read_head(content), name)
    if isinstance(data, dict) and len(data) == 1:
        data = next(iter(data.values()))
    metadata = data.get("metadata", {}) if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(data.get("content"), str) and isinstance(metadata, dict):
        return _read_head(Head(metadata, data["content"], 1), name)
    raise InvalidPrompt(f"prompt {number} brings no text: its text stands in a file, import that")


def _read_head(head: Head, name: str) -> Draft:
    members = head.members
    draft = Draft(name or name_of(members))
    read_model(members.get("model"), draft)
    if "description" in members:
        draft.describe(members["description"], "description")
    read_input(object_of(members, "input", draft), draft)
    if "input_schema" in draft.members:
        # LiteLLM looks at the variables it knows and lets others pass.
        draft.members["input_schema"].pop("additionalProperties", None)
    read_output(object_of(members, "output", draft), draft)
    draft.configure(object_of(members, "config", draft), "config.")
    if members.get("tools") is not None:
        draft.offer(members["tools"], "tools")
    if isinstance(members.get("tool_choice"), str):
        draft.members["tool_choice"] = members["tool_choice"][:128]
    plain = {each: value for each, value in members.items() if each not in _READ}
    if "response_format" in plain:
        read_response_format(plain.pop("response_format"), "response_format", draft)
    draft.configure(plain, "")
    for role, said, line in _messages(head.body, head.line):
        draft.add(role, said, line)
    return draft


def _messages(body: str, line: int) -> Iterator[tuple[str, str, int]]:
    """Split a body at its roles; without any it is the user's, and so is what stands before the first."""
    if hidden := _HIDDEN.search(body):
        at = line + body.count("\n", 0, hidden.start())
        raise InvalidPrompt(
            f"line {at}: a role behind a tag: roles are fixed before anything is rendered; begin the line with it"
        )
    role, place = "user", 0
    for found in _ROLE.finditer(body):
        said = body[place : found.start()]
        yield role, said, line
        line += said.count("\n")
        role, place = found["role"].lower(), found.end()
    yield role, body[place:], line
