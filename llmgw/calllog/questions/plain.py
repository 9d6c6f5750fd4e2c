"""Questions that are one sum: latency, errors, cost, tokens, losses, slow calls, cache reads, volume."""

from collections.abc import Sequence
from typing import Final

from llmgw.calllog.questions.question import (
    BY,
    Choice,
    Chosen,
    Column,
    Question,
    Row,
    by,
    limit,
    percent,
    shown,
)

_USD: Final = 1e9
_FAILED: Final = "error <> ''"


def _grouped(chosen: Chosen) -> str:
    return BY[chosen.words["by"]]


def _latency(chosen: Chosen) -> str:
    # Counted by the millisecond, which takes little memory whatever the number of calls.
    return f""", counted AS (
        SELECT name, took, first, grouping(took) AS by_first, count(*) AS n FROM (
            SELECT {_grouped(chosen)} AS name, duration_us // 1000 AS took, first_content_us // 1000 AS first
            FROM calls WHERE {chosen.where})
        GROUP BY GROUPING SETS ((name, took), (name, first))),
        summed AS (
        SELECT *, coalesce(took, first) AS ms,
            sum(n) OVER (PARTITION BY name, by_first ORDER BY coalesce(took, first)) AS up_to,
            sum(n) OVER (PARTITION BY name, by_first) AS calls
        FROM counted WHERE coalesce(took, first) IS NOT NULL)
        SELECT name, max(calls) FILTER (WHERE by_first = 0)::BIGINT AS calls,
        {_quantile(0, 0.5)} AS p50_ms, {_quantile(0, 0.9)} AS p90_ms, {_quantile(0, 0.99)} AS p99_ms,
        max(ms) FILTER (WHERE by_first = 0) AS max_ms,
        {_quantile(1, 0.5)} AS first_p50_ms, {_quantile(1, 0.99)} AS first_p99_ms
        FROM summed GROUP BY name ORDER BY p99_ms DESC, name
        LIMIT {chosen.numbers["limit"]}"""  # noqa: S608  # words are ours


def _quantile(by_first: int, share: float) -> str:
    return f"min(ms) FILTER (WHERE by_first = {by_first} AND up_to >= {share} * calls)"


def _tell_latency(rows: Sequence[Row], chosen: Chosen) -> str:
    if not rows:
        return "There were no calls in that time."
    worst = rows[0]
    return (
        f"The slowest {chosen.words['by']} is {shown(worst['name'])}: 1 in 100 of its {worst['calls']:,} calls "
        f"took {worst['p99_ms']:,.0f} ms or more, half of them {worst['p50_ms']:,.0f} ms or more."
    )


def _errors(chosen: Chosen) -> str:
    return f"""SELECT {_grouped(chosen)} AS name, error, status, count(*) AS calls,
        count(*) / sum(count(*)) OVER () AS share
        FROM calls WHERE {chosen.where} GROUP BY 1, 2, 3 ORDER BY if(error = '', 1, 0), calls DESC, name, status
        LIMIT {chosen.numbers["limit"]}"""  # noqa: S608  # words are ours


def _tell_errors(rows: Sequence[Row], chosen: Chosen) -> str:
    failed = [each for each in rows if each["error"]]
    if not rows:
        return "There were no calls in that time."
    if not failed:
        return "No call failed or was refused in that time."
    first, total = failed[0], sum(each["share"] for each in failed)
    return (
        f"{percent(total)} of calls ended in an error; most often {first['error']} ({first['calls']:,} calls"
        f" of {chosen.words['by']} {shown(first['name'])})."
    )


def _cost(chosen: Chosen) -> str:
    return f"""SELECT {_grouped(chosen)} AS name, count(*) AS calls, sum(cost_nano) / {_USD} AS cost_usd,
        sum(cost_nano) / sum(sum(cost_nano)) OVER () AS share,
        avg(cost_nano) / {_USD} AS per_call_usd, sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens, count(*) FILTER (WHERE cost_nano IS NULL) AS unpriced
        FROM calls WHERE {chosen.where} GROUP BY 1 ORDER BY cost_usd DESC NULLS LAST, name
        LIMIT {chosen.numbers["limit"]}"""  # noqa: S608  # words are ours


def _tell_cost(rows: Sequence[Row], chosen: Chosen) -> str:
    first = rows[0] if rows else None
    if first is None or not first["cost_usd"]:
        return "Nothing of a known price was spent in that time."
    return (
        f"The dearest {chosen.words['by']} is {shown(first['name'])}: {first['cost_usd']:,.2f} USD, "
        f"{percent(first['share'])} of all, in {first['calls']:,} calls."
    )


