"""Providers' bills: read exactly as they are exported, refused by line and column, and compared to the nano-USD."""

import contextlib
import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.accounting.bills import (
    Billed,
    BillError,
    Charged,
    Column,
    Tolerance,
    compare,
    model_key,
    read_bill,
)

OPENAI = (
    "\ufeff"
    """start_time,end_time,start_time_iso,amount_value,amount_currency,quantity,line_item
1790467200,1790553600,2026-09-27T00:00:00+00:00,0.0612345678901,usd,9,"gpt-5-2025-08-07, input"
1790467200,1790553600,2026-09-27T00:00:00+00:00,1.25,usd,9,"gpt-5-2025-08-07, output"
"""
)
ANTHROPIC = """usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd
2026-09-27,Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.05,0.05
"""
AWS = """identity/LineItemId,lineItem/UsageStartDate,lineItem/UsageType,lineItem/UnblendedCost,lineItem/CurrencyCode
x,2026-09-27T23:00:00Z,USE1-Claude4.5Sonnet-input-tokens,1.2E-6,USD
"""
AWS_2 = """line_item_usage_start_date,line_item_usage_type,line_item_unblended_cost,line_item_currency_code
2026-09-27 23:00:00.000,USE1-Claude4.5Sonnet-input-tokens,0.0000012,USD
"""
FOCUS = """BilledCost,BillingCurrency,ChargeDescription,ChargePeriodStart
3.5,USD,Gemini 2.5 Pro Input,2026-09-28T01:00:00+02:00
"""
GOOGLE = """Invoice number,12345
Invoice date,2026-09-30

Currency,USD
Service description,SKU description,Usage start date,Usage end date,Usage amount,Unrounded Cost ($),Cost ($)
Vertex AI,Gemini 2.5 Pro Input,2026-09-27,2026-09-30,"1,000","1,234.501",1234.50
"""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            OPENAI,
            [
                Billed(2, "2026-09-27", "gpt-5-2025-08-07, input", Decimal("0.0612345678901")),
                Billed(3, "2026-09-27", "gpt-5-2025-08-07, output", Decimal("1.25")),
            ],
        ),
        (ANTHROPIC, [Billed(2, "2026-09-27", "Claude Haiku 4.5", Decimal("0.05"))]),
        (AWS, [Billed(2, "2026-09-27", "USE1-Claude4.5Sonnet-input-tokens", Decimal("0.0000012"))]),
        (AWS_2, [Billed(2, "2026-09-27", "USE1-Claude4.5Sonnet-input-tokens", Decimal("0.0000012"))]),
        (FOCUS, [Billed(2, "2026-09-27", "Gemini 2.5 Pro Input", Decimal("3.5"))]),
        (GOOGLE, [Billed(6, "2026-09-27", "Gemini 2.5 Pro Input", Decimal("1234.501"))]),
        (
            "Date,Model,Cost_USD,input_tokens,output_tokens\n2026-01-01,m,-$1,,\n2026-01-02,m,$.5,10,20\n".replace(
                "-$1", "-1"
            ),
            [
                Billed(2, "2026-01-01", "m", Decimal(-1)),
                Billed(3, "2026-01-02", "m", Decimal("0.5"), 10, 20),
            ],
        ),
    ],
)
def test_exports_are_read_as_they_are(text: str, lines: list[Billed]) -> None:
    """The columns of OpenAI's, Anthropic's, AWS's and Google's exports, and of a plain table."""
    assert read_bill(text) == lines


def test_other_columns_can_be_named() -> None:
    """What a bill calls its columns can be said; the names that are known then do not count."""
    text = "Tag,Modell,Betrag,cost\n2026-01-01,m,2,3\n"
    columns: dict[Column, str] = {"date": "Tag", "model": "modell", "cost": "Betrag"}
    assert read_bill(text, columns) == [Billed(2, "2026-01-01", "m", Decimal(2))]
    with pytest.raises(BillError, match="missing: cost"):
        read_bill("date,model,cost\n" * 50, {"cost": "nowhere"})


