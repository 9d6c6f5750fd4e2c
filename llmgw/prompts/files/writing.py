"""From the content of a version to the text of a `.prompt` file, such that reading it gives the same content."""

from typing import Any, Final

import msgspec
import yaml

from llmgw.prompts.files.front_matter import KINDS, PREFIX
from llmgw.prompts.files.reading import ROLE_LINE, Head, Shape
from llmgw.types.prompt import PromptContent

_WIDTH: Final = 100


def write(name: str, content: PromptContent) -> str:
    """Write a file; includes stay names, as the versions they are pinned to are the registry's."""
    in_body = bool(content.messages) and all(_is_plain(each.text) for each in content.messages)
    partial = content.partial
    below = partial is not None and _is_plain(partial)
    head = Head(
        name=name,
        description=content.description,
        model=content.model,
        partial=partial is not None if below or partial is None else partial,
        config=content.config,
        input=_shape(content.input_schema),
        output=_shape(content.output_schema),
        tools=content.tools,
        tool_choice=content.tool_choice,
        api=content.api,
        tests=content.tests,
        metadata=content.metadata,
        messages=() if in_body else content.messages,
        history=None if in_body else content.history,
    )
    front = msgspec.to_builtins(head)
    if not front.get("config"):
        front.pop("config", None)
    body = partial or "" if below else ""
    if in_body:
        body = "\n".join(_blocks(content))
    written = yaml.dump(
        front,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
        default_flow_style=False,
    )
    return f"---\n{written}---\n{body}\n"


def _blocks(content: PromptContent) -> list[str]:
    blocks = [f"{each.role}:\n{_escaped(each.text)}\n" for each in content.messages]
    if content.history is not None:
        blocks.insert(content.history, "history:\n")
    return blocks


def _is_plain(text: str) -> bool:
    """Whether a text comes back as it is from a body: its ends are trimmed there, and lines end in one way."""
    return text == text.strip("\n") and "\r" not in text


def _escaped(text: str) -> str:
    return "\n".join(f"\\{line}" if ROLE_LINE.match(line) else line for line in text.split("\n"))


def _shape(schema: dict[str, Any] | None) -> Shape | None:
    return None if schema is None else Shape(schema=schema)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's name and signature
        """Write the same value twice rather than refer to it."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if not text.replace("\n", "").isprintable():
        style = '"'
    elif "\n" in text and _folds(text):
        style = "|"
    return dumper.represent_scalar(f"{PREFIX}str", text, style=style)


def _folds(text: str) -> bool:
    """Whether a block of lines says a text exactly."""
    return all(line == line.rstrip() for line in text.split("\n"))


_Dumper.add_representer(str, _text)
for _kind, _form, _first in KINDS:
    # Beside what other readers take for more than a text: all of that is put in quotes.
    _Dumper.add_implicit_resolver(f"{PREFIX}{_kind}", _form, _first)
