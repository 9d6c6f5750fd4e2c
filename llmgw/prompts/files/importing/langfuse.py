"""Prompts of Langfuse as its API tells them: one object, a list of them, or a page of them."""

import re
from collections.abc import Mapping
from typing import Final

from llmgw.prompts.files.importing.building import ROLES, Draft, Imported, fit_name
from llmgw.prompts.files.importing.dotprompt import read_model
from llmgw.prompts.files.importing.paths import TAKEN
from llmgw.prompts.files.importing.response_format import read_response_format
from llmgw.types import json
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.prompt_errors import InvalidPrompt

PROMPTS_MAX: Final = 1000
"""Prompts in one file."""

_PART: Final = re.compile(
    r"\{\{\s{0,20}(?P<name>[A-Za-z_][A-Za-z0-9_]{0,127})\s{0,20}\}\}|@@@langfusePrompt:(?P<other>[^@\n]{1,500})@@@"
    r"|(?P<opening>\{[{%#])"
)
_READ: Final = frozenset({"name", "type", "prompt", "config", "labels", "tags", "version"})
_BOOKS: Final = frozenset({
    "id", "createdAt", "updatedAt", "createdBy", "projectId", "isActive", "resolutionGraph", "commitMessage",
})  # fmt: skip


def read(text: str) -> list[Imported]:
    """Read what Langfuse's API or an export of it says.

    Versions of one prompt come out in their order there.

    Raises:
        InvalidPrompt: it is no such JSON; the message names the prompt.
    """
    prompts = several(text)
    if not prompts:
        raise InvalidPrompt("there is no prompt in it")
    ordered = sorted(prompts, key=lambda each: _number(each.get("version")))
    first: dict[str, int] = {}
    for at, each in enumerate(prompts):
        first.setdefault(str(each.get("name")), at)
    ordered.sort(key=lambda each: first[str(each.get("name"))])
    return [_read(each) for each in ordered]


def several(text: str) -> list[Mapping[str, Json]]:
    """The objects of a JSON text: itself, its items, or those of `data`."""
    try:
        found = json.decode(text.removeprefix("\ufeff").encode("utf-8", "surrogatepass"))
    except InvalidJson as error:
        raise InvalidPrompt(error.message) from None
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        found = found["data"]
    items = found if isinstance(found, list) else [found]
    if len(items) > PROMPTS_MAX:
        raise InvalidPrompt(f"a file has at most {PROMPTS_MAX} prompts")
    for number, each in enumerate(items, 1):
        if not isinstance(each, dict):
            raise InvalidPrompt(f"prompt {number} is no object")
    return items


def _read(said: Mapping[str, Json]) -> Imported:
    around = isinstance(said.get("prompt"), dict)
    if around:
        said = said["prompt"]
    name = said.get("name")
    if not isinstance(name, str):
        raise InvalidPrompt("a prompt has no name")
    draft = Draft(name)
    if around:
        draft.note("what a webhook says around the prompt is left out")
    called = f"the prompt {name[:64]!r}"
    if "prompt" not in said:
        raise InvalidPrompt(f"{called} has no text: it is an entry of a list; export the prompts themselves")
    prompt = said["prompt"]
    if isinstance(prompt, str):
        draft.add("user", _template(prompt, draft), 1)
        draft.note("it is a text: here it is one message of the user")
    elif isinstance(prompt, list):
        for number, message in enumerate(prompt, 1):
            _message(message, f"{called}, message {number}", draft)
    else:
        raise InvalidPrompt(f"{called}: `prompt` is a text or a list of messages")
    _read_config(said.get("config"), draft)
    _read_books(said, draft)
    try:
        return draft.finish()
    except InvalidPrompt as error:
        raise InvalidPrompt(f"{called}: {error.message}") from None


def _message(said: Json, where: str, draft: Draft) -> None:
    if not isinstance(said, dict):
        raise InvalidPrompt(f"{where} is no object")
    if said.get("type") == "placeholder":
        name = str(said.get("name"))[:64]
        if draft.history is None:
            draft.note(f"the placeholder {name} is the place of the conversation")
            draft.place(1)
        else:
            raise InvalidPrompt(f"{where}: the placeholder {name} is the second, and there is one place here")
        return
    role, content = said.get("role"), said.get("content")
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidPrompt(f"{where}: its role is none of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise InvalidPrompt(f"{where}: its content is no text")
    for name in said:
        if name not in {"type", "role", "content"}:
            draft.note(f"{name[:64]} of a message has no place here, and is left out")
    draft.add(ROLES[role], _template(content, draft), 1)


def _template(text: str, draft: Draft) -> str:
    """Write `{{name}}` as a variable, and all other braces as the text they are."""

    def written(found: re.Match[str]) -> str:
        if found["name"] is not None:
            if found["name"] not in TAKEN:
                return f"{{{{ {found['name']} }}}}"
            draft.note(f"{found[0]} cannot be a variable here, and stays text")
        elif found["other"] is not None:
            return _include(found["other"], draft)
        else:
            draft.note("braces that are no variable stay text")
        return f'{{{{ "{found[0][:2]}" }}}}{found[0][2:]}'

    # A brace before a tag would open another.
    return re.sub(r"\{(?=\{\{ )", '{{ "{" }}', _PART.sub(written, text))


def _include(said: str, draft: Draft) -> str:
    members = dict(each.partition("=")[::2] for each in said.split("|"))
    name = fit_name(members.get("name", ""), Draft())
    if not name:
        raise InvalidPrompt(f"the prompt that @@@{said[:64]}@@@ names has no name that may be one here")
    draft.note(f"the prompt {members['name'][:64]} is included as the partial {name}: import it, too")
    return f'{{% include "{name}" %}}'


def _read_config(config: Json, draft: Draft) -> None:
    if config is None:
        return
    if not isinstance(config, dict):
        draft.note("config is no object, and is left out")
        return
    plain = dict(config)
    read_model(plain.pop("model", None), draft)
    if "tools" in plain:
        draft.offer(plain.pop("tools"), "config.tools")
    choice = plain.get("tool_choice")
    if isinstance(choice, str) and len(choice) <= 128:
        draft.members["tool_choice"] = plain.pop("tool_choice")
    if "response_format" in plain:
        read_response_format(plain.pop("response_format"), "config.response_format", draft)
    draft.configure(plain, "config.")


def _read_books(said: Mapping[str, Json], draft: Draft) -> None:
    labels, tags = said.get("labels"), said.get("tags")
    if isinstance(labels, list) and labels:
        told = ", ".join(str(each)[:40] for each in labels[:10])
        draft.note(f"the labels {told} are left out: move labels here when the version has been evaluated")
    if isinstance(tags, list) and tags:
        draft.keep({"tags": tags})
    if "version" in said:
        draft.note(f"it is version {_number(said['version'])} there: versions are counted anew here")
    for name in said:
        if name in _BOOKS and said[name] is not None:
            draft.note(f"{name} is left out: who did what is kept by the registry here")
        elif name not in _BOOKS | _READ:
            draft.note(f"{name[:64]} has no place here, and is left out")


def _number(version: Json) -> int:
    return version if isinstance(version, int) and not isinstance(version, bool) else 0
