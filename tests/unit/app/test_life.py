"""What a worker does every minute of its life."""

from llmgw.app.life import forget_lately
from llmgw.gateway.preamble import preamble_of
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.providers.openai.places import place_of
from llmgw.types.prompt import PromptContent, TemplateMessage
from tests.contract.exchange import target


def test_words_of_callers_and_keys_of_targets_are_soon_forgotten() -> None:
    """What is remembered of the last calls is made anew after a minute, whoever came meanwhile."""
    version = compile_prompt(PromptContent(messages=(TemplateMessage(role="user", text="Hi {{ name }}!"),)))
    asked = target()
    rendered, place = version.render({"name": "Ada"}), place_of(asked)
    preamble = preamble_of(rendered.before)
    assert version.render({"name": "Ada"}) is rendered
    assert (preamble_of(rendered.before), place_of(asked)) == (preamble, place)
    forget_lately()
    assert version.render({"name": "Ada"}) is not rendered
    assert preamble_of(rendered.before) is not preamble
    assert place_of(asked) is not place
