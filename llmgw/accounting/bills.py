"""A provider's bill as CSV against what the ledger says: per day and model, exact in both.

Names of models differ between bills and APIs: both are brought to one form (`model_key`), and who must can name
what a bill calls a model.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple, TypeAlias

By: TypeAlias = Literal["day", "total"]
Column: TypeAlias = Literal["date", "model", "cost", "currency", "input_tokens", "output_tokens"]

LONGEST_FILE: Final = 256 * 1024 * 1024
_HEADER_WITHIN: Final = 40
"""Lines in which the one with the names of the columns must be: some exports begin with a letterhead."""

KNOWN: Final[Mapping[Column, tuple[str, ...]]] = {
    "date": (
        "date", "usage_date_utc", "start_time_iso", "start_time", "lineItem/UsageStartDate",
        "line_item_usage_start_date", "ChargePeriodStart", "usage_start_time", "Usage start date",
    ),
    "model": (
        "model", "model_version", "line_item", "lineItem/UsageType", "line_item_usage_type", "sku_description",
        "sku.description", "SKU description", "ChargeDescription",
    ),
    "cost": (
        "cost_usd", "amount_value", "lineItem/UnblendedCost", "line_item_unblended_cost", "BilledCost", "cost",
        "Unrounded Cost ($)", "Cost ($)",
    ),
    "currency": (
        "currency", "amount_currency", "lineItem/CurrencyCode", "line_item_currency_code", "BillingCurrency",
    ),
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
}  # fmt: skip
"""What the exports of OpenAI, Anthropic, AWS and Google call each column; of several, the first one counts."""

_AMOUNT: Final = re.compile(
    r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,24})?(?:\.[0-9]{0,40})?(?:[eE][-+]?[0-9]{1,2})?", re.ASCII
)
_DIGITS: Final = 15
_DECIMALS: Final = 40
_PRECISION: Final = 120
"""Digits in which amounts are added up: more than the sum of a million of the longest has."""
_DATED: Final = re.compile(r"-(?:20[0-9]{6}|20[0-9]{2}-[0-9]{2}-[0-9]{2}|latest)\Z", re.ASCII)
_OTHER: Final = re.compile(r"[^a-z0-9]+")


class BillError(Exception):
    """A bill cannot be read: `line` counts from 1, `column` is its name, empty where it is the whole line."""

    def __init__(self, line: int, column: str, message: str) -> None:
        super().__init__(f"line {line}{f', column {column}' if column else ''}: {message}")
        self.line = line
        self.column = column


class Billed(NamedTuple):
    """One line of a bill: its day in UTC, what it calls the model, US dollars, and tokens where it says."""

    line: int
    day: str
    name: str
    usd: Decimal
    input_tokens: int = 0
    output_tokens: int = 0


class Charged(NamedTuple):
    """What the ledger has for a model on a day, in nano-USD."""

    day: str
    model: str
    nano: int


class Difference(NamedTuple):
    """What a bill and the ledger say of a model on a day, or of all, in US dollars."""

    day: str
    model: str
    billed: Decimal
    ledger: Decimal
    over: bool

    @property
    def usd(self) -> Decimal:
        """What the bill has more than the ledger."""
        return self.billed - self.ledger

    @property
    def percent(self) -> Decimal | None:
        """The same in percent of the bill; None where that is 0."""
        return self.usd * 100 / self.billed if self.billed else None


class Tolerance(NamedTuple):
    """Up to what a difference is none worth telling: percent of the bill, and US dollars for small sums."""

    percent: Decimal = Decimal("0.5")
    usd: Decimal = Decimal("0.01")

    def exceeded(self, billed: Decimal, ledger: Decimal) -> bool:
        """Whether a difference is larger than both."""
        gap = abs(billed - ledger)
        return gap > self.usd and gap * 100 > self.percent * abs(billed)


def read_bill(text: str, columns: Mapping[Column, str] | None = None) -> list[Billed]:
    """Read a bill; `columns` names those that are not called as in `KNOWN`.

    Raises:
        BillError: it is no such bill; it says where.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    found, places, width = list[Billed](), dict[Column, tuple[int, str]](), 0
    for line, cells in _lines(reader):
        if not places:
            places, width = _places(cells, columns or {}, line), len(cells)
        elif len(cells) != width:
            raise BillError(line, "", f"it has {len(cells)} columns, and the header {width}")
        else:
            found.append(_billed(line, cells, places))
    if not places:
        raise BillError(1, "", "it is empty")
    return found


def model_key(name: str) -> str:
    """The one form of a model's names: `GPT-4o-2024-08-06`, `gpt-4o, input` and `models/gpt-4o` are `gpt-4o`."""
    bare = name.partition(",")[0].rpartition("/")[2].strip().lower()
    return _DATED.sub("", _OTHER.sub("-", _DATED.sub("", bare)).strip("-")) or bare


