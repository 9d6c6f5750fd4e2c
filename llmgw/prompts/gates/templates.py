"""What is wrong with the templates of a content, and with what they ask of its variables."""

import re
from collections.abc import Iterator
from typing import Final

from llmgw.prompts.gates.findings import Finding, error, warning
from llmgw.prompts.rendering import scan
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types.prompt import PromptContent
from llmgw.types.prompt_errors import TemplateError
from llmgw.types.violation import pointer_to

_ITS_NAME: Final = re.compile(r"\A(?:message 1|the partial), ")
"""How an error names the one template that was compiled."""
_OPEN_ENDED: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if", "$dynamicRef"})
"""Keywords by which a schema may know variables that its `properties` do not list."""


def template_findings(content: PromptContent) -> Iterator[Finding]:
    """Find what keeps the templates from being rendered, and variables that do not fit the input schema."""
    bad: set[str] = set()
    used: dict[str, list[str]] = {}
    for pointer, text in _templates(content):
        for problem in scan.problems(text):
            bad.add(pointer)
            yield error("template", pointer, f"line {problem.line}: {problem.message}")
        used[pointer] = scan.includes_of(text)
    there = content.includes.keys()
    named = {name for names in used.values() for name in names}
    for name in sorted(named - there):
        yield error("include", "/includes", f"there is no partial {name!r} to include")
    for name in sorted(there - named):
        yield warning("include", pointer_to("includes", name), "no template includes this partial")
    bad.update(pointer for pointer, names in used.items() if not there >= set(names))
    broken = list(_broken(content, bad))
    yield from broken
    if not bad and not broken:
        yield from _variables(content)


def _broken(content: PromptContent, bad: set[str]) -> Iterator[Finding]:
    """What only the engine finds, template by template: of a whole content it would tell but the first.

    Those that are known to be `bad` already are left out, and all, where a partial is: they may include it.
    """
    if any(each.startswith("/includes/") for each in bad):
        return
    try:
        compile_prompt(PromptContent(includes=content.includes))
    except TemplateError as refused:
        yield error("template", "/includes", refused.message)
        return
    alone = {
        pointer_to("messages", number, "text"): PromptContent(messages=(each,), includes=content.includes)
        for number, each in enumerate(content.messages)
    }
    if content.partial is not None:
        alone["/partial"] = PromptContent(partial=content.partial, includes=content.includes)
    for pointer in sorted(alone.keys() - bad):
        try:
            compile_prompt(alone[pointer])
        except TemplateError as refused:
            yield error("template", pointer, _ITS_NAME.sub("", refused.message))


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
