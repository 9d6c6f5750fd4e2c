"""A call log of millions of calls that look like real ones, the same each time.

`python -m loadtests.call_log_rows --rows 10_000_000 --dir calls` makes one.

Eight weeks of three tenants in the files of a log's directory, made inside DuckDB. There is something to find: from
the second Tuesday before the end on, one target is slow and fails at times, and one prompt version says too much.
"""

import argparse
import time
from pathlib import Path
from typing import Final

import duckdb
from llmgw.calllog.datasets import CALLS
from llmgw.calllog.engine.writing import ROW_GROUP
from llmgw.calllog.segments import Place, Segment

END_US: Final = 1_795_737_600_000_000
"""Friday, 27 November 2026, 00:00 UTC."""
TURN_US: Final = END_US - 10 * 86_400_000_000
"""Tuesday, 17 November 2026: what changed then is for questions to find."""
_HOUR_US: Final = 3_600_000_000
_ORIGIN: Final = "00000000000000aa"

# Calls of an hour by the share of the day's that it has: little at night, most at ten and at three.
_BY_HOUR: Final = (2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 14, 16, 18, 19, 17, 13, 9, 7, 6, 5, 4, 3)

_DRAWN: Final = """
SELECT {start} + (n * {step})::BIGINT + (hash(n, {seed}, 1) % {step})::BIGINT AS ended_us, n,
  hash(n, {seed}, 2) % 1000 AS tenant_draw, hash(n, {seed}, 3) % 1000 AS alias_draw,
  hash(n, {seed}, 4) % 10000 AS luck, (hash(n, {seed}, 5) % 100000) / 100000.0 AS length,
  (hash(n, {seed}, 6) % 99999 + 1) / 100000.0 AS patience, hash(n, {seed}, 7) % 100 AS key_draw,
  hash(n, {seed}, 8) AS dice, md5_number_lower(n::VARCHAR || '-' || {seed}::VARCHAR) AS wide,
  {start} >= {turn} AS later
FROM range({calls}) AS r(n)
"""
_FACTS: Final = """
SELECT *,
  CASE WHEN tenant_draw < 620 THEN 'acme' WHEN tenant_draw < 930 THEN 'globex' ELSE 'initech' END AS tenant,
  CASE WHEN alias_draw < 450 THEN 'fast' WHEN alias_draw < 800 THEN 'smart' WHEN alias_draw < 930 THEN 'cheap'
       ELSE 'embed' END AS alias,
  alias_draw % 10 < 3 AS second, dice % 100 < 55 AS in_context, dice % 7 < 3 AS prompted
FROM drawn
"""
_PLACED: Final = """
SELECT *,
  CASE alias WHEN 'fast' THEN if(second, 'groq/llama-4-70b', 'openai/gpt-5-mini')
    WHEN 'smart' THEN if(second, 'anthropic/claude-sonnet-5', 'openai/gpt-5')
    WHEN 'cheap' THEN if(second, 'gemini/gemini-3-flash', 'mistral/mistral-small')
    ELSE 'openai/text-embedding-4' END AS target,
  (40 + exp(6.5 * length) * 6)::BIGINT AS said,
  (8 + exp(6.0 * patience) * 1.6)::BIGINT AS answered,
  1 + (dice // 128 % 24)::BIGINT AS turn
FROM facts
"""
_ENDED: Final = """
SELECT *,
  target = 'anthropic/claude-sonnet-5' AND later AS sick,
  CASE WHEN luck < 9942 AND NOT (target = 'anthropic/claude-sonnet-5' AND later AND luck % 100 < 9) THEN ''
    WHEN luck % 5 = 0 THEN 'rate_limited' WHEN luck % 5 = 1 THEN 'upstream_timeout'
    WHEN luck % 50 = 2 THEN 'budget_exceeded' WHEN luck % 50 = 7 THEN 'client_gone'
    ELSE 'upstream_error' END AS error
FROM placed
"""
_ROWS: Final = """
SELECT ended_us, printf('call_%011x%013x', ended_us // 1000, (wide % 4503599627370496)::UBIGINT) AS id,
  '' AS parent, printf('req_%016x', dice) AS request_id, printf('%016x%016x', wide::UBIGINT, dice) AS trace_id,
  printf('%016x', wide::UBIGINT) AS span_id, tenant,
  CASE key_draw % 4 WHEN 0 THEN 'search' WHEN 1 THEN 'support' WHEN 2 THEN 'billing' ELSE '' END AS team,
  'key_' || tenant || '_' || (key_draw % 12)::VARCHAR AS key_id,
  if(key_draw < 30, ['batch'], if(key_draw < 60, ['web', 'eu'], [])) AS tags,
  CASE WHEN alias = 'embed' THEN '/v1/embeddings' WHEN key_draw < 25 THEN '/v1/messages'
    WHEN key_draw < 40 THEN '/v1/responses' ELSE '/v1/chat/completions' END AS endpoint,
  alias, target, split_part(target, '/', 1) AS provider, split_part(target, '/', 2) AS model,
  if(error = '', split_part(target, '/', 2), '') AS answered_model,
  if(luck % 60 = 0, ['openai/gpt-5', target], [target]) AS targets,
  if(luck % 60 = 0, ['upstream_error', if(error = '', '200', error)], [if(error = '', '200', error)])
    AS attempt_codes,
  if(prompted, 'support/triage@' || if(later, '8', '7'), if(dice % 7 = 3, 'shared/tone@3', '')) AS prompt,
  if(dice % 7 < 4, 'production', '') AS prompt_label, if(prompted, 'stable', '') AS prompt_arm,
  if(prompted, 'sha256:' || repeat('0', 64), '') AS prompt_hash, if(prompted, 'valid', '') AS prompt_output,
  if(in_context, printf('ctx_%012x', (dice // 3072) % 900000), '') AS context,
  if(in_context, turn, NULL) AS rev, if(in_context, printf('%016x', dice), '') AS head,
  CASE WHEN NOT in_context THEN '' WHEN sick AND luck % 100 < 4 THEN 'lost' WHEN luck % 400 = 1 THEN 'lost'
    WHEN luck % 20 = 1 THEN 'degraded' ELSE 'preserved' END AS verdict,
  CASE WHEN NOT in_context THEN NULL WHEN luck % 400 = 1 THEN 0.4 WHEN luck % 20 = 1 THEN 0.9
    ELSE 1.0 END AS score,
  if(in_context, if(luck % 20 = 1, 1, 0), NULL)::BIGINT AS losses,
  if(in_context AND luck % 20 = 1, ['reasoning.opaque_dropped'], []) AS loss_codes,
  if(in_context AND luck % 400 = 1, ['c3'], []) AS checks_failed,
  if(in_context, turn * 2, NULL) AS turns, if(in_context, turn * 2 - (luck % 20 = 1)::INT, NULL) AS turns_sent,
  if(in_context, said + turn * 180, NULL) AS context_tokens,
  if(in_context AND turn > 1, if(dice % 11 = 0, 'anthropic', 'openai'), '') AS provider_before,
  '' AS conflict, if(in_context, 'whole', '') AS fit, if(in_context, if(dice % 9 = 0, 'cold', 'hit'), '') AS cache,
  false AS replayed, key_draw >= 40 AND alias <> 'embed' AS stream,
  CASE error WHEN '' THEN 'ok' WHEN 'client_gone' THEN 'gone' WHEN 'rate_limited' THEN 'refused'
    WHEN 'budget_exceeded' THEN 'refused' ELSE 'failed' END AS outcome,
  CASE error WHEN '' THEN 200 WHEN 'rate_limited' THEN 429 WHEN 'budget_exceeded' THEN 402
    WHEN 'client_gone' THEN 499 WHEN 'upstream_timeout' THEN 504 ELSE 502 END AS status,
  error, if(error = '' AND alias <> 'embed', [if(luck % 30 = 0, 'length', 'stop')], []) AS finish_reasons,
  said + if(in_context, turn * 180, 0) AS input_tokens,
  CASE WHEN error <> '' THEN NULL WHEN alias = 'embed' THEN 0 WHEN prompted AND later THEN answered * 2
    ELSE answered END AS output_tokens,
  if(in_context AND error = '', ((said + turn * 180) * (dice % 80) / 100)::BIGINT, NULL) AS cache_read_tokens,
  NULL::BIGINT AS cache_write_tokens,
  if(alias = 'smart' AND error = '', answered // 2, NULL) AS reasoning_tokens,
  if(error = '', (said + turn * 90) * if(alias = 'smart', 3000, 250)
    + answered * if(alias = 'smart', 15000, 1000), NULL) AS cost_nano,
  if(error = '', '2026-11-01', '') AS prices,
  (if(sick, 2.4, 1.0) * (180000 + answered * if(alias = 'smart', 11000, 2600) - 90000 * ln(patience)))::BIGINT
    AS duration_us,
  (420 + (-180 * ln(length + 0.00001)))::BIGINT AS overhead_us,
  if(error = '' AND alias <> 'embed', (if(sick, 2.4, 1.0) * (120000 - 60000 * ln(patience)))::BIGINT, NULL)
    AS first_content_us,
  if(tenant = 'initech', 'admitted', '') AS admission,
  if(error = 'budget_exceeded', 'team:search:month', '') AS "limit",
  'metadata' AS capture
FROM ended
"""


