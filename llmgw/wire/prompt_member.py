"""Reading which prompt version a call wants: the `prompt` member, alike in every dialect.

    "prompt": {"id": "support/triage", "version": 7, "variables": {"text": "…"}}

`version` may be digits in a string, as OpenAI's clients write it; `label` may stand in its place.
"""

from collections.abc import Collection
from typing import Final

from llmgw.types.errors import InvalidRequest
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.types.prompt import LABEL, PROMPT_NAME, PromptRef

PROMPT: Final = "prompt"
"""The member's name, beside the vendors' own members or in ours."""

CHOICES: Final = ("version", "label", "variables")
"""What says which version, and what it is rendered with."""

_KNOWN: Final = frozenset({"id", *CHOICES})
_HIGHEST: Final = 1_000_000


def prompt_ref(value: Json, path: str) -> PromptRef | None:
    """Read the member at a path; None where it is absent.

    Raises:
        InvalidRequest: it is no such object; `param` names the member.
    """
    if value is None:
        return None
    members = _object(value, path)
    refuse_unknown(members, _KNOWN, f"{path}.")
    name = members.get("id")
    if name is None:
        raise InvalidRequest(f"Missing required parameter: '{path}.id'.", param=f"{path}.id")
    if not isinstance(name, str) or not PROMPT_NAME.fullmatch(name):
        raise _invalid(f"{path}.id", "expected a prompt's name, as in 'support/triage'")
    return _chosen(members, f"{path}.", name=name)


def own_ref(members: Details, *, name: str) -> PromptRef:
    """Read `version`, `label` and `variables` of a body whose address names the prompt.

    Raises:
        InvalidRequest: one is not what its name promises.
    """
    return _chosen(members, "", name=name)


def version_or_label(text: str, path: str) -> dict[str, int | str]:
    """Read what stands behind the `@` of `name@7` or `name@staging`.

    Raises:
        InvalidRequest: it can be neither.
    """
    if text.isascii() and text.isdigit():
        return {"version": _version(text, path)}
    return {"label": _label(text, path)}


def named(text: str, path: str) -> PromptRef:
    """Read `name`, `name@7` or `name@label`.

    Raises:
        InvalidRequest: it is none of these.
    """
    name, at, chosen = text.partition("@")
    if not PROMPT_NAME.fullmatch(name):
        raise _invalid(path, "expected a prompt's name, as in 'support/triage' or 'support/triage@7'")
    return PromptRef(name=name, **(version_or_label(chosen, path) if at else {}))  # type: ignore[arg-type]  # one of the two, of its type


def _chosen(members: Details, path: str, *, name: str) -> PromptRef:
    version, label = members.get("version"), members.get("label")
    if version is not None and label is not None:
        raise InvalidRequest(f"'{path}version' and '{path}label' exclude each other.", param=f"{path}label")
    variables = members.get("variables")
    return PromptRef(
        name=name,
        version=None if version is None else _version(version, f"{path}version"),
        label=None if label is None else _label(label, f"{path}label"),
        variables={} if variables is None else _object(variables, f"{path}variables"),
    )


def _version(value: Json, path: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _HIGHEST:
        raise _invalid(path, f"expected a whole number from 1 to {_HIGHEST}")
    return value


def _label(value: Json, path: str) -> str:
    if not isinstance(value, str) or not LABEL.fullmatch(value):
        raise _invalid(path, "expected a label, as in 'production'")
    return value


def _object(value: Json, path: str) -> Details:
    if not isinstance(value, dict):
        raise _invalid(path, "expected an object")
    return value


def refuse_unknown(members: Details, known: Collection[str], path: str) -> None:
    """Refuse members that are not known; `path` stands before their names.

    Raises:
        InvalidRequest: there is one.
    """
    for name in members:
        if name not in known:
            raise InvalidRequest(f"Unknown parameter: '{path}{name}'.", param=f"{path}{name}")


def _invalid(path: str, words: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{path}': {words}.", param=path)
