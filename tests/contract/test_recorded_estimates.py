"""What providers said recorded calls used and cost is never above what would have been held back for them.

The folder of recordings is `../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any, Final

import pytest
from llmgw.accounting.calibration import Calibration
from llmgw.accounting.estimate import Estimate, estimate
from llmgw.accounting.prices.book import ProviderPrices
from llmgw.gateway.charging import tier_of
from llmgw.types.money import Spent
from llmgw.types.target import Endpoint, Target
from tests.contract.recorded_calls import RecordedCall, recorded_calls
from tests.contract.recordings import FOLDER

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

AT_S: Final = 1_795_800_000
"""When all of them are taken to have been asked: 2026-11-27."""
DEFAULT: Final = 64_000


def test_recorded_usage_is_within_the_bounds(tell: Callable[[str], None]) -> None:
    """Input, output and cost, for each record whose request and usage are at hand."""
    seen = Counter[str]()
    over: list[tuple[Any, ...]] = []
    share: list[float] = []
    for call in recorded_calls():
        bound, cost = _held(call)
        taken, given = call.usage.input_tokens or 0, call.usage.output_tokens or 0
        seen[call.record["provider"]] += 1
        if taken > bound.input_tokens or given > bound.output_tokens:
            over.append((call.record["id"], taken, given, bound))
        elif cost is not None and (bound.nano is None or cost > bound.nano):
            over.append((call.record["id"], cost, bound))
        share.append(bound.input_tokens / taken)
    tell(
        f"bounds of {sum(seen.values())} recorded calls: {dict(seen)}; held back for input "
        f"{median(share):.1f} times what was used, in the middle of all"
    )
    assert not over
    assert sum(seen.values()) > 2_000


def test_calibration_learns_from_recorded_calls(tell: Callable[[str], None]) -> None:
    """The models asked most often are known well enough to plan with."""
    calibration = Calibration()
    for call in recorded_calls():
        name = f"{call.record['provider']}/{call.invocation.model}"
        calibration.learn_from(name, call.invocation, call.usage.input_tokens)
    known = {name: learned for name, learned in calibration.all() if learned.samples >= 5}
    errors = [learned.error or 0.0 for learned in known.values()]
    told = ", ".join(f"{name} {learned.error_pct} %" for name, learned in known.items())
    tell(f"mean errors of what was learned: {told}")
    assert len(known) >= 8
    assert median(errors) < 0.25
    assert max(errors) < 1


def _held(call: RecordedCall) -> tuple[Estimate, int | None]:
    """What would have been held back, and what was charged, where that is known beforehand."""
    provider, model = call.record["provider"], call.start.model
    prices = ProviderPrices(provider, {})
    target = Target(
        name=f"{provider}/{model}",
        provider=provider,
        kind=provider,
        protocol="anthropic" if call.anthropic else "openai",
        model=model,
        endpoint=Endpoint(base_url=""),
        features=frozenset(),
        prices=prices,
    )
    bound = estimate(call.invocation, [target], DEFAULT, AT_S)
    spent = Spent(usage=call.usage, model=model, answered=model, tier=tier_of(call.start), at_s=AT_S)
    charge = prices.charge(spent)
    # What a provider says itself that it charges is not held back for where nobody knows its price.
    unknown = charge is None or (charge.source == "provider" and bound.nano is None)
    return bound, None if charge is None or unknown else charge.nano