_TURNS: Final = """CASE WHEN turns <= 2 THEN '1-2' WHEN turns <= 5 THEN '3-5' WHEN turns <= 10 THEN '6-10'
        WHEN turns <= 20 THEN '11-20' WHEN turns <= 50 THEN '21-50' ELSE '51+' END"""


def _growth(chosen: Chosen) -> str:
    return f"""SELECT {_TURNS} AS turns, count(*) AS calls, avg(turns) AS mean_turns,
        avg(input_tokens) AS input_tokens,
        sum(input_tokens) / nullif(sum(turns), 0) AS tokens_per_turn, avg(output_tokens) AS output_tokens,
        avg(cost_nano) / {_USD} AS per_call_usd
        FROM calls WHERE {chosen.where} AND turns > 0 AND input_tokens IS NOT NULL
        GROUP BY 1 ORDER BY min(calls.turns)"""  # noqa: S608  # words are ours


def _tell_growth(rows: Sequence[Row], _chosen: Chosen) -> str:
    if len(rows) < 2:
        return "There are too few conversations of different lengths in that time to compare."
    first, last = rows[0], rows[-1]
    more = last["mean_turns"] - first["mean_turns"]
    each = (last["input_tokens"] - first["input_tokens"]) / more if more > 0 else 0
    return (
        f"A call in a conversation of {last['turns']} turns is sent {last['input_tokens']:,.0f} tokens, one of "
        f"{first['turns']} turns {first['input_tokens']:,.0f}: about {each:,.0f} tokens more with each turn."
    )


def _loss(chosen: Chosen) -> str:
    return f"""SELECT provider_before AS before, provider AS after, count(*) AS calls,
        count(*) FILTER (WHERE verdict = 'lost') AS lost, count(*) FILTER (WHERE verdict = 'degraded') AS degraded,
        count(*) FILTER (WHERE verdict IN ('lost', 'degraded')) / count(*) AS share, avg(score) AS score
        FROM calls WHERE {chosen.where} AND verdict <> ''
        GROUP BY 1, 2 ORDER BY lost DESC, share DESC, before, after LIMIT {chosen.numbers["limit"]}"""  # noqa: S608  # words are ours


def _tell_loss(rows: Sequence[Row], _chosen: Chosen) -> str:
    worst = next((each for each in rows if each["lost"] or each["degraded"]), None)
    if worst is None:
        return "No call with a stored conversation lost any of it in that time."
    return (
        f"Most was lost from {shown(worst['before'])} to {shown(worst['after'])}: {worst['lost']:,} of "
        f"{worst['calls']:,} calls lost context, {worst['degraded']:,} were told it otherwise."
    )


def _slowest(chosen: Chosen) -> str:
    return f"""SELECT id, strftime(make_timestamp(ended_us), '%Y-%m-%dT%H:%M:%S.%fZ') AS ended_at, tenant, alias,
        target,
        duration_us / 1000 AS duration_ms, first_content_us / 1000 AS first_content_ms,
        overhead_us / 1000 AS overhead_ms, output_tokens, status, error
        FROM calls WHERE {chosen.where} ORDER BY duration_us DESC, id LIMIT {chosen.numbers["limit"]}"""  # noqa: S608  # words are ours


def _tell_slowest(rows: Sequence[Row], _chosen: Chosen) -> str:
    if not rows:
        return "There were no calls in that time."
    first = rows[0]
    return f"The slowest call is {first['id']}: {first['duration_ms']:,.0f} ms at {shown(first['target'])}."


def _cache(chosen: Chosen) -> str:
    return f"""SELECT {_grouped(chosen)} AS name, count(*) AS calls, sum(input_tokens)::BIGINT AS input_tokens,
        sum(cache_read_tokens)::BIGINT AS cache_read_tokens, sum(cache_write_tokens)::BIGINT AS cache_write_tokens,
        sum(cache_read_tokens) / nullif(sum(input_tokens), 0) AS share
        FROM calls WHERE {chosen.where} AND input_tokens > 0 GROUP BY 1
        ORDER BY input_tokens DESC, name LIMIT {chosen.numbers["limit"]}"""  # noqa: S608  # words are ours


def _tell_cache(rows: Sequence[Row], chosen: Chosen) -> str:
    whole = sum(each["input_tokens"] or 0 for each in rows)
    if not whole:
        return "No tokens were sent in that time."
    read = sum(each["cache_read_tokens"] or 0 for each in rows)
    least = min(rows, key=lambda each: each["share"] or 0.0)
    return (
        f"{percent(read / whole)} of the tokens sent were read from a provider's cache; least at "
        f"{chosen.words['by']} {shown(least['name'])}, {percent(least['share'] or 0.0)}."
    )


