"""What a caller may ask in SQL: its own calls and nothing else of the house."""

import asyncio
from pathlib import Path

import pytest
from llmgw.types.call_log_errors import QueryRefused
from llmgw.types.errors import GatewayError
from tests.integration.calllog.asked_log import HOUR_US, TUESDAY_US, AskedLog, asked_log, call

MINE = [
    call(1, TUESDAY_US, alias="fast", cost_nano=10),
    call(2, TUESDAY_US + HOUR_US, alias="smart", cost_nano=5),
]
THEIRS = [call(3, TUESDAY_US + 7, tenant="globex", key_id="their-key", alias="hidden")]
LIVE = [call(4, TUESDAY_US + 9, alias="fast"), call(5, TUESDAY_US + 9, tenant="globex", key_id="their-key")]


async def _filled(log: AskedLog) -> None:
    await log.keep([*MINE, *THEIRS])
    log.buffered(LIVE)


ALLOWED = [
    ("SELECT count(*) FROM calls", [[3]]),
    ("select alias, count(*) n from CALLS group by all order by n desc, alias", [["fast", 2], ["smart", 1]]),
    ("WITH x AS (SELECT * FROM calls) SELECT sum(cost_nano) FROM x", [[15]]),
    ("WITH calls AS (SELECT * FROM calls WHERE alias = 'smart') SELECT count(*) FROM calls", [[1]]),
    ("SELECT count(*) FROM calls a JOIN calls b USING (id)", [[3]]),
    ("SELECT i FROM range(3) t(i) ORDER BY i", [[0], [1], [2]]),
    ("SELECT unnest([1, 2])", [[1], [2]]),
    ("SELECT (SELECT max(cost_nano) FROM calls)", [[10]]),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT max(n) FROM r", [[3]]),
    ("SELECT row_number() OVER (ORDER BY ended_us) FROM calls QUALIFY row_number() OVER (ORDER BY id) = 1", [[1]]),
    ("SELECT date_trunc('day', make_timestamp(min(ended_us)))::DATE FROM calls", [["2026-11-24"]]),
    ("SELECT list_transform([1, 2], lambda x: x + 1)", [[[2, 3]]]),
    ("SELECT quantile_disc(cost_nano, 0.5), approx_count_distinct(alias) FROM calls", [[5, 2]]),
    ("VALUES (1), (2)", [[1], [2]]),
    ("SELECT 170141183460469231731687303715884105727::HUGEINT, 'nan'::DOUBLE, 1.5, NULL", [
        ["170141183460469231731687303715884105727", None, 1.5, None]
    ]),
    ("SELECT DISTINCT tenant FROM calls -- a comment; with a semicolon", [["acme"]]),
]  # fmt: skip

REFUSED = [
    "",
    ";",
    "SELECT",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE calls",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM 'x.parquet'",
    "SELECT * FROM '{log}/calls/*/*/*.parquet'",
    'SELECT * FROM "{log}/calls/date=2026-11-24/hour=00/x.parquet"',
    "SELECT * FROM read_parquet('{log}/calls/*/*/*.parquet')",
    "SELECT * FROM parquet_scan('{log}/calls/*/*/*.parquet')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json_auto('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('{log}/calls/*/*/*.parquet')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('_live_calls')",
    "SELECT * FROM _live_calls",
    "SELECT * FROM temp._live_calls",
    "SELECT * FROM main.calls",
    "SELECT * FROM temp.main.calls",
    "SELECT * FROM memory.main.calls",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM duckdb_settings",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_table_info('_live_calls')",
    "SELECT * FROM json_execute_serialized_sql('{{}}')",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM seq_scan('_live_calls')",
    "SELECT * FROM repeat_row(1, num_rows := 5)",
    "WITH x AS (SELECT * FROM duckdb_settings) SELECT * FROM x",
    "WITH duckdb_columns AS (SELECT 1) SELECT * FROM duckdb_columns",
    "WITH a AS (SELECT * FROM duckdb_tables), duckdb_tables AS (SELECT 1) SELECT * FROM a",
    'WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM "/etc/passwd"',
    'SELECT * FROM (WITH "x.parquet" AS (SELECT 1) SELECT 1), "x.parquet"',
    "WITH _live_calls AS (SELECT 1) SELECT * FROM _live_calls",
    "SELECT (SELECT count(*) FROM duckdb_tables())",
    "SELECT * FROM calls, LATERAL (SELECT * FROM read_text('/etc/passwd'))",
    "SELECT * FROM calls WHERE id IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM calls ORDER BY (SELECT max(value) FROM duckdb_settings())",
    "SELECT * FROM calls GROUP BY ALL HAVING (SELECT count(*) FROM duckdb_settings()) > 1",
    "SELECT 1 LIMIT (SELECT count(*) FROM duckdb_settings())",
    "SELECT 1 UNION ALL SELECT count(*) FROM duckdb_settings()",
    "SELECT max(x) OVER (ORDER BY (SELECT 1 FROM duckdb_settings())) FROM range(2) t(x)",
    "SELECT list_transform([1], lambda x: (SELECT count(*) FROM duckdb_settings()))",
    "FROM duckdb_settings()",
    "TABLE duckdb_settings",
    "DESCRIBE duckdb_settings",
    "SUMMARIZE duckdb_settings",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT * FROM (SHOW DATABASES)",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT getvariable('x')",
    "SELECT version()",
    "SELECT current_user, current_schemas(true)",
    "SELECT pg_catalog.pg_get_viewdef(1)",
    "SELECT main.getenv('HOME')",
    "SELECT nextval('x')",
    "SELECT pg_sleep(10)",
    "SELECT sleep_ms(10)",
    "SELECT write_log('x')",
    "SELECT error('x')",
    "SELECT json_serialize_sql('SELECT 1')",
    "SELECT repeat('x', 1000000)",
    "SELECT stats(id) FROM calls",
    "SELECT current_query()",
    "COPY calls TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '{log}/x.parquet'",
    "ATTACH '/tmp/x.db'",
    "DETACH memory",
    "USE temp",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "SET VARIABLE x = 1",
    "RESET memory_limit",
    "PRAGMA database_list",
    "CALL pragma_database_size()",
    "EXPLAIN SELECT * FROM calls",
    "EXPLAIN ANALYZE SELECT * FROM calls",
    "CREATE TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "CREATE MACRO f() AS TABLE SELECT * FROM read_text('/etc/passwd')",
    "DROP VIEW calls",
    "INSERT INTO _live_calls SELECT * FROM calls",
    "UPDATE calls SET id = 'x'",
    "DELETE FROM calls",
    "EXPORT DATABASE '/tmp/x'",
    "PREPARE x AS SELECT 1",
    "BEGIN",
    "VACUUM",
    "CHECKPOINT",
    "PIVOT calls ON alias USING count(*)",
    "SELECT * FROM calls AT (VERSION => 1)",
    "SELECT 'x'::not_a_type",
    "SELECT nothing FROM calls",
    "SELECT /* open",
    "SELECT 'open",
    "SELECT " + "abs(" * 300 + "1" + ")" * 300,
    "SELECT " + "+".join(["1"] * 8000),
    "SELECT \x00",
    "SELECT ?",
]  # fmt: skip