def write_log(rows: int, directory: Path, weeks: int = 8) -> int:
    """Write about so many calls as a log has them, each hour in a file, and return how many they are."""
    hours = weeks * 7 * 24
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET preserve_insertion_order = false")
    written = 0
    for hour in range(hours):
        start = END_US - (hours - hour) * _HOUR_US
        calls = _calls(rows, hours, start)
        if calls:
            _write_hour(connection, directory, start, calls)
            written += calls
    return written


def _calls(rows: int, hours: int, start_us: int) -> int:
    """Calls of an hour: few at night, and half as many on a Saturday or Sunday."""
    hour, day = start_us // _HOUR_US % 24, (start_us // (24 * _HOUR_US) + 4) % 7
    weekend = day in {0, 6}
    mean = rows / hours * 7 / 6
    return round(mean * _BY_HOUR[hour] * 24 / sum(_BY_HOUR) * (0.5 if weekend else 1.0))


def _write_hour(connection: duckdb.DuckDBPyConnection, directory: Path, start: int, calls: int) -> None:
    step = _HOUR_US // calls
    drawn = _DRAWN.format(start=start, step=step, seed=start // _HOUR_US, calls=calls, turn=TURN_US)
    moment = time.gmtime(start // 1_000_000)
    segment = Segment(
        dataset=CALLS.name,
        partition=time.strftime("date=%Y-%m-%d/hour=%H", moment),
        origin=_ORIGIN,
        first=Place(start // 1000, 0),
        last=Place((start + _HOUR_US) // 1000 - 1, 0),
    )
    path = directory / segment.name
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in CALLS.columns.items())
    connection.execute(
        f"COPY (WITH drawn AS ({drawn}), facts AS ({_FACTS}), placed AS ({_PLACED}), ended AS ({_ENDED}), "
        f"made AS ({_ROWS}) SELECT {columns} FROM made ORDER BY ended_us, id) "
        f"TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
    )


def main() -> None:
    """Write the log that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--dir", type=Path, required=True)
    asked = parser.parse_args()
    began = time.monotonic()
    written = write_log(asked.rows, asked.dir, asked.weeks)
    print(f"{written:,} calls in {time.monotonic() - began:.0f} s under {asked.dir}")


if __name__ == "__main__":
    main()