_PERIODS: Final = {"hour": 3_600_000_000, "day": 86_400_000_000}


def _volume(chosen: Chosen) -> str:
    period = _PERIODS[chosen.words["period"]]
    return f"""SELECT strftime(make_timestamp(ended_us // {period} * {period}), '%Y-%m-%dT%H:%M:%SZ') AS at,
        count(*) AS calls, count(*) FILTER (WHERE {_FAILED}) AS errors, sum(input_tokens)::BIGINT AS input_tokens,
        sum(output_tokens)::BIGINT AS output_tokens, sum(cost_nano) / {_USD} AS cost_usd
        FROM calls WHERE {chosen.where} GROUP BY ended_us // {period} ORDER BY ended_us // {period}"""  # noqa: S608  # words are ours


def _tell_volume(rows: Sequence[Row], chosen: Chosen) -> str:
    if not rows:
        return "There were no calls in that time."
    most = max(rows, key=lambda each: each["calls"])
    total = sum(each["calls"] for each in rows)
    return f"There were {total:,} calls; most in the {chosen.words['period']} of {most['at']}: {most['calls']:,}."


_NAME: Final = Column("name")
_CALLS: Final = Column("calls")

PLAIN: Final = (
    Question(
        name="latency",
        doc="How long calls take, by percentiles, each exact to the millisecond.",
        choices=(by("alias"), limit(100)),
        columns=(
            _NAME,
            _CALLS,
            *(
                Column(each, "ms")
                for each in ("p50_ms", "p90_ms", "p99_ms", "max_ms", "first_p50_ms", "first_p99_ms")
            ),
        ),
        statement=_latency,
        tell=_tell_latency,
    ),
    Question(
        name="errors",
        doc="Which errors calls end in, and how often; those without one have none.",
        choices=(by("target"), limit(200)),
        columns=(_NAME, Column("error"), Column("status"), _CALLS, Column("share", "1")),
        statement=_errors,
        tell=_tell_errors,
    ),
    Question(
        name="cost",
        doc="What was spent, by anything.",
        choices=(by("tenant"), limit(100)),
        columns=(
            _NAME,
            _CALLS,
            Column("cost_usd", "USD"),
            Column("share", "1"),
            Column("per_call_usd", "USD"),
            Column("input_tokens", "tokens"),
            Column("output_tokens", "tokens"),
            Column("unpriced"),
        ),
        statement=_cost,
        tell=_tell_cost,
    ),
    Question(
        name="turn-growth",
        doc="How many tokens calls are sent as conversations grow longer.",
        columns=(
            Column("turns"),
            _CALLS,
            Column("mean_turns"),
            Column("input_tokens", "tokens"),
            Column("tokens_per_turn", "tokens"),
            Column("output_tokens", "tokens"),
            Column("per_call_usd", "USD"),
        ),
        statement=_growth,
        tell=_tell_growth,
    ),
    Question(
        name="context-loss",
        doc="How much context is lost between one provider's answer and another's.",
        choices=(limit(100),),
        columns=(
            Column("before"),
            Column("after"),
            _CALLS,
            Column("lost"),
            Column("degraded"),
            Column("share", "1"),
            Column("score", "1"),
        ),
        statement=_loss,
        tell=_tell_loss,
    ),
    Question(
        name="slowest",
        doc="The calls that took longest.",
        choices=(limit(20),),
        columns=(
            Column("id"),
            Column("ended_at"),
            Column("tenant"),
            Column("alias"),
            Column("target"),
            *(Column(each, "ms") for each in ("duration_ms", "first_content_ms", "overhead_ms")),
            Column("output_tokens", "tokens"),
            Column("status"),
            Column("error"),
        ),
        statement=_slowest,
        tell=_tell_slowest,
    ),
    Question(
        name="cache",
        doc="How much of what is sent providers read from their caches.",
        choices=(by("target"), limit(100)),
        columns=(
            _NAME,
            _CALLS,
            *(Column(each, "tokens") for each in ("input_tokens", "cache_read_tokens", "cache_write_tokens")),
            Column("share", "1"),
        ),
        statement=_cache,
        tell=_tell_cache,
    ),
    Question(
        name="volume",
        doc="How many calls there are over time.",
        choices=(Choice(name="period", doc="how long each row is", words=tuple(_PERIODS), default="day"),),
        columns=(
            Column("at"),
            _CALLS,
            Column("errors"),
            Column("input_tokens", "tokens"),
            Column("output_tokens", "tokens"),
            Column("cost_usd", "USD"),
        ),
        statement=_volume,
        tell=_tell_volume,
    ),
)
