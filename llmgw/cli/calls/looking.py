"""`llmgw calls tail`, `search` and `show`."""

import time
from typing import Any, Final
from urllib.parse import quote

import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from llmgw.cli.calls.filters import filtered, query
from llmgw.cli.printing import json, note, safe
from llmgw.cli.printing import show as print_pages
from llmgw.cli.remote import Remote, connected
from llmgw.types.text import printable

LOOK_S: Final = 1.0
LATE_S: Final = 10
"""For so long a call may come behind one that ended later: several workers write."""
_PAGE: Final = 500


class Page(Struct, frozen=True):
    """One page of calls."""

    calls: list[dict[str, Any]]
    next: str | None = None
    live: bool = True


@click.command()
@connected
@filtered
@click.option("--from", "from_", default="1m", show_default=True, help="From when: 5m, or a time.")
@click.option("--once", is_flag=True, help="Print what there is, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def tail(remote: Remote, *, from_: str, once: bool, as_json: bool, **asked: Any) -> None:
    """Print calls as they end, oldest first, until interrupted."""
    seen: dict[str, int] = {}
    since, newest = from_, 0
    try:
        while True:
            after: str | None = None
            while True:
                place = {"from": since, "order": "oldest", "limit": _PAGE, "cursor": after}
                page = remote.ask("GET", f"/admin/v1/calls?{query(asked, **place)}").read(Page)
                for call in page.calls:
                    if call["id"] not in seen:
                        click.echo(json(call) if as_json else _line(call))
                    seen[call["id"]] = call["ended_us"]
                    newest = max(newest, call["ended_us"])
                after = page.next
                if after is None:
                    break
            if once:
                return
            if newest:
                begin = newest - LATE_S * 1_000_000
                since = _stamp(begin)
                seen = {call_id: ended for call_id, ended in seen.items() if ended >= begin - 1_000_000}
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return


@click.command()
@connected
@filtered
@click.option("--from", "from_", default="24h", show_default=True, help="From when: 24h, 7d, or a time.")
@click.option("--to", help="Up to when; now by default.")
@click.option("--order", type=click.Choice(["newest", "oldest"]), default="newest", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="Go on where a page before ended.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def search(remote: Remote, *, from_: str, as_json: bool, **asked: Any) -> None:
    """Find calls."""
    answer = remote.ask("GET", f"/admin/v1/calls?{query({**asked, 'from': from_})}")
    if as_json:
        click.echo(json(answer.json))
        return
    page = answer.read(Page)
    if not page.live:
        note("the store is away: calls of the last minute are missing")
    if not page.calls:
        note("no such calls")
        return
    table = Table("Ended", "Id", "Tenant", "Alias", "Target", "Status", "Error", "Verdict")
    for title in ("ms", "USD"):
        table.add_column(title, justify="right")
    for call in page.calls:
        table.add_row(*map(Text, _cells(call)))
    print_pages(table)
    if page.next is not None:
        note(f"there are more: --cursor {safe(page.next)}")


@click.command()
@connected
@click.argument("call_id")
@click.option(
    "--trace-url",
    envvar="LLMGW_TRACE_URL",
    help="Where traces are shown, such as http://127.0.0.1:16686/trace/{trace_id} [env: LLMGW_TRACE_URL].",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(remote: Remote, call_id: str, *, trace_url: str | None, as_json: bool) -> None:
    """Show all that is known of one call, but what was said."""
    answer = remote.ask("GET", f"/admin/v1/calls/{quote(call_id, safe='')}")
    call = answer.read(dict[str, Any])
    if as_json:
        click.echo(json(call))
        return
    for title, said in described(call, trace_url):
        click.echo(f"{title:<10} {printable(said, 1000)}")


def described(call: dict[str, Any], trace_url: str | None) -> list[tuple[str, str]]:
    """A call in lines: what it was, what was tried, what became of its context, what it took."""
    lines = [
        ("call", f"{call['id']}  {call['ended_at']}  {call['outcome']} {call['status']} {call['error']}"),
        (
            "caller",
            f"tenant {call['tenant']}, key {call['key_id'] or '-'}, tags {', '.join(call['tags']) or '-'}",
        ),
        ("asked", f"{call['endpoint']} {call['alias']} -> {call['target'] or '-'}"),
    ]
    lines += [
        (f"attempt {number}", f"{target}: {code or '-'}")
        for number, (target, code) in enumerate(zip(call["targets"], call["attempt_codes"], strict=False), 1)
    ]
    if call["prompt"]:
        lines.append(("prompt", f"{call['prompt']} {call['prompt_label']} {call['prompt_arm']}"))
    if call["context"]:
        said = f"{call['context']} rev {call['rev']}: {call['verdict'] or 'no verdict'}"
        if call["losses"]:
            said += f", {call['losses']} losses ({', '.join(call['loss_codes'])})"
        if call["checks_failed"]:
            said += f", failed {', '.join(call['checks_failed'])}"
        lines.append(("context", said))
    tokens = f"{call['input_tokens']} tokens in, {call['output_tokens']} out"
    lines += [
        (
            "took",
            f"{call['duration_us'] / 1000:,.1f} ms, {call['overhead_us'] / 1000:,.1f} ms of them the gateway's",
        ),
        ("used", f"{tokens}, {call['cache_read_tokens'] or 0} read from a cache"),
        ("cost", f"{call['cost_usd']} USD" if call["cost_usd"] is not None else "not known"),
    ]
    if call["trace_id"]:
        link = trace_url.replace("{trace_id}", call["trace_id"]) if trace_url else call["trace_id"]
        lines.append(("trace", link))
    return lines


def _cells(call: dict[str, Any]) -> list[str]:
    named = [call["ended_at"][:19], call["id"], call["tenant"], call["alias"], call["target"]]
    rest = [call["status"], call["error"], call["verdict"], f"{call['duration_us'] / 1000:,.0f}"]
    return [safe(each) for each in (*named, *rest, call["cost_usd"] or "")]


def _line(call: dict[str, Any]) -> str:
    return printable("  ".join(_cells(call)), 1000)


def _stamp(unix_us: int) -> str:
    whole, rest = divmod(max(0, unix_us), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{rest:06d}Z"
