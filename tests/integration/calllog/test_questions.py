"""Prepared questions: their figures against the same sums made here, and the story that the page tells."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from llmgw.calllog.questions import QUESTIONS
from llmgw.cli import main
from tests.integration.calllog.asked_log import DAY_US, TUESDAY_US, call
from tests.integration.calllog.served_log import ServedLog, served_log

PAGE = Path(__file__).parents[3] / "docs" / "calls.md"
SLOW = "anthropic/claude-sonnet-5"
DAY = "?from=2026-11-24&to=2026-11-25"


def _sample(number: int, day: int) -> Any:
    """A call of one of two Tuesdays: on the second, one target takes three times as long."""
    later, slow = day == 0, number % 4 == 0
    failed = later and slow and number % 8 == 0
    return call(
        number,
        TUESDAY_US - day * 7 * DAY_US + number * 300_000_000,
        tenant="acme" if number % 3 else "globex",
        alias="smart" if number % 2 else "fast",
        target=SLOW if slow else "openai/gpt-5",
        provider="anthropic" if slow else "openai",
        prompt="triage@8" if later else "triage@7",
        duration_us=(3_000_000 if later else 1_000_000) if slow else 800_000,
        first_content_us=200_000,
        cost_nano=1_000_000 * (1 + number % 5),
        input_tokens=100 + number,
        output_tokens=10,
        cache_read_tokens=number % 7,
        status=502 if failed else 200,
        error="upstream_error" if failed else "",
        outcome="failed" if failed else "ok",
        context="ctx_1",
        turns=1 + number % 40,
        verdict="lost" if failed else "preserved",
        provider_before="openai",
        score=0.5 if failed else 1.0,
    )


CALLS = [_sample(number, day) for day in (0, 1) for number in range(240)]
TODAY = CALLS[:240]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedLog]:
    """Two Tuesdays, the last calls of the second one in no segment yet."""
    with served_log(tmp_path_factory.mktemp("asked")) as log:
        log.keep([*CALLS[:200], *CALLS[240:]], CALLS[200:240])
        yield log


def asked(served: ServedLog, name: str, query: str = DAY) -> tuple[list[dict[str, Any]], str]:
    """The rows of an answer by their columns, and its sentence."""
    answer = served.ask(f"/admin/v1/calls/questions/{name}{query}")
    assert answer.status == 200, answer.body
    told = answer.json()
    return [dict(zip([c["name"] for c in told["columns"]], row, strict=True)) for row in told["rows"]], told[
        "sentence"
    ]


def test_percentiles_are_those_of_the_calls(served: ServedLog) -> None:
    """To the millisecond, with the largest value that so many calls do not exceed."""
    rows, _ = asked(served, "latency", f"{DAY}&by=tenant")
    assert len(rows) == 2
    for row in rows:
        took = sorted(each.duration_us // 1000 for each in TODAY if each.tenant == row["name"])
        expected = [took[math.ceil(share * len(took)) - 1] for share in (0.5, 0.9, 0.99)]
        assert [row["calls"], row["p50_ms"], row["p90_ms"], row["p99_ms"]] == [len(took), *expected]
        assert row["first_p99_ms"] == 200


def test_sums_are_those_of_the_calls(served: ServedLog) -> None:
    """Cost, errors, cache reads, volume and losses add up."""
    cost, _ = asked(served, "cost", f"{DAY}&by=alias")
    assert sum(row["cost_usd"] for row in cost) == pytest.approx(sum(each.cost_nano for each in TODAY) / 1e9)
    errors, said = asked(served, "errors", f"{DAY}&by=target")
    assert [(row["name"], row["calls"]) for row in errors if row["error"]] == [(SLOW, 30)]
    assert said.startswith("12% of calls ended in an error")
    cache, _ = asked(served, "cache")
    assert sum(row["cache_read_tokens"] for row in cache) == sum(each.cache_read_tokens for each in TODAY)
    volume, _ = asked(served, "volume", "?from=2026-11-01&period=day")
    assert [row["calls"] for row in volume] == [240, 240]
    loss, _ = asked(served, "context-loss")
    assert (loss[0]["before"], loss[0]["after"], loss[0]["lost"]) == ("openai", "anthropic", 30)
    slowest, _ = asked(served, "slowest", f"{DAY}&limit=3")
    assert [row["duration_ms"] for row in slowest] == [3000, 3000, 3000]
    growth, _ = asked(served, "turn-growth")
    assert [row["turns"] for row in growth] == ["1-2", "3-5", "6-10", "11-20", "21-50"]


@pytest.mark.parametrize("measure", ["cost", "calls", "tokens", "errors", "latency", "output"])
def test_the_parts_of_a_change_add_up_to_it(served: ServedLog, measure: str) -> None:
    """All values of each dimension together, for sums and for means."""
    rows, _ = asked(served, "change", f"{DAY}&measure={measure}&limit=1000")
    whole = rows[0]
    for dimension in {row["dimension"] for row in rows[1:]}:
        parts = [row["contribution"] for row in rows[1:] if row["dimension"] == dimension]
        assert sum(parts) == pytest.approx(whole["contribution"], abs=1e-6), dimension


def test_a_change_is_explained_by_what_changed(served: ServedLog) -> None:
    """Not by what is large, and not by a new version that took an old one's place."""
    for measure in ("latency", "errors"):
        rows, _ = asked(served, "change", f"{DAY}&measure={measure}")
        assert (rows[1]["dimension"], rows[1]["name"]) == ("target", SLOW)
        assert rows[1]["share"] == pytest.approx(1.0)


def test_a_question_may_look_at_a_part(served: ServedLog) -> None:
    """Only calls of one target, of one tenant."""
    rows, _ = asked(served, "volume", f"{DAY}&target={SLOW}&tenant=globex")
    assert [row["calls"] for row in rows] == [
        sum(each.target == SLOW and each.tenant == "globex" for each in TODAY)
    ]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_about_nothing_is_answered(served: ServedLog, name: str) -> None:
    """A time without calls: few rows or none, and a sentence that says so."""
    rows, sentence = asked(served, name, "?from=2020-01-01&to=2020-01-02")
    assert (rows, bool(sentence)) == ([], True)


def test_the_page_s_story_comes_out_as_it_tells_it(served: ServedLog) -> None:
    """Each command of the story in docs/calls.md prints the sentence that stands under it."""
    story = PAGE.read_text(encoding="utf-8").partition("## What changed on Tuesday?")[2].partition("\n## ")[0]
    blocks = [block.partition("\n```")[0] for block in story.split("```console\n")[1:]]
    assert len(blocks) >= 3
    environ = {"LLMGW_URL": served.url, "LLMGW_KEY": "sk-test", "LLMGW_CONFIG": "", "COLUMNS": "160"}
    for block in blocks:
        command, *expected = block.splitlines()
        assert command.startswith("$ llmgw ")
        arguments = [each.strip("'") for each in command.removeprefix("$ llmgw ").split()]
        printed = CliRunner().invoke(main, arguments, env=environ).stdout
        assert printed.splitlines()[0] == expected[0], json.dumps(printed)
