"""Rows of servers on the operator's own machine, and of hosts only the operator knows."""

from llmgw.providers.openai.quirks import OpenAiQuirks
from llmgw.providers.row import (
    BASICS,
    EVERYTHING,
    JSON,
    NO_TOOL_CHOICE,
    OPENAI_DOCS,
    PARALLEL,
    SAMPLING,
    ProviderRow,
)
from llmgw.types.feature import Feature

_MEDIA = frozenset({Feature.IMAGES, Feature.AUDIO_IN, Feature.VIDEO})

LOCAL: tuple[ProviderRow, ...] = (
    ProviderRow(
        name="openai_compatible",
        title="Any OpenAI-compatible host",
        protocol="openai",
        base_url="",
        key_env=None,
        auth="bearer",
        features=EVERYTHING,
        quirks=OpenAiQuirks(max_tokens_member="max_tokens", developer_role=False, thought_signatures=True),
        docs=OPENAI_DOCS,
        notes=(
            "Nothing is known about the host, so every feature is assumed; take away with `features.remove` "
            "what it lacks."
        ),
    ),
    ProviderRow(
        name="ollama",
        title="Ollama",
        protocol="openai",
        base_url="http://127.0.0.1:11434/v1",
        key_env=None,
        auth="none",
        features=BASICS
        | JSON
        | {
            Feature.EMBEDDINGS,
            Feature.IMAGES,
            Feature.VIDEO,
            Feature.PENALTIES,
            Feature.REASONING,
            Feature.SEED,
        },
        quirks=OpenAiQuirks(
            max_tokens_member="max_tokens",
            developer_role=False,
            tool_choices=NO_TOOL_CHOICE,
            reasoning_member="reasoning",
        ),
        docs="https://docs.ollama.com/api/openai-compatibility",
        notes=(
            "`tool_choice`, `logprobs`, `logit_bias` and `n` are documented as unsupported; images must be "
            "base64. For Ollama Cloud set `base_url` to https://ollama.com/v1, `auth: bearer` and a key."
        ),
        local=True,
        free=True,
    ),
    ProviderRow(
        name="vllm",
        title="vLLM",
        protocol="openai",
        base_url="http://127.0.0.1:8000/v1",
        key_env="VLLM_API_KEY",
        auth="bearer",
        features=BASICS
        | JSON
        | SAMPLING
        | _MEDIA
        | {Feature.EMBEDDINGS, Feature.LOGPROBS, Feature.MULTIPLE_CHOICES, Feature.REASONING},
        quirks=OpenAiQuirks(developer_role=False, reasoning_member="reasoning"),
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        notes=(
            "Features depend on the model served and on flags (tool calling wants "
            "`--enable-auto-tool-choice`). `user` and `parallel_tool_calls` are documented as ignored. Servers "
            "older than November 2025 call reasoning `reasoning_content`."
        ),
        local=True,
        free=True,
    ),
    ProviderRow(
        name="llama_cpp",
        title="llama.cpp server",
        protocol="openai",
        base_url="http://127.0.0.1:8080/v1",
        key_env="LLAMA_API_KEY",
        auth="bearer",
        features=BASICS
        | JSON
        | PARALLEL
        | SAMPLING
        | {Feature.EMBEDDINGS, Feature.IMAGES, Feature.AUDIO_IN, Feature.LOGPROBS, Feature.REASONING},
        quirks=OpenAiQuirks(
            max_tokens_member="max_tokens", developer_role=False, reasoning_member="reasoning_content"
        ),
        docs="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        notes=(
            "Tools want a chat template that has them (`--jinja`); `parallel_tool_calls` works with some "
            "templates. Films come as `input_video` parts. Port 8080 is also this gateway's own usual one."
        ),
        local=True,
        free=True,
    ),
    ProviderRow(
        name="lm_studio",
        title="LM Studio",
        protocol="openai",
        base_url="http://127.0.0.1:1234/v1",
        key_env=None,
        auth="none",
        features=BASICS | SAMPLING | {Feature.EMBEDDINGS, Feature.JSON_SCHEMA, Feature.IMAGES},
        quirks=OpenAiQuirks(
            max_tokens_member="max_tokens",
            developer_role=False,
            tool_choices=frozenset({"auto", "none", "required"}),
        ),
        docs="https://lmstudio.ai/docs/developer/openai-compat/chat-completions",
        notes=(
            "Answers 400 to `response_format` of type `json_object` and to a `tool_choice` that names a tool; "
            "users report that `required` forces nothing with some models."
        ),
        local=True,
        free=True,
    ),
    ProviderRow(
        name="sglang",
        title="SGLang",
        protocol="openai",
        base_url="http://127.0.0.1:30000/v1",
        key_env=None,
        auth="bearer",
        features=BASICS
        | JSON
        | SAMPLING
        | {
            Feature.EMBEDDINGS,
            Feature.IMAGES,
            Feature.VIDEO,
            Feature.LOGPROBS,
            Feature.MULTIPLE_CHOICES,
            Feature.REASONING,
        },
        quirks=OpenAiQuirks(reasoning_member="reasoning_content"),
        docs="https://docs.sglang.io/docs/basic_usage/openai_api_completions",
        notes=(
            "Features depend on the model served and on flags (`--tool-call-parser`, `--reasoning-parser`). "
            "Audio comes as `audio_url` parts, not as OpenAI's `input_audio`."
        ),
        local=True,
        free=True,
    ),
    ProviderRow(
        name="litellm_proxy",
        title="LiteLLM Proxy",
        protocol="openai",
        base_url="http://127.0.0.1:4000/v1",
        key_env="LITELLM_PROXY_API_KEY",
        auth="bearer",
        features=EVERYTHING,
        docs="https://docs.litellm.ai/docs/proxy/user_keys",
        notes=(
            "A gateway itself: what is honoured differs by the model behind it, so every feature is assumed."
        ),
        local=True,
    ),
    ProviderRow(
        name="simulator",
        title="llmgw simulator",
        protocol="openai",
        base_url="http://127.0.0.1:18080/v1",
        key_env=None,
        auth="none",
        features=EVERYTHING - {Feature.AUDIO_OUT, Feature.VIDEO},
        docs=OPENAI_DOCS,
        notes=(
            "What `llmgw simulator` serves: OpenAI's own API, deterministic, without a model. It needs no "
            "key. Parameters that need a model, such as the penalties, are taken and change nothing."
        ),
        local=True,
        free=True,
    ),
)
