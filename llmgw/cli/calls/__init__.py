"""`llmgw calls`: what a running gateway's call log knows, looked at, searched, asked, taken out, asked again."""

import rich_click as click

from llmgw.cli.calls.asking import ask
from llmgw.cli.calls.looking import search, show, tail
from llmgw.cli.calls.replaying import replay
from llmgw.cli.calls.schema import schema
from llmgw.cli.calls.taking import export


@click.group()
def calls() -> None:
    """Look at calls that are over: which they were, what they took, and what changed."""


for _each in (tail, search, show, ask, export, replay, schema):
    calls.add_command(_each)
