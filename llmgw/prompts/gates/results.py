"""What an evaluation came to, as it is stored beside the content's hash and told to its caller."""

from msgspec import Struct

from llmgw.prompts.gates.comparison import Comparison
from llmgw.types.prompt import GateSummary, Verdict


class CaseResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one case; `failures` say which assertions it fails, or why there is no answer."""

    name: str
    ok: bool
    failures: tuple[str, ...] = ()
    output: str = ""
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class GateResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an evaluation of one content came to; `dataset` is the SHA-256 of its cases, `model` who answered."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    version: int
    hash: str
    cases: int
    passed: int
    dataset: str
    dataset_name: str = ""
    model: str = ""
    at_ms: int
    by: str = ""
    cost: float | None = None
    comparison: Comparison | None = None
    results: tuple[CaseResult, ...] = ()

    @property
    def summary(self) -> GateSummary:
        """The result without its cases, as it stands in the version's entry."""
        return GateSummary(
            verdict=self.verdict,
            cases=self.cases,
            passed=self.passed,
            dataset=self.dataset,
            at_ms=self.at_ms,
            reasons=self.reasons,
        )
