"""Prompts of LiteLLM: its `.prompt` files, and what its API says of prompts that are kept in its database."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from llmgw.prompts.files.importing.building import Draft, Imported
from llmgw.prompts.files.importing.dotprompt import name_of, object_of, read_input, read_model, read_output
from llmgw.prompts.files.importing.head import read_head
from llmgw.prompts.files.importing.langfuse import PROMPTS_MAX, several
from llmgw.prompts.files.importing.openai import read_response_format
from llmgw.types.json import Json
from llmgw.types.prompt_errors import InvalidPrompt

_ROLE: Final = re.compile(r"^[ \t]*(?P<role>System|User|Assistant):", re.MULTILINE)
_HIDDEN: Final = re.compile(r"[%}]\}[ \t]*(?:System|User|Assistant):")
"""A role that begins its line only when it is rendered."""
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
    return [_read_file(text, "")]


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
    content = params.get("dotprompt_content") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(content, str):
        raise InvalidPrompt(
            f"prompt {number} has no litellm_params.dotprompt_content: its text stands elsewhere, import that"
        )
    name = said.get("prompt_id", params.get("prompt_id"))
    name = name if isinstance(name, str) else ""
    try:
        made = _read_file(content, name)
    except InvalidPrompt as error:
        raise InvalidPrompt(f"the prompt {name[:64]!r}: {error.message}") from None
    left = [each for each in params if each not in {"prompt_id", "dotprompt_content", "prompt_integration"}]
    left += [each for each in said if each not in {"prompt_id", "litellm_params"} and said[each] is not None]
    notes = tuple(f"{each[:64]} has no place here, and is left out" for each in left[:50])
    return made._replace(notes=made.notes + notes)


def _read_file(text: str, name: str) -> Imported:
    head = read_head(text)
    members = head.members
    draft = Draft(name or name_of(members))
    read_model(members.get("model"), draft)
    if "description" in members:
        draft.describe(members["description"], "description")
    read_input(object_of(members, "input", draft), draft)
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
    return draft.finish()


def _messages(body: str, line: int) -> Iterator[tuple[str, str, int]]:
    """Split a body at its roles; without any it is the user's, and so is what stands before the first."""
    if hidden := _HIDDEN.search(body):
        at = line + body.count("\n", 0, hidden.start())
        raise InvalidPrompt(
            f"line {at}: a role behind a tag: roles are fixed before anything is rendered; begin the line with it"
        )
    role, place = "user", 0
    for found in _ROLE.finditer(body):
        yield role, body[place : found.start()], line + body.count("\n", 0, place)
        role, place = found["role"].lower(), found.end()
    yield role, body[place:], line + body.count("\n", 0, place)
