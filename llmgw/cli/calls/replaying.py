"""`llmgw calls replay`: what was asked once, asked again, and how the answers differ."""

import difflib
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import rich_click as click
from msgspec import Struct

from llmgw.cli.printing import json, note, safe, safe_block
from llmgw.cli.remote import PATIENT_S, Refused, Remote, connected
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode


class _Content(Struct, frozen=True):
    path: str = ""
    request: Any = None
    answer: Any = None
    request_cut: bool = False


@click.command()
@connected
@click.argument("call_id")
@click.option("--target", help="Ask this target or alias instead.")
@click.option("--json", "as_json", is_flag=True, help="Print both answers as JSON.")
def replay(remote: Remote, call_id: str, *, target: str | None, as_json: bool) -> None:
    """Send what a call asked once more, and print how the answers differ; it costs what a call costs."""
    try:
        kept = remote.ask("GET", f"/admin/v1/calls/{quote(call_id, safe='')}/content").read(_Content)
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        more = "only calls of tenants whose capture is 'redacted' or 'full' can be asked again"
        raise Refused(f"{refused.message}\n  {more}", refused.status, refused.code) from None
    body = _document(kept.request)
    if kept.request_cut or not isinstance(body, dict) or not kept.path.startswith("/v1/"):
        raise click.ClickException(
            "what this call asked was not kept as a whole, so it cannot be asked again"
        )
    body = {**body, **({"model": target} if target else {})}
    body.pop("stream", None)
    body.pop("stream_options", None)
    answer = remote.ask("POST", kept.path, body, timeout_s=PATIENT_S)
    before, now = _document(kept.answer), answer.json
    if as_json:
        click.echo(json({"before": before, "now": now}))
        return
    was, became = _said(before), _said(now)
    if was == became:
        note("the answers are the same")
    difference = difflib.unified_diff(was.splitlines(), became.splitlines(), "then", "now", lineterm="")
    for line in safe_block("\n".join(difference)):
        click.echo(line)
    note(f"the call made now is {safe(answer.headers.get('x-llmgw-call-id', 'not named'))}")


def _document(kept: Any) -> Json:
    """What was kept as JSON, be it a document or the text of one."""
    if not isinstance(kept, str):
        return kept
    try:
        return decode(kept.encode())
    except InvalidJson:
        return kept


def _said(answer: Any) -> str:
    """The texts of an answer in any dialect, one after the other."""
    found: list[str] = []
    left = [answer]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            texts = [
                value[name]
                for name in ("text", "content", "refusal", "arguments")
                if isinstance(value.get(name), str)
            ]
            found += texts
            left += [each for each in reversed(list(value.values())) if isinstance(each, dict | list)]
        elif isinstance(value, list):
            left += reversed(value)
    return "\n".join(found)
