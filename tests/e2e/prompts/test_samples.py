"""The samples as they are served: simulated vendors of three protocols answer every case as the schema asks."""

import pytest
from llmgw.prompts.files import parse
from llmgw.prompts.gates.dataset import read_lines
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.prompts.samples import sample, sample_names
from msgspec.structs import replace
from tests.e2e.contexts.desk import MODELS, Desk
from tests.e2e.prompts.publisher import Publisher


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", sample_names())
def test_every_case_is_answered_with_what_fits(
    desk: Desk, publisher: Publisher, name: str, model: str
) -> None:
    """At the first attempt: as a completion, where nothing is repaired, and as an API."""
    content = parse(sample(name).prompt).content
    assert content.api is not None
    slug = f"{name}-{model.partition('/')[0]}"
    prompt = compile_prompt(replace(content, model=model, api=replace(content.api, slug=slug)))
    publisher.publish(slug, prompt.content)
    for case in read_lines(sample(name).dataset).cases:
        answer = desk.ask("POST", f"/prompts/{slug}/completions", {"variables": case.vars})
        assert answer.status == 200, answer.body
        said = answer.json()["choices"][0]["message"]["content"]
        assert prompt.check_output(said)[1] == (), (case.name, said)
    for example in content.api.examples:
        answer = desk.ask("POST", f"/apis/{slug}", example.input)
        assert answer.status == 200, answer.body
        assert prompt.check_output(answer.body.decode())[1] == ()
