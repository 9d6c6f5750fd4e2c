"""The text of a content that every call sends, whatever its variables: all outside of the templates' tags."""

from collections.abc import Iterator
from typing import Final

from llmgw.types import json
from llmgw.types.prompt import PromptContent

_TAGS: Final = (("{{", "}}"), ("{%", "%}"), ("{#", "#}"))


def fixed_text(content: PromptContent) -> str:
    """Put together what is sent for certain, tools and schema included; branches count as if all were taken."""
    texts = [outside(message.text) for message in content.messages]
    texts += [outside(include.text) for include in content.includes.values()]
    if content.partial is not None:
        texts.append(outside(content.partial))
    texts += [json.encode([tool.name, tool.description, tool.parameters]).decode() for tool in content.tools]
    if content.output_schema is not None:
        texts.append(json.encode(content.output_schema).decode())
    return "\n".join(texts)


def outside(template: str) -> str:
    """Leave out of a template all that is in tags; takes a time linear in its length."""
    return "".join(_outside(template))


def _outside(template: str) -> Iterator[str]:
    at = 0
    closing = {opener: True for opener, _ in _TAGS}
    while True:
        found = [(template.find(opener, at), opener, closer) for opener, closer in _TAGS if closing[opener]]
        found = [each for each in found if each[0] >= 0]
        if not found:
            yield template[at:]
            return
        start, opener, closer = min(found)
        end = template.find(closer, start + len(opener))
        if end < 0:
            # No tag of this kind ends from here on.
            closing[opener] = False
            continue
        yield template[at:start]
        at = end + len(closer)
