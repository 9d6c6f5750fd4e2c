"""What the lint of prompts must know of the models that answer: asked of the configuration at work."""

from llmgw.accounting.tokens import TokenCounter
from llmgw.prompts.gates.lint import Models
from llmgw.routing.catalog import Catalog
from llmgw.types.errors import ModelNotFound


def models_of(catalog: Catalog, counter: TokenCounter) -> Models:
    """Tell of a configuration's models; counting takes a while, off the event loop."""

    def known(model: str) -> bool:
        try:
            catalog.resolve(model)
        except ModelNotFound:
            return False
        return True

    def window(model: str) -> int | None:
        windows = (each.target.window for each in catalog.resolve(model).targets)
        return min((tokens for tokens in windows if tokens is not None), default=None)

    def tokens(model: str, text: str) -> int:
        return counter.text(text, catalog.resolve(model).targets[0].target.model)

    return Models(known=known, window=window, tokens=tokens)
