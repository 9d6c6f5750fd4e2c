"""What recorded answers cost: some worked out by hand, all of them never negative and of parts that add up.

The folder of recordings is `../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import pytest
from llmgw.accounting.prices.book import ProviderPrices
from llmgw.gateway.charging import tier_of, usage_in
from llmgw.types.errors import GatewayError
from llmgw.types.event import Start, StreamEvent, Usage
from llmgw.types.money import Charge, Spent
from llmgw.wire.openai.embeddings import WIRE as EMBEDDINGS
from tests.contract import anthropic_exchange, exchange, gemini_exchange
from tests.contract.recordings import FOLDER, records

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

KINDS: Final = {
    "anthropic": "anthropic",
    "azure": "azure",
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "gemini": "gemini",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "together": "together",
    "vertexai": "vertex",
}
EMBEDDED: Final = EMBEDDINGS.decode_request(b'{"model":"m","input":"x"}')
"""A call for an embedding."""

AT_S: Final = 1_795_800_000
"""When all of them are taken to have been asked: 2026-11-27."""

BY_HAND: Final = {
    # US dollars for a million tokens are nano-USD for a thousand, so: tokens x price x 1000.
    0: 25 * 2_500 + 2 * 10_000,  # gpt-4o: 2.50 and 10
    7817: 8 * 2_500 + 82 * 20_000,  # gpt-5 served with priority: 2.50 and 20
    564: 3 * 4_000 + 1217 * 5_000 + 100 * 20_000,  # gpt-5.6-sol: 4, written to the cache 5, out 20
    461: 12 * 1_750 + 24 * 14_000,  # gpt-5.2 in a deployment of Azure: 1.75 and 14
    459: 3 * 3_000 + 14 * 3_750 + 2056 * 6_000 + 459 * 15_000,  # Sonnet 4: 5 minutes 3.75, an hour 6
    262: 21 * 3_000 + 1733 * 300 + 568 * 15_000,  # Sonnet 3.7: read from the cache at 0.30
    6007: 10_809 * 3_000 + 644 * 15_000 + 10_000_000,  # Sonnet 4.6: a search of the web is a cent
    2545: 42 * 1_000 + 118 * 100 + (1122 - 118) * 30 + (1518 - 160 - 1004) * 300 + (202 + 185) * 2_500,
    # Gemini 2.5 Flash: 160 tokens of sound, 118 of them cached, among 1122 cached of 1518; thoughts are output
    5318: 113 * 1_000 + 168 * 500 + (34 + 124) * 3_000,  # Gemini 3 Flash on Vertex AI: sound 1, text 0.50
    6636: 80 * 150 + 256 * 75 + 96 * 600,  # GPT-OSS on Groq: cached at half
    5942: 51 * 150 + 512 * 3 + 116 * 600,  # DeepSeek, told as hits and misses of the cache
    5320: 32 * 1_500 + 32 * 150 + 6 * 7_500,  # Mistral Medium: cached at a tenth
    87: 88 * 880,  # Llama on Together: 0.88 both ways
    6337: 42 * 850 + 8 * 1_200,  # Llama on Cerebras
    466: 5_370,  # OpenRouter says itself: 0.00000537
    554: 2 * 100,  # an embedding by Ada
    7974: 8 * 130,  # by text-embedding-3-large in a deployment of Azure
    8081: 21 * 100,  # by Mistral
    467: 14 * 5_000 + 164 * 25_000,  # OpenRouter with the operator's own key at Anthropic
}
"""Nano-USD by record."""


def test_recorded_answers_cost_what_is_worked_out_by_hand(tell: Callable[[str], None]) -> None:
    """The hand's sums are ours; all others are sums of their lines, and almost every model has a price."""
    found, counted, priced = {}, Counter[str](), Counter[str]()
    for record in records("chat", "messages", "generate", "generate-stream", "embeddings"):
        if record["status"] != 200 or record["provider"] not in KINDS:
            continue
        read = _read(record)
        usage = usage_in(read)
        if usage is None:
            continue
        charge = _charge(record, read, usage)
        counted[record["provider"]] += 1
        if charge is None:
            continue
        priced[record["provider"]] += 1
        _adds_up(charge)
        if record["id"] in BY_HAND:
            found[record["id"]] = charge.nano
    told = ", ".join(f"{name} {priced[name]}/{counted[name]}" for name in sorted(counted))
    tell(f"costs of recorded answers, priced of those that say what they used: {told}")
    assert found == BY_HAND
    assert sum(priced.values()) >= 0.99 * sum(counted.values())


def _adds_up(charge: Charge) -> None:
    assert charge.nano >= 0
    assert all(line.quantity > 0 and line.rate >= 0 for line in charge.lines)
    exact = sum(Fraction(line.quantity * line.rate, 10**15) for line in charge.lines)
    assert charge.nano == round(exact)


def _charge(record: dict[str, Any], read: list[StreamEvent], usage: Usage) -> Charge | None:
    start = next(event for event in read if isinstance(event, Start))
    model = record["model"] or (record.get("req") or {}).get("model") or ""
    spent = Spent(usage=usage, model=model, answered=start.model, tier=tier_of(start), at_s=AT_S)
    return ProviderPrices(KINDS[record["provider"]], {}).charge(spent)


def _read(record: dict[str, Any]) -> list[StreamEvent]:
    """The events of a recorded answer; none of one that the codecs refuse, which other tests list."""
    body = (record.get("body") or "").encode()
    try:
        match record["api"]:
            case "chat":
                asked = exchange.STREAMED if record["stream"] else exchange.asked()
                return exchange.events(asked, [body])
            case "embeddings":
                return (
                    exchange.events(EMBEDDED, [body])
                    if record["provider"] in {"openai", "azure", "mistral"}
                    else []
                )
            case "messages":
                streamed = record["stream"]
                whole = anthropic_exchange.WHOLE
                return anthropic_exchange.events(anthropic_exchange.STREAMED if streamed else whole, [body])
            case api:
                streamed = api == "generate-stream"
                told = gemini_exchange.STREAMED if streamed else gemini_exchange.asked()
                return gemini_exchange.events(told, [body])
    except GatewayError:
        return []
