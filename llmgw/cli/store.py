"""`llmgw store`: whether the store is the one that this gateway knows, and what to do where it is not."""

import rich_click as click

from llmgw.cli.printing import note
from llmgw.cli.stored import CONFIG, with_state
from llmgw.policy.key_store import KeyStore
from llmgw.policy.spending import keys
from llmgw.settings import Settings
from llmgw.state.connection import State
from llmgw.state.identity import Comparison, StoreIdentity

_LOST = (
    "What only the lost store had is gone for good: keys, limits set at run time, what was spent of each budget,",
    "the ledger and its reports, conversations, prompts. Budgets begin at nothing spent. What calls cost meanwhile",
    "waits in the journals of the gateways, and is charged to this store.",
)


@click.group()
def store() -> None:
    """Tell the store from one that lost its data, and accept such a loss."""


@store.command()
@CONFIG
def status(config: str | None) -> None:
    """Say whether the store is the one that this gateway knows; exits with 1 where it is not."""
    seen = with_state(config, _compared)
    _tell(seen)
    if seen.lost:
        raise click.ClickException(
            "this is not the store that this gateway knows: restore its data, or accept the loss with: "
            "llmgw store accept"
        )
    note("not met yet" if seen.known is None else "the store is the one that this gateway knows")


@store.command()
@CONFIG
@click.option("--yes", is_flag=True, help="Do not ask.")
def accept(config: str | None, *, yes: bool) -> None:
    """Have the store take the place of one that was lost; running gateways go on within two seconds."""
    seen, has = with_state(config, _examined)
    _tell(seen)
    if not seen.lost:
        note("nothing to accept: no store was lost")
        return
    note(f"this store has {has}")
    for line in _LOST:
        note(line)
    if not yes:
        click.confirm("Accept that?", abort=True, err=True)
    with_state(config, _accepted)
    note("accepted")


def _tell(seen: Comparison) -> None:
    click.echo(f"known  {seen.known or 'none'}")
    click.echo(f"found  {seen.found or 'none'}")


async def _compared(settings: Settings, state: State) -> Comparison:
    return await StoreIdentity(state, settings.state.dir).compare()


async def _examined(settings: Settings, state: State) -> tuple[Comparison, str]:
    seen = await _compared(settings, state)
    tenants = await state.members(keys.TENANTS)
    stored = await KeyStore(state).ids()
    return seen, f"{len(stored)} keys, and books of {len(tenants)} tenants"


async def _accepted(settings: Settings, state: State) -> Comparison:
    return await StoreIdentity(state, settings.state.dir).accept()