def compare(
    bill: Iterable[Billed],
    ledger: Iterable[Charged],
    *,
    names: Sequence[tuple[str, str]] = (),
    tolerance: Tolerance | None = None,
    by: By = "day",
) -> list[Difference]:
    """Set a bill against the ledger: per day and model, and all together as the last one, with an empty model.

    `names` are what the bill calls a model, with `*` for anything, and the model's name.
    """
    with localcontext(prec=_PRECISION):
        return _compared(bill, ledger, names, tolerance or Tolerance(), by)


def _compared(
    bill: Iterable[Billed],
    ledger: Iterable[Charged],
    names: Sequence[tuple[str, str]],
    allowed: Tolerance,
    by: By,
) -> list[Difference]:
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for line in bill:
        cell = sums.setdefault((_day(line.day, by), _named(line.name, names)), [Decimal(0), Decimal(0)])
        cell[0] += line.usd
    for each in ledger:
        cell = sums.setdefault((_day(each.day, by), model_key(each.model)), [Decimal(0), Decimal(0)])
        cell[1] += Decimal(each.nano).scaleb(-9)
    found = [
        Difference(day, model, billed, ledger_, allowed.exceeded(billed, ledger_))
        for (day, model), (billed, ledger_) in sorted(sums.items())
    ]
    billed = sum((each.billed for each in found), Decimal(0))
    charged = sum((each.ledger for each in found), Decimal(0))
    return [*found, Difference("", "", billed, charged, allowed.exceeded(billed, charged))]


def _lines(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BillError(reader.line_num, "", str(error)) from None  # type: ignore[attr-defined]  # csv's own
        if any(each.strip() for each in cells):
            yield reader.line_num, cells  # type: ignore[attr-defined]  # csv's own


def _places(cells: Sequence[str], columns: Mapping[Column, str], line: int) -> dict[Column, tuple[int, str]]:
    """Where each column is, and what it is called; empty for a line of the letterhead."""
    titles = {cell.strip().lower(): place for place, cell in reversed(list(enumerate(cells)))}
    found: dict[Column, tuple[int, str]] = {}
    for column, known in KNOWN.items():
        for name in (columns[column],) if column in columns else known:
            place = titles.get(name.strip().lower())
            if place is not None:
                found[column] = (place, cells[place].strip())
                break
    missing = [each for each in ("date", "model", "cost", *columns) if each not in found]
    if not missing:
        return found
    if line < _HEADER_WITHIN:
        return {}
    raise BillError(line, "", f"no line up to here names the columns; missing: {', '.join(missing)}")


def _billed(line: int, cells: Sequence[str], places: Mapping[Column, tuple[int, str]]) -> Billed:
    def cell(column: Column) -> tuple[str, str]:
        place, title = places[column]
        return cells[place].strip(), title

    if "currency" in places:
        currency, title = cell("currency")
        if currency.lower() not in {"usd", ""}:
            raise BillError(line, title, f"{currency[:20]!r} is not USD, which the ledger is kept in")
    date, date_title = cell("date")
    name, name_title = cell("model")
    if not name:
        raise BillError(line, name_title, "it is empty")
    cost, cost_title = cell("cost")
    counts = [
        _count(line, *cell(column)) if column in places else 0 for column in ("input_tokens", "output_tokens")
    ]
    return Billed(line, _utc_day(line, date, date_title), name, _amount(line, cost, cost_title), *counts)


def _amount(line: int, text: str, title: str) -> Decimal:
    bare = text.removeprefix("$")
    if not _AMOUNT.fullmatch(bare) or not any(each.isdigit() for each in bare.lower().partition("e")[0]):
        raise BillError(line, title, f"{text[:40]!r} is no amount of US dollars")
    amount = Decimal(bare.replace(",", ""))
    if amount and (amount.adjusted() >= _DIGITS or -amount.adjusted() > _DECIMALS):
        raise BillError(line, title, f"{text[:40]!r} is no amount of US dollars that anybody bills")
    return amount


def _count(line: int, text: str, title: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BillError(line, title, f"{text[:40]!r} is no number of tokens")
    return int(text)


def _utc_day(line: int, text: str, title: str) -> str:
    try:
        if re.fullmatch(r"[0-9]{9,10}", text, re.ASCII):
            at = datetime.fromtimestamp(int(text), UTC)
        elif re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\Z|[T ])", text, re.ASCII):
            at = datetime.fromisoformat(text.removesuffix(" UTC"))
            at = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
        else:
            raise ValueError
    except (ValueError, OverflowError):
        raise BillError(line, title, f"{text[:40]!r} is no day like 2026-11-27") from None
    return at.strftime("%Y-%m-%d")


def _day(day: str, by: By) -> str:
    return day if by == "day" else ""


def _named(name: str, names: Sequence[tuple[str, str]]) -> str:
    return next((model_key(model) for known, model in names if fnmatchcase(name, known)), model_key(name))
