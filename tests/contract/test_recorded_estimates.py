"""What providers said recorded calls used and cost is never above what would have been held back for them.

The folder of recordings is `../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

from collections import Counter
from typing import Any, Final

import pytest
from llmgw.accounting.estimate import estimate
from llmgw.accounting.prices.book import ProviderPrices
from llmgw.gateway.charging import tier_of, usage_in
from llmgw.types import json
from llmgw.types.errors import GatewayError
from llmgw.types.event import Start
from llmgw.types.invocation import ChatInvocation
from llmgw.types.money import Spent
from llmgw.types.target import Endpoint, Target
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from llmgw.wire.openai.chat import WIRE as CHAT
from tests.contract import anthropic_exchange, exchange
from tests.contract.recordings import FOLDER, records

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

AT_S: Final = 1_795_800_000
"""When all of them are taken to have been asked: 2026-11-27."""
DEFAULT: Final = 64_000


def test_recorded_usage_is_within_the_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    """Input, output and cost, for each record whose request and usage are at hand."""
    seen = Counter[str]()
    over: list[tuple[Any, ...]] = []
    share: list[float] = []
    for record in records("chat", "messages"):
        if record["status"] != 200 or not isinstance(record.get("req"), dict):
            continue
        told = _told(record)
        if told is None:
            continue
        bound, taken, given, cost, target = told
        seen[record["provider"]] += 1
        if taken > bound.input_tokens or given > bound.output_tokens:
            over.append((record["id"], target.name, taken, bound.input_tokens, given, bound.output_tokens))
        elif cost is not None and (bound.nano is None or cost > bound.nano):
            over.append((record["id"], target.name, cost, bound.nano))
        share.append(bound.input_tokens / max(1, taken))
    with capsys.disabled():
        print(  # noqa: T201  the summary is wanted in every run
            f"\nbounds of {sum(seen.values())} recorded calls: {dict(seen)}; held back for input "
            f"{sorted(share)[len(share) // 2]:.1f} times what was used, in the middle of all",
            end="",
        )
    assert not over
    assert sum(seen.values()) > 100


def _told(record: dict[str, Any]) -> tuple[Any, int, int, int | None, Target] | None:
    messages = record["api"] == "messages"
    try:
        invocation = (MESSAGES if messages else CHAT).decode_request(json.encode(record["req"]))
        body = (record.get("body") or "").encode()
        if messages:
            asked = anthropic_exchange.STREAMED if record["stream"] else anthropic_exchange.WHOLE
            read = anthropic_exchange.events(asked, [body])
        else:
            read = exchange.events(exchange.STREAMED if record["stream"] else exchange.asked(), [body])
    except GatewayError:
        return None
    usage = usage_in(read)
    if usage is None or not usage.input_tokens or not isinstance(invocation, ChatInvocation):
        return None
    start = next(event for event in read if isinstance(event, Start))
    provider = record["provider"]
    target = Target(
        name=f"{provider}/{start.model}",
        provider=provider,
        kind=provider,
        protocol="anthropic" if messages else "openai",
        model=start.model,
        endpoint=Endpoint(base_url=""),
        features=frozenset(),
        prices=ProviderPrices(provider, {}),
    )
    bound = estimate(invocation, [target], DEFAULT, AT_S)
    charge = target.prices.charge(  # type: ignore[union-attr]  # set just now
        Spent(usage=usage, model=start.model, answered=start.model, tier=tier_of(start), at_s=AT_S)
    )
    # What a provider says itself that it charges is not held back for where nobody knows its price.
    unknown = charge is None or (charge.source == "provider" and bound.nano is None)
    cost = None if charge is None or unknown else charge.nano
    return bound, usage.input_tokens, usage.output_tokens or 0, cost, target
