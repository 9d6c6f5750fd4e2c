"""Counting tokens here, for targets whose provider has no endpoint that counts.

Texts are counted exactly, in the vocabulary of the model. A conversation is an estimate, as no host publishes how
it frames messages: the overheads are those of OpenAI's cookbook, refined against recorded answers of OpenAI
(`tests/contract/test_token_counts.py` states how near it comes). For other makers' models, which have vocabularies
of their own, o200k stands in.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, assert_never

from llmgw.accounting.counting.client import Away, CountingClient
from llmgw.accounting.declarations import declarations
from llmgw.accounting.media import media_tokens
from llmgw.accounting.vocabulary import CL100K, O200K, Encodings, Vocabulary
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation, FunctionTool, JsonSchemaFormat, OpaqueTool, Tool
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_log = logging.getLogger(__name__)

_OLD: Final = re.compile(r"(?:.*/)?(?:ft:)?gpt-(?:4(?!o|\.\d|-?1(?:\.|-mini|-nano))|3\.?5)")
"""Models with the older vocabulary: GPT-4 without a letter or point behind it, and GPT-3.5 in any spelling."""
_OPENAIS: Final = re.compile(
    r"(?:.*/)?(?:ft:)?(?:gpt-|chatgpt-|o\d|codex-|computer-use-|text-embedding-(?:3|ada)|text-moderation)"
)
"""Models whose vocabulary is published: OpenAI's, under their own names."""
_REASONS: Final = re.compile(r"(?:.*/)?(?:o[3-9](?!\d)|gpt-(?:[5-9]|\d\d))")

_MESSAGE: Final = 4  # <|start|>, the role, <|message|>, <|end|>
_NAME: Final = 1
_REPLY: Final = 3  # <|start|>assistant<|message|>
_REASONING_REPLY: Final = 2
_TOOLS: Final = 9
_REASONING_TOOLS: Final = 89
"""Reasoning models are told about tools at length."""
_TOOLS_IN_SYSTEM: Final = -4
"""Tools join the system message where there is one."""
_CALL: Final = 7  # whom it goes to, and what a message costs beside its role
_FORMAT: Final = 2


class TokenCounter:
    """Counts tokens; each vocabulary is loaded when it is first counted in, and stays.

    Loading takes half a second and 45 MiB, counting about a microsecond per token: away from the event loop, both.
    With `at` that is done by the process behind a Unix socket, and here only while it is away. May be used from
    several threads.
    """

    def __init__(self, at: Path | None = None) -> None:
        self._encodings = Encodings()
        self._elsewhere = None if at is None else CountingClient(at)
        self._alone = False

    def text(self, text: str, model: str) -> int:
        """Count a text in the vocabulary of the model; what looks like a special token is plain text.

        Exact up to 16,384 characters, and beyond wherever such a stretch holds a word's end; each cut elsewhere
        adds a token or two.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        return self._counts((text,), model)[0]

    def message(self, message: Message, model: str) -> int:
        """Estimate the tokens of one message of a conversation with the model.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        return self.messages((message,), model)[0]

    def messages(self, messages: Sequence[Message], model: str) -> list[int]:
        """Estimate the tokens of each of some messages: as `message`, all of them at once.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        texts: list[str] = []
        totals: list[int] = []
        ends: list[int] = []
        for message in messages:
            totals.append(_message(message, model, texts))
            ends.append(len(texts))
        counts = self._counts(texts, model)
        begin = 0
        for place, end in enumerate(ends):
            totals[place] += sum(counts[begin:end])
            begin = end
        return totals

    def chat(self, invocation: ChatInvocation, model: str) -> int:
        """Estimate the input tokens of a conversation with the model.

        Reasoning and other protocols' opaque parts are not counted, as they are not sent. See `media_tokens` for
        what is assumed of images, sounds and documents.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        reasons = _REASONS.match(model) is not None
        texts: list[str] = []
        total = _REASONING_REPLY if reasons else _REPLY
        total += sum(_message(message, model, texts) for message in invocation.messages)
        if invocation.tools:
            texts += _tools(invocation.tools)
            total += _REASONING_TOOLS if reasons else _TOOLS
            if any(message.role in {"system", "developer"} for message in invocation.messages):
                total += _TOOLS_IN_SYSTEM
        match invocation.output_format:
            case JsonSchemaFormat(name=name, description=description, schema=schema):
                total += _FORMAT
                texts.append(f"{name}{description or ''}{json.encode(schema).decode()}")
            case _:
                pass
        return total + sum(self._counts(texts, model))

    @staticmethod
    def knows(model: str) -> bool:
        """Whether the model's vocabulary is published; for all others another stands in."""
        return _OPENAIS.match(model) is not None

    @staticmethod
    def vocabulary(model: str) -> Vocabulary:
        """The vocabulary in which a model's tokens are counted."""
        return CL100K if _OLD.match(model) else O200K

    def close(self) -> None:
        """Hang up on the process that counts."""
        if self._elsewhere is not None:
            self._elsewhere.close()

    def _counts(self, texts: Sequence[str], model: str) -> list[int]:
        vocabulary = self.vocabulary(model)
        if self._elsewhere is not None and texts:
            try:
                counts = self._elsewhere.counts(vocabulary.name, texts)
            except Away as error:
                if not self._alone:
                    _log.warning("tokens are counted here, as the process that counts is away: %s", error)
                self._alone = True
            else:
                self._alone = False
                return counts
        return self._encodings.counts(vocabulary, texts) if texts else []


def _message(message: Message, model: str, texts: list[str]) -> int:
    """Tokens of a message beside its texts, which join `texts`."""
    total = sum(_part(part, model, texts) for part in message.parts)
    if message.name is not None:
        total += _NAME
        texts.append(message.name)
    results = sum(isinstance(part, ToolResultPart) for part in message.parts)
    # Each tool's result is a message of its own; beside them there is one more only if anything else is said.
    others = 1 if results < len(message.parts) or not results else 0
    return total + _MESSAGE * (results + others)


def _part(part: Part, model: str, texts: list[str]) -> int:
    match part:
        case TextPart(text=text) | RefusalPart(text=text) | MediaPart(text=str(text)):
            texts.append(text)
            return 0
        case ToolCallPart(name=name, arguments=arguments):
            texts += (name, arguments)
            return _CALL
        case ToolResultPart(content=content):
            return sum(_part(inner, model, texts) for inner in content)
        case MediaPart():
            return media_tokens(part, model)
        case OpaquePart(protocol="openai", value=value):
            texts.append(json.encode(value).decode())
            return 0
        case ReasoningPart() | OpaquePart():
            return 0
        case _:
            assert_never(part)


def _tools(tools: tuple[Tool, ...]) -> list[str]:
    """The texts in which a model is told of its tools."""
    functions = [tool for tool in tools if isinstance(tool, FunctionTool)]
    others = [json.encode(tool.value).decode() for tool in tools if isinstance(tool, OpaqueTool)]
    return [*others, declarations(functions)] if functions else others
