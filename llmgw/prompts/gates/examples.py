"""Whether what a content shows and tries fits its own schemas: the API's examples, and the cases beside it."""

from collections.abc import Iterator

from llmgw.prompts.gates.dataset import read_cases
from llmgw.prompts.gates.findings import Finding, error, warning
from llmgw.types.json import Json
from llmgw.types.prompt import PromptContent
from llmgw.types.prompt_errors import InvalidPrompt
from llmgw.types.violation import pointer_to
from llmgw.user_schemas import CompiledSchema


def api_findings(
    content: PromptContent, inputs: CompiledSchema | None, outputs: CompiledSchema | None
) -> Iterator[Finding]:
    """Find what callers of the content's API would be told wrongly, or not at all."""
    api = content.api
    if api is None:
        return
    if content.partial is not None:
        yield error("api", "/api", "a partial is for others to include and cannot be an API")
    if content.input_schema is None:
        yield warning("api", "/api", "without an input schema the API takes any body")
    if content.output_schema is None:
        yield warning("api", "/api", "without an output schema callers get free text")
    if api.repair and content.output_schema is None:
        yield error("api", "/api/repair", "there is no output schema to which an answer could be repaired")
    for number, example in enumerate(api.examples):
        at = pointer_to("api", "examples", number)
        yield from _misfits("api", inputs, example.input, f"{at}/input")
        if example.output is not None:
            yield from _misfits("api", outputs, example.output, f"{at}/output")


def case_findings(content: PromptContent, inputs: CompiledSchema | None) -> Iterator[Finding]:
    """Find cases that are none, or whose variables do not fit the input schema."""
    tests = content.tests
    if tests is None:
        return
    within = "/tests/cases"
    try:
        cases = read_cases(tests.cases, within=within).cases
    except InvalidPrompt as refused:
        for each in refused.violations:
            yield error("case", each.pointer, each.message)
        if not refused.violations:
            yield error("case", within, refused.message)
        return
    for number, case in enumerate(cases):
        yield from _misfits("case", inputs, case.vars, f"{within}/{number}/vars")


def _misfits(rule: str, schema: CompiledSchema | None, value: Json, at: str) -> Iterator[Finding]:
    if schema is None:
        return
    for each in schema.violations(value):
        yield error(rule, at + each.pointer, each.message)
