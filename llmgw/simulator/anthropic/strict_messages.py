"""What Anthropic refuses of `system` and `messages`, each rule with its source."""

import re
from typing import Final

from llmgw.simulator.anthropic.shapes import blocks, invalid, mapping, one_of, require_members, text
from llmgw.simulator.refusal import Refused
from llmgw.simulator.signatures import is_concealed, is_signed
from llmgw.types.json import Json

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_SERVER_ID: Final = re.compile(r"srvtoolu_[a-zA-Z0-9_]+")
_MOST_MARKS: Final = 4
_LONGEST_CALLED: Final = 200
_IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
_MEMBERS: Final = {
    "text": frozenset({"type", "text", "cache_control", "citations"}),
    "image": frozenset({"type", "source", "cache_control", "transformations"}),
    "document": frozenset({"type", "source", "cache_control", "citations", "context", "title"}),
    "search_result": frozenset({"type", "source", "title", "content", "cache_control", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "cache_control", "caller", "toolset_name"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"}),
    "container_upload": frozenset({"type", "file_id", "cache_control"}),
}
"""Members by type of block: the SDK's `types/*_block_param.py`. Blocks of server tools are not looked into."""
_BY_SERVER: Final = frozenset({"server_tool_use", "web_search_tool_result", "web_fetch_tool_result"}) | {
    "code_execution_tool_result", "bash_code_execution_tool_result", "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
}  # fmt: skip
_BETA: Final = frozenset({"advisor_tool_result", "mcp_tool_use", "mcp_tool_result", "mcp_tool_listing"}) | {
    "compaction", "fallback", "tool_addition", "tool_removal",
}  # fmt: skip
_OF_ROLE: Final = {
    "user": frozenset({"text", "image", "document", "search_result", "tool_result", "container_upload"}),
    "assistant": frozenset({"text", "thinking", "redacted_thinking", "tool_use", "container_upload"})
    | _BY_SERVER,
    "system": frozenset({"text"}),
}
_ONLY_OF: Final = {"tool_result": "user", "tool_use": "assistant"}
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})
_IN_RESULT: Final = frozenset({"text", "image", "document", "search_result", "tool_reference"}) | {
    "browser_state"
}


def check(body: dict[str, Json], *, beta: bool) -> None:
    """Refuse a conversation that Anthropic would refuse; its shape has been read before.

    Raises:
        Refused: it would.
    """
    messages: list[dict[str, Json]] = body["messages"]
    _require_system(body)
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        require_members(message, frozenset({"role", "content"}), at)
        _require_content(message, at, final=index == len(messages) - 1)
        for here, block in blocks(message, "content", at) if message["content"] else ():
            _require_block(block, here, message["role"], beta=beta)
    _require_system_places(messages)
    _require_tools_defined(body)
    _require_thinking_first(body)
    _require_few_marks(body)


def _require_system(body: dict[str, Json]) -> None:
    if body.get("system") is None:
        return
    for at, block in blocks(body, "system", ""):
        if block["type"] != "text":
            raise invalid(f"{at}.type", one_of(("text",)))
        require_members(block, _MEMBERS["text"], at)
        if not isinstance(body["system"], str):
            _require_words(block, "system")


def _require_content(message: dict[str, Json], at: str, *, final: bool) -> None:
    content = message["content"]
    ends_with_assistant = final and message["role"] == "assistant"
    # https://github.com/UKGovernmentBEIS/inspect_ai/pull/832; the words are the API's.
    if not content and not ends_with_assistant:
        raise invalid(
            at, "all messages must have non-empty content except for the optional final assistant message"
        )
    if ends_with_assistant and content:
        last = content if isinstance(content, str) else content[-1].get("text")
        # https://github.com/BerriAI/litellm: `custom_prompt` in `litellm/llms/prompt_templates/factory.py`
        if isinstance(last, str) and last != last.rstrip():
            raise invalid("messages", "final assistant content cannot end with trailing whitespace")


