"""Dialects of calls whose address names the prompt: a chat completion in OpenAI's, an API in plain JSON."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from llmgw.http.problems import PROBLEM, problem
from llmgw.http.prompt_paths import name_in
from llmgw.types import json
from llmgw.types.completion import Completion
from llmgw.types.errors import GatewayError, InvalidRequest
from llmgw.types.feature import Feature
from llmgw.types.invocation import CallOptions, ChatInvocation, Invocation
from llmgw.types.prompt import SLUG, PromptRef
from llmgw.types.prompt_errors import ApiNotFound
from llmgw.wire.base import EventEncoder
from llmgw.wire.members import request_object
from llmgw.wire.openai.chat import OpenAiChat
from llmgw.wire.openai.chat_messages import PROTOCOL
from llmgw.wire.openai.chat_request import chat_of
from llmgw.wire.openai.chat_stream import ChatEncoder
from llmgw.wire.openai.errors import PING
from llmgw.wire.prompt_member import CHOICES, PROMPT, own_ref

_LONGEST_MAJOR: Final = 3


class PromptCompletions(OpenAiChat):
    """Chat completions of one prompt; `found` is what stood in the path."""

    path = "/v1/prompts/{name}/completions"

    def __init__(self, found: Mapping[str, str]) -> None:
        self._found = found

    def decode_request(self, body: bytes, *, prompted: bool = False) -> ChatInvocation:  # noqa: ARG002  it always is
        """See `WireFormat.decode_request`.

        Raises:
            PromptNotFound: no prompt can be called so.
        """
        name = name_in(self._found)
        members = request_object(json.decode(body))
        ref = own_ref(members, name=name)
        chat = chat_of({key: members[key] for key in members if key not in CHOICES}, prompted=True)
        if chat.options.prompt is not None:
            raise InvalidRequest("the address names the prompt already", param=PROMPT)
        return replace(chat, options=replace(chat.options, prompt=ref))


class PromptApi:
    """One API: the body is the variables, the answer what the model says in the form that was promised.

    `major` is the version in the path, None without one.
    """

    name = PROTOCOL
    path = "/v1/apis/{slug}"
    forwarded_headers: tuple[str, ...] = ()
    id_headers: tuple[str, ...] = ("x-request-id",)
    ping = PING
    error_type = PROBLEM

    def __init__(self, slug: str, major: str | None) -> None:
        self._slug = slug
        self._major = major
        if major is not None:
            self.path = "/v1/apis/{slug}/v{major}"

    def decode_request(self, body: bytes, *, prompted: bool = False) -> ChatInvocation:  # noqa: ARG002  it always is
        """See `WireFormat.decode_request`.

        Raises:
            ApiNotFound: no API can have this address.
        """
        ref = PromptRef(slug=_slug(self._slug), major=_major(self._major), variables=_variables(body))
        return ChatInvocation(
            model="",
            wire=PROTOCOL,
            messages=(),
            options=CallOptions(prompt=ref),
            needs={Feature.CHAT: PROMPT},
        )

    def encode_completion(self, completion: Completion) -> bytes:
        """See `WireFormat.encode_completion`; the first answer's text is the JSON to be sent."""
        return completion.text.encode()

    def encoder(self, invocation: Invocation) -> EventEncoder:  # noqa: ARG002  APIs are never streamed
        """See `WireFormat.encoder`."""
        return ChatEncoder(include_usage=False)

    def encode_error(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002  in the headers
        """See `WireFormat.encode_error`."""
        return json.encode(problem(error))

    def status_of(self, error: GatewayError) -> int:
        """See `WireFormat.status_of`."""
        return error.status


def _variables(body: bytes) -> dict[str, json.Json]:
    variables = json.decode(body)
    if not isinstance(variables, dict):
        raise InvalidRequest("the body must be a JSON object")
    return variables


def _slug(written: str) -> str:
    if SLUG.fullmatch(written) is None:
        raise ApiNotFound(
            "no API can have this name: it is 1 to 64 of a-z, 0-9 and '-', and begins with a letter"
        )
    return written


def _major(written: str | None) -> int | None:
    if written is None:
        return None
    digits = written.removeprefix("v")
    if digits == written or not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_MAJOR):
        raise ApiNotFound("versions of APIs are v1, v2, v3 …")
    return int(digits)
