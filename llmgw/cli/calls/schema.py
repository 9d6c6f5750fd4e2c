"""`llmgw calls schema`: what a row is, for programs that read them."""

import rich_click as click

from llmgw.calllog.schema import json_schema_text


@click.command()
def schema() -> None:
    """Print the JSON Schema of a call, as pages and exports have it."""
    click.echo(json_schema_text(), nl=False)