def test_what_is_asked_of_one_s_own_calls_is_answered(tmp_path: Path) -> None:
    """Sums, joins, windows, common tables and series over what is in segments and what is in none."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await _filled(log)
            for statement, rows in ALLOWED:
                assert await log.sql(statement) == rows, statement
            assert await log.sql("SELECT count(*) FROM calls", None) == [[5]]
            assert await log.sql("SELECT count(*) FROM calls WHERE alias = $1", values=["fast"]) == [[2]]
            assert await log.sql("SELECT count(*) FROM calls WHERE alias = $a", values={"a": "smart"}) == [
                [1]
            ]

    asyncio.run(scene())


def test_everything_else_is_refused_in_words_that_tell_nothing(tmp_path: Path) -> None:
    """Files, settings, other tables, other statements, names that hide one: a 400 without a path or a value."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await _filled(log)
            passed = list[str]()
            for statement in REFUSED:
                written = statement.replace("{log}", str(log.root))
                try:
                    await log.sql(written, None)
                except QueryRefused as refused:
                    said = refused.message.replace(repr(written)[1:-1], "")
                    assert str(tmp_path) not in said or str(tmp_path) in written, statement
                    assert "root:" not in said, statement
                    assert "their-key" not in said, statement
                else:
                    passed.append(statement)
            assert passed == []
            assert await log.sql("SELECT count(*) FROM calls") == [[3]]

    asyncio.run(scene())


def test_no_condition_is_tried_on_another_tenant_s_calls(tmp_path: Path) -> None:
    """A condition that fails on their rows alone would tell of them: it never meets one."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await _filled(log)
            for tell in (
                "SELECT count(*) FROM calls WHERE CASE WHEN key_id = 'their-key' THEN key_id::INT ELSE 1 END = 1",
                "SELECT count(*) FROM calls WHERE if(key_id = '', '1', key_id)::INT = 1",
                "WITH x AS (FROM calls) SELECT count(*) FROM x WHERE if(key_id = '', '1', key_id)::INT = 1",
                "SELECT count(*) FROM calls a JOIN calls b ON if(a.key_id = '', '1', a.key_id)::INT = 1 AND a = b",
            ):
                assert await log.sql(tell) == [[3]], tell
                with pytest.raises(QueryRefused) as refused:
                    await log.sql(tell, None)
                assert "their-key" not in refused.value.message
            for hidden in ("hidden", "globex", "their-key"):
                found = await log.sql(
                    "SELECT count(*) FROM calls WHERE $1 IN (tenant, key_id, alias)", values=[hidden]
                )
                assert found == [[0]]

    asyncio.run(scene())


def test_an_answer_is_bounded(tmp_path: Path) -> None:
    """Ten thousand rows, and about as many bytes as a page holds; what is cut is said to be."""

    async def scene() -> None:
        async with asked_log(tmp_path) as log:
            await _filled(log)
            rows, _ = await log.reading.sql("SELECT i FROM range(20000) t(i)", [], None, (0, 1))
            assert (len(rows.rows), rows.truncated) == (10_000, True)
            wide, _ = await log.reading.sql("SELECT rpad('x', 60000, 'y') FROM range(9000)", [], None, (0, 1))
            assert wide.truncated
            assert sum(len(row[0]) for row in wide.rows) < 64 * 1024 * 1024
            with pytest.raises(GatewayError):
                await log.sql("SELECT $1", values=[1, 2])

    asyncio.run(scene())
