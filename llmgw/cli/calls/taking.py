"""`llmgw calls export`: calls as a file."""

from pathlib import Path
from typing import Any

import rich_click as click

from llmgw.cli.calls.filters import filtered, query
from llmgw.cli.printing import note
from llmgw.cli.remote import PATIENT_S, Remote, connected


@click.command()
@connected
@filtered
@click.option("--from", "from_", default="24h", show_default=True, help="From when: 24h, 7d, or a time.")
@click.option("--to", help="Up to when; now by default.")
@click.option(
    "--format", "form", type=click.Choice(["ndjson", "csv", "parquet"]), default="ndjson", show_default=True
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
def export(remote: Remote, *, from_: str, form: str, out: Path, **asked: Any) -> None:
    """Write the calls that match to a file, oldest first."""
    path = f"/admin/v1/calls/export?{query({**asked, 'from': from_, 'format': form})}"
    answer = remote.ask("GET", path, timeout_s=PATIENT_S)
    try:
        out.write_bytes(answer.body)
    except OSError as error:
        raise click.ClickException(f"the file cannot be written: {error.strerror}") from None
    if answer.headers.get("x-llmgw-live") == "false":
        note("the store is away: calls of the last minute are missing")
    note(f"{len(answer.body):,} bytes written")