def _require_words(block: dict[str, Json], at: str) -> None:
    # https://github.com/anthropics/claude-code/issues/59812
    if not block["text"]:
        raise invalid(at, "text content blocks must be non-empty")
    # https://github.com/home-assistant/core/issues/175637
    if not block["text"].strip():
        raise invalid(at, "text content blocks must contain non-whitespace text")


def _require_block(block: dict[str, Json], at: str, role: str, *, beta: bool) -> None:
    kind = block["type"]
    # The SDK's `types/user_message_param.py`, `assistant_message_param.py` and `system_message_param.py`
    if kind not in _OF_ROLE[role] | (_BETA if beta else frozenset()):
        if kind in _ONLY_OF:
            raise invalid(at, f"`{kind}` blocks can only be in `{_ONLY_OF[kind]}` messages")
        raise invalid(f"{at}.type", f"Input tag '{kind}' is not expected in a message of role '{role}'")
    _require_known_block(block, at)
    match kind:
        case "thinking":
            # https://github.com/anthropics/anthropic-sdk-python/issues/1598
            if not is_signed(text(block, "thinking", at), text(block, "signature", at)):
                raise invalid(at, "Invalid `signature` in `thinking` block")
        case "redacted_thinking":
            # As above: the SDK's maintainer names both kinds of block.
            if not is_concealed(text(block, "data", at)):
                raise invalid(at, "Invalid `data` in `redacted_thinking` block")
        case "tool_use":
            # https://github.com/lbjlaq/Antigravity-Manager/issues/654 shows ids of other makers being taken; the
            # pattern is the API's own message: "tool_use.id: String should match pattern".
            _require_id(block["id"], f"{at}.tool_use.id")
            _require_called(block["name"], f"{at}.tool_use.name")
        case "server_tool_use":
            if not _SERVER_ID.fullmatch(text(block, "id", at)):
                raise invalid(
                    f"{at}.server_tool_use.id", "String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'"
                )
        case "tool_result":
            _require_id(block["tool_use_id"], f"{at}.tool_result.tool_use_id")
            _require_result(block, at)
        case _:
            return


def _require_known_block(block: dict[str, Json], at: str) -> None:
    kind = block["type"]
    if kind in _MEMBERS:
        require_members(block, _MEMBERS[kind], f"{at}.{kind}")
    if kind == "text":
        _require_words(block, "messages")
    if kind in {"image", "document"}:
        _require_media_type(block, f"{at}.{kind}.source")


def _require_id(call_id: str, at: str) -> None:
    if not _ID.fullmatch(call_id):
        raise invalid(at, "String should match pattern '^[a-zA-Z0-9_-]+$'")


def _require_called(name: str, at: str) -> None:
    # https://github.com/anthropics/claude-code/blob/main/CHANGELOG.md (at most 200), and the API's own messages
    if not name:
        raise invalid(at, "String should have at least 1 character")
    if len(name) > _LONGEST_CALLED:
        raise invalid(at, f"String should have at most {_LONGEST_CALLED} characters")


def _require_media_type(block: dict[str, Json], at: str) -> None:
    # The SDK's `types/base64_image_source_param.py`, `base64_pdf_source_param.py`, `plain_text_source_param.py`
    source = mapping(block, "source", at)
    kind, media_type = source["type"], source.get("media_type")
    allowed = {
        ("image", "base64"): _IMAGES,
        ("document", "base64"): ("application/pdf",),
        ("document", "text"): ("text/plain",),
    }.get((block["type"], kind))
    if allowed is not None and media_type not in allowed:
        raise invalid(f"{at}.{kind}.media_type", one_of(allowed))
    kinds = (
        ("base64", "url", "file")
        if block["type"] == "image"
        else ("base64", "text", "content", "url", "file")
    )
    if kind not in kinds:
        raise invalid(f"{at}.type", one_of(kinds))


def _require_result(block: dict[str, Json], at: str) -> None:
    if block.get("content") is None or isinstance(block["content"], str):
        return
    for here, inner in blocks(block, "content", at):
        # https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls
        if inner["type"] not in _IN_RESULT:
            raise invalid(f"{here}.type", one_of(tuple(sorted(_IN_RESULT))))
        _require_known_block(inner, here)


