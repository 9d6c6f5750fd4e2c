"""From providers and aliases, as they are configured, to what may be called."""

from llmgw.providers.registry import ROWS
from llmgw.routing.catalog import Alias, Catalog, ProviderTemplate, WeightedTarget
from llmgw.settings.model import Provider, Settings
from llmgw.settings.prices import provider_prices
from llmgw.types.target import Endpoint


def build_catalog(settings: Settings) -> Catalog:
    """Join registry rows, providers and aliases into targets, once."""
    templates = provider_templates(settings)
    aliases = [
        Alias(
            name=name,
            strategy=alias.strategy,
            targets=tuple(
                WeightedTarget(target=templates[entry.provider].target(entry.model), weight=entry.weight)
                for entry in alias.targets
            ),
            policy=alias.context,
        )
        for name, alias in settings.aliases.items()
    ]
    return Catalog(templates.values(), aliases)


def provider_templates(settings: Settings) -> dict[str, ProviderTemplate]:
    """Join each configured provider with its registry row."""
    return {name: _template(name, provider, settings) for name, provider in settings.providers.items()}


def _template(name: str, provider: Provider, settings: Settings) -> ProviderTemplate:
    row = ROWS[provider.kind]
    return ProviderTemplate(
        name=name,
        kind=provider.kind,
        protocol=row.protocol,
        endpoint=Endpoint(
            base_url=provider.base_url or row.base_url,
            api_key=provider.api_key or None,
            auth=provider.auth or row.auth,
            headers=tuple((header, value.reveal()) for header, value in provider.headers.items()),
            query=tuple(provider.query.items()),
        ),
        features=row.features.union(provider.features.add).difference(provider.features.remove),
        quirks=row.quirks,
        timeouts=provider.timeouts,
        windows=provider.windows,
        max_concurrency=provider.max_concurrency,
        prices=provider_prices(name, settings),
    )
