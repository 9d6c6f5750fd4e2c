"""`llmgw simulator`: a provider in a box, on loopback."""

import asyncio
import signal
import sys
from contextlib import suppress

import rich_click as click

from llmgw.simulator.process import READY
from llmgw.simulator.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=18080, show_default=True, help="0 picks a free one."
)
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def simulator(host: str, port: int, *, until_stdin_closes: bool) -> None:
    """Serve a simulated provider until Ctrl-C.

    It speaks OpenAI's API, needs no key, and answers from what it was really sent. The model's name turns its
    knobs: sim, sim-ttft-200ms, sim-chunk-10ms, sim-fail-503, sim-cut-after-5 and more, in any combination.
    """
    try:
        asyncio.run(_until_told(host, port, until_stdin_closes=until_stdin_closes))
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None


async def _until_told(host: str, port: int, *, until_stdin_closes: bool) -> None:
    loop = asyncio.get_running_loop()
    serving = asyncio.ensure_future(serve(host, port, _announce))
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, serving.cancel)
    lifeline: asyncio.ReadTransport | None = None
    if until_stdin_closes:
        lifeline, _ = await loop.connect_read_pipe(lambda: _Lifeline(serving), sys.stdin)
    with suppress(asyncio.CancelledError):
        await serving
    if lifeline is not None:
        lifeline.close()


def _announce(base_url: str) -> None:
    click.echo(f"{READY}{base_url}")
    sys.stdout.flush()


class _Lifeline(asyncio.Protocol):
    """Standard input, held open by whoever started us."""

    def __init__(self, serving: "asyncio.Future[None]") -> None:
        self._serving = serving

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is gone: so are we."""
        del exc
        self._serving.cancel()