def _require_system_places(messages: list[dict[str, Json]]) -> None:
    # https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
    # https://github.com/anthropics/claude-code/issues/73821 (the second rule's words)
    for index, message in enumerate(messages):
        if message["role"] != "system":
            continue
        if index == 0 or not _takes_system_after(messages[index - 1]):
            raise invalid(
                f"messages.{index}",
                "role 'system' must follow a 'user' message or an 'assistant' message ending in server tool use",
            )
        if index + 1 < len(messages) and messages[index + 1]["role"] != "assistant":
            raise invalid(
                f"messages.{index}", "role 'system' must precede an 'assistant' message or end the array"
            )


def _takes_system_after(message: dict[str, Json]) -> bool:
    if message["role"] == "user":
        return True
    content = message["content"]
    return (
        message["role"] == "assistant"
        and isinstance(content, list)
        and content[-1:] != []
        and (content[-1]["type"] in _BY_SERVER)
    )


def _require_tools_defined(body: dict[str, Json]) -> None:
    # The API's own message; litellm's Anthropic calls refuse the same before they are sent.
    if body.get("tools"):
        return
    for index, message in enumerate(body["messages"]):
        for _, block in blocks(message, "content", f"messages.{index}"):
            if block["type"] in {"tool_use", "tool_result"}:
                raise Refused(
                    400, "Requests which include `tool_use` or `tool_result` blocks must define tools."
                )


def _require_thinking_first(body: dict[str, Json]) -> None:
    """With a thinking budget, the turn that is still using tools must begin with its thinking.

    Its further steps need none, as without interleaved thinking the model does not think anew after each result.
    """
    # https://github.com/UKGovernmentBEIS/inspect_ai/issues/3025; "a tool-use loop is one assistant turn":
    # https://platform.claude.com/docs/en/build-with-claude/thinking-tool-workflows
    if (body.get("thinking") or {}).get("type") != "enabled":
        return
    messages: list[dict[str, Json]] = body["messages"]
    index = next(
        (nth for nth in range(len(messages) - 1, -1, -1) if messages[nth]["role"] == "assistant"), None
    )
    if index is None:
        return
    content = list(blocks(messages[index], "content", f"messages.{index}"))
    uses_tools = any(block["type"] == "tool_use" for _, block in content)
    is_last = index == len(messages) - 1
    if not content or not (uses_tools or is_last) or content[0][1]["type"] in _THOUGHTS:
        return
    begin = index if is_last else _begin_of_turn(messages, index)
    at, first = next(blocks(messages[begin], "content", f"messages.{begin}"), content[0])
    if first["type"] not in _THOUGHTS:
        raise invalid(
            f"{at}.type",
            f"Expected `thinking` or `redacted_thinking`, but found `{first['type']}`. When `thinking` is "
            "enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
            "`tool_use` and `tool_result` blocks).",
        )


def _begin_of_turn(messages: list[dict[str, Json]], index: int) -> int:
    """Where the turn began that has come to a message of the assistant's: results of tools do not end it."""
    begin = index
    for nth in range(index - 1, -1, -1):
        message = messages[nth]
        if message["role"] == "assistant":
            begin = nth
        elif message["role"] == "user" and not any(
            block["type"] == "tool_result" for _, block in blocks(message, "content", f"messages.{nth}")
        ):
            break
    return begin


def _require_few_marks(body: dict[str, Json]) -> None:
    # https://github.com/anthropics/claude-agent-sdk-typescript/issues/432
    found = _marks({name: body.get(name) for name in ("cache_control", "system", "tools", "messages")})
    if found > _MOST_MARKS:
        raise Refused(
            400, f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {found}."
        )


def _marks(value: Json) -> int:
    if isinstance(value, list):
        return sum(map(_marks, value))
    if not isinstance(value, dict):
        return 0
    own = value.get("cache_control") is not None
    return own + sum(
        _marks(value[name]) for name in ("system", "tools", "messages", "content") if name in value
    )
