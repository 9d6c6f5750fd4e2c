"""What the models of a configured provider cost: the file's prices before the published ones."""

from llmgw.accounting.prices.book import ProviderPrices
from llmgw.providers.registry import ROWS
from llmgw.settings.model import Settings


def provider_prices(name: str, settings: Settings) -> ProviderPrices:
    """Join a provider's own prices with what its registry row says of it."""
    row = ROWS[settings.providers[name].kind]
    own = {
        model: prices
        for entry, prices in settings.prices.models.items()
        for provider, _, model in (entry.partition("/"),)
        if provider == name
    }
    return ProviderPrices(row.name, own, free=row.free, unknown=settings.prices.unknown)
