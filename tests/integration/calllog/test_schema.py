"""`schemas/api/call_event.json`: what programs hold rows against is what the log answers."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator, ValidationError
from llmgw.calllog.columns import CALL_COLUMNS
from llmgw.calllog.event import event_of
from llmgw.calllog.schema import json_schema, json_schema_text
from llmgw.cli import main
from llmgw.types.call import Call
from tests.integration.calllog.asked_log import asked_log, call, everything
from tests.unit.calllog.test_event import finished

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(json_schema())


def test_the_schema_is_the_committed_one() -> None:
    """Whoever changes the columns writes it anew: `llmgw calls schema > schemas/api/call_event.json`."""
    committed = (ROOT / "schemas" / "api" / "call_event.json").read_text()
    assert json_schema_text() == committed
    assert CliRunner().invoke(main, ["calls", "schema"]).output == committed
    Draft202012Validator.check_schema(json_schema())


def test_every_column_is_described() -> None:
    """All of the table's, in its order, and the two that only JSON has."""
    members = json_schema()["properties"]
    assert list(members) == ["ended_at", *CALL_COLUMNS, "cost_usd"]
    assert [name for name, member in members.items() if not member.get("description")] == []


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What a log answers of three calls: one with everything in it, one of which only sums are told, a bare one."""
    hushed = finished()
    hushed.capture = "none"
    bare = Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        parent_span_id=None,
        trace_state="",
        sampled=False,
        started_unix_ns=3_000_000,
        started_ns=0,
    )

    async def answered() -> list[bytes]:
        async with asked_log(tmp_path_factory.mktemp("schema")) as log:
            await log.keep([event_of(finished()), event_of(hushed)])
            log.buffered([event_of(bare), call(9, 5_000_000, cost_nano=-1_500)])
            return (await log.reading.page(everything(), "oldest", 9)).rows

    return [msgspec.json.decode(row) for row in asyncio.run(answered())]


def test_what_the_log_answers_fits(rows: list[Any]) -> None:
    """In segments and in none, whatever is told of a call; another checker says the same, and times are times."""
    assert len(rows) == 4
    other = jsonschema_rs.Draft202012Validator(json_schema())
    for row in rows:
        VALIDATOR.validate(row)
        other.validate(row)
        assert datetime.fromisoformat(row["ended_at"]).timestamp() * 1e6 == pytest.approx(row["ended_us"])


@pytest.mark.parametrize(
    "changed",
    [
        {"ended_us": "1"},
        {"tags": "a"},
        {"tags": ["a"] * 33},
        {"outcome": "well"},
        {"stream": None},
        {"cost_usd": 0.1},
        {"cost_usd": "1e-9"},
        {"capture": "all"},
    ],
    ids=str,
)
def test_what_no_row_can_be_does_not_fit(rows: list[Any], changed: dict[str, Any]) -> None:
    """Other types, too many items, words that are none of ours; and a row with a member less."""
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**rows[0], **changed})
    (name,) = changed
    with pytest.raises(ValidationError):
        VALIDATOR.validate({key: value for key, value in rows[0].items() if key != name})
