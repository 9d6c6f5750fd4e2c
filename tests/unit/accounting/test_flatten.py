"""Making the catalogue: the package's data is read as syntax, exactly, and never run."""

import zipfile
from pathlib import Path

import msgspec
import pytest
from llmgw.accounting.prices.catalogue import PROVIDERS, Catalogue
from llmgw.accounting.prices.flatten import flatten

HEAD = """
raise SystemExit("was run")
providers: list[Provider] = [
"""
BARE = "Provider(id={id!r}, name='x', models=[]),"
FULL = """Provider(
    id='openai',
    name='OpenAI',
    fallback_model_providers=['extra'],
    models=[
        ModelInfo(
            id='gpt-x',
            match=ClauseOr(or_=[ClauseEquals(equals='gpt-x'), ClauseAnd(and_=[
                ClauseStartsWith(starts_with='GPT-x-'), ClauseRegex(regex='\\\\d$'),
            ])]),
            prices=[
                ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('2'), output_mtok=Decimal('8E-1'))),
                ConditionalPrice(
                    constraint=StartDateConstraint(start_date=datetime.date(2026, 10, 19)),
                    prices=ModelPrice(input_mtok=TieredPrices(
                        base=Decimal('0.1'), tiers=[Tier(start=200000, price=Decimal('0.000000000000000001'))]
                    )),
                ),
                ConditionalPrice(
                    constraint=TimeOfDateConstraint(
                        start_time=datetime.time(16, 30, tzinfo=datetime.UTC),
                        end_time=datetime.time(1, 0, tzinfo=datetime.UTC),
                    ),
                    prices=ModelPrice(input_mtok=Decimal('1')),
                ),
            ],
            price_variants=[
                PriceVariant(
                    when={'processing': 'batch'}, prices=ModelPrice(input_mtok=Decimal('1')), constraint=None
                )
            ],
        ),
    ],
),"""


def wheel(folder: Path, *providers: str) -> Path:
    """A wheel with these providers, and bare ones for all others that are wanted."""
    bare = [BARE.format(id=name) for name in sorted({*PROVIDERS.values(), "extra"} - {"openai"})]
    path = folder / "genai_prices-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("genai_prices/data.py", "\n".join((HEAD, *bare, *providers, "]")))
        packed.writestr("genai_prices-9.9.9.dist-info/licenses/LICENSE", "MIT")
    return path


def test_all_forms_of_prices_are_kept(tmp_path: Path) -> None:
    """Clauses, dates, times of the day, steps, variants and fallbacks come through, to the last decimal."""
    flat, licence = flatten(wheel(tmp_path, FULL))
    catalogue = msgspec.convert(flat, Catalogue)
    assert (licence, catalogue.version) == (b"MIT", "9.9.9")
    assert catalogue.providers["openai"].fallback == ("extra",)
    assert "extra" in catalogue.providers
    entry = catalogue.find("openai", "gpt-x")
    assert entry is not None
    assert catalogue.find("openai", "gpt-X-7") == entry
    assert catalogue.find("openai", "gpt-x-y") is None
    first, dated, nightly = entry.periods
    assert first.prices == {"input_mtok": "2", "output_mtok": "0.8"}
    assert dated.start == 1_792_368_000
    assert dated.prices == {"input_mtok": ("0.1", ((200_000, "1E-18"),))}
    assert nightly.between == (16 * 3600 + 1800, 3600)
    (variant,) = entry.variants
    assert variant.when == {"processing": "batch"}


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    """Rather than be read as a price it is not."""
    local = FULL.replace("datetime.time(1, 0, tzinfo=datetime.UTC)", "datetime.time(1, 0)")
    with pytest.raises(ValueError, match="not in UTC"):
        flatten(wheel(tmp_path, local))
    with pytest.raises(KeyError, match="ClauseGuess"):
        flatten(wheel(tmp_path, FULL.replace("ClauseEquals(", "ClauseGuess(")))
