"""The process beside a worker in which DuckDB runs: no worker imports it."""
