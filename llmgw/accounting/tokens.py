"""Counting tokens here, for targets whose provider has no endpoint that counts.

Texts are counted exactly, in the vocabulary of the model. A conversation is an estimate, as no host publishes how
it frames messages: the overheads are those of OpenAI's cookbook, refined against recorded answers of OpenAI
(`tests/contract/test_token_counts.py` states how near it comes). For other makers' models, which have vocabularies
of their own, o200k stands in.
"""

import re
from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Final, assert_never

from llmgw.accounting.declarations import declarations
from llmgw.accounting.media import media_tokens
from llmgw.accounting.vocabulary import CL100K, O200K, Vocabulary, encoding, packed
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

if TYPE_CHECKING:
    import tiktoken

_OLD: Final = re.compile(r"(?:.*/)?(?:ft:)?gpt-(?:4(?!o|\.\d|-?1(?:\.|-mini|-nano))|3\.?5)")
"""Models with the older vocabulary: GPT-4 without a letter or point behind it, and GPT-3.5 in any spelling."""
_OPENAIS: Final = re.compile(
    r"(?:.*/)?(?:ft:)?(?:gpt-|chatgpt-|o\d|codex-|computer-use-|text-embedding-(?:3|ada)|text-moderation)"
)
"""Models whose vocabulary is published: OpenAI's, under their own names."""
_REASONS: Final = re.compile(r"(?:.*/)?(?:o[3-9](?!\d)|gpt-(?:[5-9]|\d\d))")

_PIECE: Final = 16_384
"""Characters counted at a time. A run of a million spaces makes `tiktoken` panic, and its time is not linear."""
_SEAM: Final = re.compile(r".*(?:\S(?= )|[^\W_](?=\s))", re.DOTALL)
"""The longest beginning after which a cut is one that the vocabularies' patterns make themselves."""

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

    Loading takes half a second and 45 MB, counting about a microsecond per token: away from the event loop, both.
    May be used from several threads.
    """

    def __init__(self) -> None:
        self._encodings: dict[str, tiktoken.Encoding] = {}
        self._loading = Lock()

    def text(self, text: str, model: str) -> int:
        """Count a text in the vocabulary of the model; what looks like a special token is plain text.

        Exact up to 16,384 characters, and beyond wherever such a stretch holds a word's end; each cut elsewhere
        adds a token or two.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        encoding = self._encoding(model)
        return sum(len(encoding.encode_ordinary(piece)) for piece in _pieces(text))

    def message(self, message: Message, model: str) -> int:
        """Estimate the tokens of one message of a conversation with the model.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        return self._message(message, model)

    def chat(self, invocation: ChatInvocation, model: str) -> int:
        """Estimate the input tokens of a conversation with the model.

        Reasoning and other protocols' opaque parts are not counted, as they are not sent. See `media_tokens` for
        what is assumed of images, sounds and documents.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        reasons = _REASONS.match(model) is not None
        total = _REASONING_REPLY if reasons else _REPLY
        total += sum(self._message(message, model) for message in invocation.messages)
        if invocation.tools:
            total += self._tools(invocation.tools, model)
            total += _REASONING_TOOLS if reasons else _TOOLS
            if any(message.role in {"system", "developer"} for message in invocation.messages):
                total += _TOOLS_IN_SYSTEM
        match invocation.output_format:
            case JsonSchemaFormat(name=name, description=description, schema=schema):
                total += _FORMAT + self.text(
                    f"{name}{description or ''}{json.encode(schema).decode()}", model
                )
            case _:
                pass
        return total

    def _message(self, message: Message, model: str) -> int:
        total = sum(self._part(part, model) for part in message.parts)
        if message.name is not None:
            total += _NAME + self.text(message.name, model)
        results = sum(isinstance(part, ToolResultPart) for part in message.parts)
        # Each tool's result is a message of its own; beside them there is one more only if anything else is said.
        others = 1 if results < len(message.parts) or not results else 0
        return total + _MESSAGE * (results + others)

    def _part(self, part: Part, model: str) -> int:
        match part:
            case TextPart(text=text) | RefusalPart(text=text):
                return self.text(text, model)
            case ToolCallPart(name=name, arguments=arguments):
                return _CALL + self.text(name, model) + self.text(arguments, model)
            case ToolResultPart(content=content):
                return sum(self._part(inner, model) for inner in content)
            case MediaPart(text=str(text)):
                return self.text(text, model)
            case MediaPart():
                return media_tokens(part, model)
            case OpaquePart(protocol="openai", value=value):
                return self.text(json.encode(value).decode(), model)
            case ReasoningPart() | OpaquePart():
                return 0
            case _:
                assert_never(part)

    def _tools(self, tools: tuple[Tool, ...], model: str) -> int:
        functions = [tool for tool in tools if isinstance(tool, FunctionTool)]
        others = [tool for tool in tools if isinstance(tool, OpaqueTool)]
        total = sum(self.text(json.encode(tool.value).decode(), model) for tool in others)
        return total + (self.text(declarations(functions), model) if functions else 0)

    @staticmethod
    def knows(model: str) -> bool:
        """Whether the model's vocabulary is published; for all others another stands in."""
        return _OPENAIS.match(model) is not None

    @staticmethod
    def vocabulary(model: str) -> Vocabulary:
        """The vocabulary in which a model's tokens are counted."""
        return CL100K if _OLD.match(model) else O200K

    def _encoding(self, model: str) -> "tiktoken.Encoding":
        vocabulary = self.vocabulary(model)
        known = self._encodings.get(vocabulary.name)
        return known if known is not None else self._load(vocabulary)

    def _load(self, vocabulary: Vocabulary) -> "tiktoken.Encoding":
        with self._loading:
            known = self._encodings.get(vocabulary.name)
            if known is None:
                known = self._encodings[vocabulary.name] = encoding(vocabulary, packed(vocabulary))
            return known


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces to be counted one by one, where that makes no difference if there is such a place."""
    start = 0
    while len(text) - start > _PIECE:
        seam = _SEAM.match(text, start, start + _PIECE)
        end = start + _PIECE if seam is None else seam.end()
        yield text[start:end]
        start = end
    yield text[start:]