@pytest.mark.parametrize(
    ("row", "line", "column", "words"),
    [
        ("2026-01-01,m,=1+1,USD", 3, "cost", "'=1\\+1' is no amount"),
        ("2026-01-01,m,,USD", 3, "cost", "'' is no amount"),
        ("2026-01-01,m,1.5.2,USD", 3, "cost", "no amount"),
        ("2026-01-01,m,NaN,USD", 3, "cost", "no amount"),
        ("2026-01-01,m,Infinity,USD", 3, "cost", "no amount"),
        ("2026-01-01,m,e5,USD", 3, "cost", "no amount"),
        ("2026-01-01,m,1e99,USD", 3, "cost", "anybody bills"),
        ("2026-01-01,m,1e-99,USD", 3, "cost", "anybody bills"),
        ('2026-01-01,m,"1,23",USD', 3, "cost", "no amount"),
        ("2026-01-01,m,1,EUR", 3, "currency", "'EUR' is not USD"),
        ("01/02/2026,m,1,USD", 3, "date", "no day"),
        ("2026-02-30,m,1,USD", 3, "date", "no day"),
        ("2026-01-01Tx,m,1,USD", 3, "date", "no day"),
        ("9999999999999,m,1,USD", 3, "date", "no day"),
        ("2026-01-01,,1,USD", 3, "model", "empty"),
        ("2026-01-01,m,1", 3, "", "3 columns, and the header 4"),
        ('2026-01-01,m,1,"USD', 3, "", "unexpected end"),
    ],
)
def test_what_cannot_be_read_is_told_by_line_and_column(row: str, line: int, column: str, words: str) -> None:
    """A wrong cell names where it is, and nothing is guessed."""
    with pytest.raises(BillError, match=words) as refused:
        read_bill(f"date,model,cost,currency\n2026-01-01,m,1,usd\n{row}")
    assert (refused.value.line, refused.value.column) == (line, column)


@pytest.mark.parametrize(("text", "words"), [("", "empty"), ("\n\n", "empty"), ("a,b\n1,2\n", "empty")])
def test_a_file_that_is_no_bill_is_refused(text: str, words: str) -> None:
    """Without a line that names its columns nothing is read."""
    with pytest.raises(BillError, match=words):
        read_bill(text)


def test_tokens_that_are_none_are_told() -> None:
    """A column of tokens has whole numbers."""
    with pytest.raises(BillError, match="line 2, column input_tokens"):
        read_bill("date,model,cost,input_tokens\n2026-01-01,m,1,1.5\n")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("GPT-4o, cached input", "gpt-4o"),
        ("Claude Haiku 4.5", "claude-haiku-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet"),
        ("models/gemini-2.5-pro", "gemini-2-5-pro"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
        ("模型", "模型"),
    ],
)
def test_models_have_one_form(name: str, key: str) -> None:
    """Names of bills and of APIs that mean one model become one."""
    assert model_key(name) == key


def test_differences_are_told_by_day_and_model() -> None:
    """Sums per day and model, what one side has alone, and all together; what is over both bounds is flagged."""
    bill = read_bill(OPENAI)
    ledger = [
        Charged("2026-09-27", "gpt-5", 61_234_568),
        Charged("2026-09-27", "gpt-5-2025-08-07", 1_250_000_000),
        Charged("2026-09-28", "gpt-5", 30_000_000),
    ]
    first, second, all_ = compare(bill, ledger)
    assert (first.day, first.model, first.over) == ("2026-09-27", "gpt-5", False)
    assert first.usd == Decimal("-0.0000000001099")
    assert (second.day, str(second.billed), str(second.ledger)) == ("2026-09-28", "0", "0.030000000")
    assert second.percent is None
    assert second.over
    assert all_.over
    assert all_.ledger == Decimal("1.341234568")
    (whole, _) = compare(bill, ledger, by="total")
    assert (whole.day, whole.over) == ("", True)
    assert not any(
        each.over for each in compare(bill, ledger, tolerance=Tolerance(Decimal(3), Decimal("0.03")))
    )


def test_a_bills_own_names_can_be_told() -> None:
    """Usage types that name no model of the API are matched by patterns, of which the first one counts."""
    names = (("*Claude4.5Sonnet*", "claude-sonnet-4-5"), ("*", "other"))
    (one, _) = compare(
        read_bill(AWS), [Charged("2026-09-27", "claude-sonnet-4-5-20250929", 1200)], names=names
    )
    assert (one.model, one.usd, one.over) == ("claude-sonnet-4-5", Decimal(0), False)


@given(st.lists(st.decimals(min_value=-1000, max_value=1000, places=12), min_size=1, max_size=30))
def test_amounts_are_exact(amounts: list[Decimal]) -> None:
    """Any amounts with twelve decimals add up to their exact sum, in any program's way of quoting them."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["date", "model", "cost_usd"])
    writer.writerows(["2026-01-01", "m", f"{each:f}"] for each in amounts)
    total = compare(read_bill(out.getvalue()), ())[-1]
    assert total.billed == sum(amounts, Decimal(0))


@given(st.text(max_size=200))
def test_any_text_is_a_bill_or_refused(text: str) -> None:
    """No text makes anything but lines or a refusal."""
    lines = list[Billed]()
    with contextlib.suppress(BillError):
        lines = read_bill("date,model,cost\n" + text)
    assert all(each.usd.is_finite() and each.line > 1 for each in lines)
