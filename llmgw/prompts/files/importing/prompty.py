"""Prompts of Prompty (Microsoft), of its first and its newer forms: YAML front matter, role lines, Jinja2."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from llmgw.prompts.files.importing import handlebars, properties
from llmgw.prompts.files.importing.building import ROLES, Draft, Imported
from llmgw.prompts.files.importing.dotprompt import name_of, object_of, read_model
from llmgw.prompts.files.importing.head import read_head
from llmgw.prompts.files.importing.response_format import read_response_format
from llmgw.types.json import Json
from llmgw.types.prompt_errors import InvalidPrompt

_ROLE: Final = re.compile(
    r"^[ \t]*(?:#[ \t]*)?(?P<role>system|developer|user|assistant|tool|function)"
    r"(?:[ \t]*(?P<more>\[[^\]\n]{0,200}\]))?[ \t]*:[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_LOOP: Final = re.compile(
    r"\{%-?[ \t]*for[ \t]+(?P<item>\w{1,64})[ \t]+in[ \t]+(?P<list>\w{1,64})[ \t]*-?%\}\s{0,20}"
    r"\{\{[ \t]*(?P=item)\.role[ \t]*\}\}:\s{0,20}\{\{[ \t]*(?P=item)\.content[ \t]*\}\}\s{0,20}"
    r"\{%-?[ \t]*endfor[ \t]*-?%\}"
)
"""How Prompty files say a conversation."""
_THREAD: Final = re.compile(r"^[ \t]*\{\{[ \t]*(?P<list>\w{1,64})[ \t]*\}\}[ \t]*$", re.MULTILINE)
_IMAGE: Final = re.compile(r"!\[[^\]\n]{0,200}\]\(")
_READ: Final = frozenset({
    "name", "description", "model", "inputs", "inputSchema", "outputs", "outputSchema", "sample", "tools",
    "metadata", "authors", "author", "tags", "version", "template",
})  # fmt: skip
_METADATA: Final = frozenset({"authors", "author", "tags", "version"})
_IMAGES_MAX: Final = 20
"""Images that notes tell of."""
_ENGINES: Final = {"jinja2": False, "jina2": False, "mustache": True, "handlebars": True}


class _Piece(NamedTuple):
    """A part of a body: `role` is None for the place of the conversation."""

    role: str | None
    text: str
    line: int


def read(text: str) -> list[Imported]:
    """Read one `.prompty` file.

    Raises:
        InvalidPrompt: it is none, or says what has no equal here; the message names the line.
    """
    head = read_head(text)
    members = head.members
    draft = Draft(name_of(members))
    if "description" in members:
        draft.describe(members["description"], "description")
    _read_model(members.get("model"), draft)
    threads = _read_shapes(members, draft)
    _read_tools(members.get("tools"), draft)
    draft.keep({name: value for name, value in members.items() if name in _METADATA})
    draft.keep(object_of(members, "metadata", draft))
    for name in members:
        if name not in _READ:
            draft.note(f"{name[:64]} has no place here, and is left out")
    is_mustache = _is_mustache(members, draft)
    for image in islice(_IMAGE.finditer(head.body), _IMAGES_MAX):
        at = head.line + head.body.count("\n", 0, image.start())
        draft.note(f"line {at}: an image is sent as the text it is written as")
    for piece in _pieces(head.body, head.line, threads, draft):
        if piece.role is None:
            draft.place(piece.line)
        elif is_mustache:
            _add_mustache(piece, draft)
        else:
            draft.add(piece.role, piece.text, piece.line)
    _read_sample(members.get("sample"), draft)
    return [draft.finish()]


def _add_mustache(piece: _Piece, draft: Draft) -> None:
    part = Draft()
    part.members = draft.members
    handlebars.translate(piece.text, piece.line, part)
    for note in part.notes:
        draft.note(note)
    for message, line in zip(part.messages, part.lines, strict=True):
        draft.add(piece.role or "user", message.text, line)


def _read_model(model: Json, draft: Draft) -> None:
    if not isinstance(model, dict):
        read_model(model, draft)
        return
    name = model.get("id")
    for where in ("configuration", "connection"):
        said = model.get(where)
        if not isinstance(said, dict):
            continue
        # Its values name hosts and keys: none is repeated in a note.
        draft.note(
            f"model.{where} is left out: which provider is asked, and with which key, is configured here"
        )
        for member in ("name", "model", "azure_deployment", "deployment"):
            found = said.get(member)
            if name is None and isinstance(found, str) and not found.startswith("${"):
                name = found
                draft.note(f"model.{where}.{member} is taken for the model's name")
    read_model(name, draft)
    if model.get("api", model.get("apiType", "chat")) != "chat":
        draft.note("model.api is not chat: here it becomes one")
    for member in ("parameters", "options"):
        _read_parameters(model.get(member), f"model.{member}", draft)
    for member in model:
        if member not in {"id", "api", "apiType", "configuration", "connection", "parameters", "options"}:
            draft.note(f"model.{member[:64]} has no place here, and is left out")


def _read_parameters(said: Json, where: str, draft: Draft) -> None:
    if not isinstance(said, dict):
        if said is not None:
            draft.note(f"{where} is no object, and is left out")
        return
    plain = dict(said)
    if "tools" in plain:
        draft.offer(plain.pop("tools"), f"{where}.tools")
    if isinstance(plain.get("tool_choice"), str) and len(plain["tool_choice"]) <= 128:
        draft.members["tool_choice"] = plain.pop("tool_choice")
    if "response_format" in plain:
        read_response_format(plain.pop("response_format"), f"{where}.response_format", draft)
    draft.configure(plain, f"{where}.")


def _read_shapes(members: Mapping[str, Json], draft: Draft) -> list[str]:
    """Take over what goes in and comes out, and say which inputs are conversations."""
    threads: list[str] = []
    for member in ("inputs", "inputSchema"):
        if members.get(member) is not None:
            shape = properties.read(members[member], member, draft, defaults=draft.defaults)
            threads += shape.threads
            if shape.schema.get("properties"):
                draft.members["input_schema"] = shape.schema
    for member in ("outputs", "outputSchema"):
        if members.get(member):
            shape = properties.read(members[member], member, draft, defaults=None)
            draft.members["output_schema"] = {**shape.schema, "additionalProperties": False}
    return threads


def _read_tools(tools: Json, draft: Draft) -> None:
    if isinstance(tools, dict):
        tools = [{"name": name, **each} if isinstance(each, dict) else each for name, each in tools.items()]
    for each in tools if isinstance(tools, list) else []:
        said: Any = each
        if isinstance(each, dict) and each.get("kind", "function") == "function" and "function" not in each:
            said = {name: each[name] for name in ("name", "description", "strict") if name in each}
            if each.get("parameters") is not None:
                said["parameters"] = properties.read(
                    each["parameters"], "tools.parameters", draft, None
                ).schema
        draft.offer([said], "tools")
    if tools is not None and not isinstance(tools, list):
        draft.note("tools are no list, and are left out")


def _read_sample(sample: Json, draft: Draft) -> None:
    """Take over an example of the variables into their schema."""
    if sample is None:
        return
    if not isinstance(sample, dict):
        draft.note("sample stands in another file, and is left out")
        return
    used = properties.used(draft.messages)
    schema = draft.members.get("input_schema") or {"type": "object", "properties": {}}
    shapes, required = dict(schema["properties"]), list(schema.get("required", []))
    for name, value in sample.items():
        if name in shapes:
            shapes[name] = {**shapes[name], "examples": [value]}
        elif name in used:
            shapes[name] = {**properties.shape_of(value), "examples": [value]}
            required.append(name)
        else:
            draft.note(f"sample.{name[:64]} is used by no message, and is left out")
    if shapes:
        made = {**schema, "properties": shapes}
        draft.members["input_schema"] = made | ({"required": required} if required else {})
        draft.note("sample is kept as examples in the input schema, and is no default")


def _is_mustache(members: Mapping[str, Json], draft: Draft) -> bool:
    template = members.get("template")
    for _ in range(2):
        if isinstance(template, dict):
            if "parser" in template:
                parser = template["parser"]
                kind = parser.get("kind") if isinstance(parser, dict) else parser
                if kind != "prompty":
                    draft.note("template.parser is left out: roles are read as Prompty writes them")
            template = template.get("format", template.get("type", template.get("kind")))
    if template is None:
        return False
    if not isinstance(template, str) or template not in _ENGINES:
        raise InvalidPrompt(f"template: the format is one of {', '.join(_ENGINES)}")
    return _ENGINES[template]


def _pieces(body: str, line: int, threads: list[str], draft: Draft) -> Iterator[_Piece]:
    """Split a body at its role lines, and at the place of the conversation."""
    role, place = "system", 0
    marks = [*_ROLE.finditer(body), *_LOOP.finditer(body)]
    marks += [found for found in _THREAD.finditer(body) if found["list"] in threads]
    for mark in sorted(marks, key=re.Match.start):
        yield _Piece(role, body[place : mark.start()], line)
        at = line + body.count("\n", place, mark.start())
        line = at + mark[0].count("\n")
        place = mark.end()
        if "role" in mark.re.groupindex:
            role = mark["role"].lower()
            if role not in ROLES:
                raise InvalidPrompt(f"line {at}: messages of the role {role} are not part of a prompt here")
            if mark["more"]:
                draft.note(f"line {at}: what stands in brackets after the role is left out")
            continue
        draft.note(f"line {at}: {mark['list']} is the place of the conversation")
        properties.forget(draft, mark["list"])
        yield _Piece(None, "", at)
    yield _Piece(role, body[place:], line)
