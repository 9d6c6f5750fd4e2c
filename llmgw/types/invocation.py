"""What is asked: one invocation, whatever wire format it came in."""

from typing import Literal, TypeAlias

from msgspec import Struct, field

from llmgw.types.context import ContextOptions, Idempotency
from llmgw.types.feature import Feature
from llmgw.types.json import Json
from llmgw.types.memo import Memo
from llmgw.types.message import Details, Message
from llmgw.types.prompt import PromptRef


class FunctionTool(Struct, frozen=True, kw_only=True, tag="function"):
    """A function the model may call; `parameters` is a JSON Schema, passed on as it came."""

    name: str
    description: str | None = None
    parameters: Json = None
    strict: bool | None = None
    provider_details: Details = {}


class OpaqueTool(Struct, frozen=True, kw_only=True, tag="opaque"):
    """A tool only one protocol knows (custom grammar tools, web search, vendor tools)."""

    protocol: str
    kind: str
    value: Json


Tool: TypeAlias = FunctionTool | OpaqueTool


class ToolChoice(Struct, frozen=True, kw_only=True):
    """Whether and which tool must be called; `opaque` carries forms only one protocol has."""

    mode: Literal["auto", "none", "required", "named", "opaque"]
    name: str | None = None
    opaque: Json = None


class JsonSchemaFormat(Struct, frozen=True, kw_only=True, tag="json_schema"):
    """The answer must be JSON valid against `schema`."""

    name: str
    schema: Json = None
    description: str | None = None
    strict: bool | None = None
    provider_details: Details = {}
    neutral: bool = False
    """Whether it is a prompt version's, and so of no dialect."""


class JsonObjectFormat(Struct, frozen=True, kw_only=True, tag="json_object"):
    """The answer must be a JSON object."""


class TextFormat(Struct, frozen=True, kw_only=True, tag="text"):
    """The answer is text, said explicitly."""


class OpaqueFormat(Struct, frozen=True, kw_only=True, tag="opaque"):
    """A response format only one protocol knows (grammar, regex)."""

    value: Json


OutputFormat: TypeAlias = JsonSchemaFormat | JsonObjectFormat | TextFormat | OpaqueFormat


class Sampling(Struct, frozen=True, kw_only=True):
    """How the next token is drawn; None leaves it to the provider."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_output_tokens: int | None = None
    max_tokens_member: str | None = None
    """The name `max_output_tokens` came by where the wire has several, for a host that takes any of them."""
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Json = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None


class CacheHints(Struct, frozen=True, kw_only=True):
    """What the caller says about reusing the provider's work on a prompt's beginning.

    `key` groups calls that share one; `retention` is how long it is worth keeping (`in_memory`, `24h`). Marks on
    single parts ride in their `provider_details`.
    """

    key: str | None = None
    retention: str | None = None
    marks: int = 0
    """How many parts, tools and members carry a mark."""


class Reasoning(Struct, frozen=True, kw_only=True):
    """How much to think before the answer; what is None is left to the model.

    `effort` is one of OpenAI's or Anthropic's words (`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`).
    `budget_tokens` bounds the thinking where a number was given. `off` and `auto` are said by callers whose
    protocol has a switch. `show` is whether the caller wants to read it; None means as the protocol does.
    """

    mode: Literal["off", "auto", "on"] | None = None
    effort: str | None = None
    budget_tokens: int | None = None
    show: bool | None = None
    provider_details: Details = {}


class CallOptions(Struct, frozen=True, kw_only=True):
    """The gateway's own extras: the `llmgw` member of a body or `x-llmgw-*` headers."""

    timeout_ms: int | None = None
    tags: tuple[str, ...] = ()
    context: ContextOptions | None = None
    """The stored conversation that the call continues."""
    idempotency: Idempotency | None = None
    """By which a call with a context is known again, so that it is answered and stored once."""
    prompt: PromptRef | None = None
    """The prompt version that the call is made with."""
    verify: str | None = None
    """The name of a history that the caller keeps itself, to be compared with what it was before."""


class ChatInvocation(Struct, frozen=True, kw_only=True):
    """A conversation to be continued.

    `model` is what the caller wrote: an alias or `provider/model`. `wire` names the caller's format; a target
    that speaks the same protocol also receives `passthrough`, the request members without a field here, and
    `headers`, those of the caller's that belong to its dialect. `demands` are the members of `passthrough` that
    change what is answered: a target of another protocol must refuse them, while it may drop and report the rest.
    `stored` tells that the messages are a stored conversation's, each of which names its own protocol; all other
    members still are of `wire`. Such messages are written alike whatever else the call says; `memo` has those that
    were written for this target in earlier calls, and is added to.
    """

    model: str
    wire: str
    messages: tuple[Message, ...]
    preamble: tuple[Message, ...] = ()
    """What a prompt version says before a stored conversation: told on every call, stored by none."""
    rendered: int = 0
    """How many of the first `messages` of a call with a stored conversation a prompt version says."""
    prompted: bool = False
    """Whether some of it is a prompt version's, which is of no dialect."""
    stored: bool = False
    before: int = 0
    """How many of the first `messages`, with a stored conversation, are what a prompt version says before it."""
    memo: Memo | None = None
    sampling: Sampling = Sampling()
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output_format: OutputFormat | None = None
    reasoning: Reasoning = Reasoning()
    metadata: Json = None
    user: str | None = None
    cache: CacheHints = CacheHints()
    stream: bool = False
    include_usage: bool = False
    stream_options: Details = {}
    passthrough: Details = {}
    demands: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()
    compact: bool = False
    """Whether a provider that can sum up a conversation by itself shall do so when it grows too long."""
    options: CallOptions = CallOptions()
    needs: dict[Feature, str] = field(default_factory=dict)
    """Features an answering target must have, each with the request member that asks for it."""


class EmbeddingInvocation(Struct, frozen=True, kw_only=True):
    """Texts or token lists to be embedded, in order."""

    model: str
    wire: str
    inputs: Json
    """As the wire has it: a string, strings, token ids, or lists of token ids."""
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None
    passthrough: Details = {}
    options: CallOptions = CallOptions()
    needs: dict[Feature, str] = field(default_factory=dict)
    stream: Literal[False] = False


class CountInvocation(Struct, frozen=True, kw_only=True):
    """The question how many input tokens a conversation would be; its answer is a `Usage` with `input_tokens`."""

    model: str
    wire: str
    chat: ChatInvocation
    options: CallOptions = CallOptions()
    needs: dict[Feature, str] = field(default_factory=dict)
    stream: Literal[False] = False


Invocation: TypeAlias = ChatInvocation | EmbeddingInvocation | CountInvocation
