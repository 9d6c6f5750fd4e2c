"""What is wrong with the templates of a content, and with what they ask of its variables."""

import re
from collections.abc import Iterator
from typing import Final

from llmgw.prompts.gates.findings import Finding, error, warning
from llmgw.prompts.rendering import scan
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.prompt import PromptContent
from llmgw.types.prompt_errors import TemplateError
from llmgw.types.violation import pointer_to

_INCLUDE: Final = re.compile(r"\{%[-+]?\s{0,20}include\s{1,20}(?:\"([^\"\n]{1,300})\"|'([^'\n]{1,300})')")
_OPEN_ENDED: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if", "$dynamicRef"})
"""Keywords by which a schema may know variables that its `properties` do not list."""


def template_findings(content: PromptContent) -> Iterator[Finding]:
    """Find what keeps the templates from being rendered, and variables that do not fit the input schema."""
    sound = True
    for pointer, text in _templates(content):
        for problem in scan.problems(text):
            sound = False
            yield error("template", pointer, f"line {problem.line}: {problem.message}")
    used = {name for _, text in _templates(content) for name in included(text)}
    for name in sorted(used - content.includes.keys()):
        sound = False
        yield error("include", "/includes", f"there is no partial {name!r} to include")
    for name in sorted(content.includes.keys() - used):
        yield warning("include", pointer_to("includes", name), "no template includes this partial")
    if not sound:
        return
    try:
        compile_prompt(content)
    except TemplateError as refused:
        yield error("template", "/messages" if content.partial is None else "/partial", refused.message)
        return
    except SchemaRejected:
        pass  # told where the schemas are looked at
    yield from _variables(content)


def included(template: str) -> Iterator[str]:
    """The names of the partials that a template includes."""
    for found in _INCLUDE.finditer(template):
        yield found[1] or found[2]


def _templates(content: PromptContent) -> Iterator[tuple[str, str]]:
    for number, message in enumerate(content.messages):
        yield pointer_to("messages", number, "text"), message.text
    if content.partial is not None:
        yield "/partial", content.partial
    for name, include in content.includes.items():
        yield pointer_to("includes", name, "text"), include.text


def _variables(content: PromptContent) -> Iterator[Finding]:
    used = scan.variables(content)
    schema = content.input_schema
    if schema is None:
        if used and content.partial is None:
            names = ", ".join(sorted(used))
            yield warning(
                "variable", "/input_schema", f"without an input schema nobody checks the variables: {names}"
            )
        return
    properties = schema.get("properties")
    known = properties.keys() if isinstance(properties, dict) else set()
    say = warning if _OPEN_ENDED & schema.keys() else error
    for name in sorted(used - known):
        yield say("variable", "/input_schema/properties", f"the templates use {name!r}, which is not there")
    for name in sorted(known - used):
        yield warning("variable", "/input_schema" + pointer_to("properties", name), "no template uses this")
