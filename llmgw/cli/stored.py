"""Commands on what is stored, beside a running gateway or without one."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TypeVar

import rich_click as click

from llmgw.context.integrity.chain_keys import ChainKeysError
from llmgw.policy.pepper import PepperError
from llmgw.settings import ConfigError, Settings, load
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedStateError, attach_or_start
from llmgw.state.private_file import PrivateFileError
from llmgw.types.errors import GatewayError, StoreUnavailable
from llmgw.types.text import printable

T = TypeVar("T")

_LONGEST_LINE = 2000

CONFIG = click.option(
    "-c", "--config", type=click.Path(dir_okay=False), help="Configuration file [env: LLMGW_CONFIG]."
)


def with_state(config: str | None, act: Callable[[Settings, State], Awaitable[T]]) -> T:
    """Do something with the store that a configuration names.

    Raises:
        ClickException: it cannot be done; the message says why, and what to do about it.
    """
    try:
        settings = load(config, os.environ).settings
        with _store(settings) as url:
            return asyncio.run(_act(settings, url, act))
    except ConfigError as error:
        raise click.ClickException(f"{error}\nsee every problem with: llmgw config check") from error
    except StoreUnavailable as error:
        raise click.ClickException(f"{error}; find out why with: llmgw doctor") from error
    except GatewayError as error:
        lines = [error.message, *(f"  {each.pointer or '/'}: {each.message}" for each in error.violations)]
        lines = [printable(line, _LONGEST_LINE) for line in lines]
        raise click.ClickException("\n".join(lines)) from error
    except (EmbeddedStateError, PepperError, ChainKeysError, PrivateFileError) as error:
        raise click.ClickException(str(error)) from error


def _store(settings: Settings) -> AbstractContextManager[str]:
    if settings.state.embedded:
        return attach_or_start(settings.state.dir)
    return nullcontext(settings.state.url.reveal())


async def _act(settings: Settings, url: str, act: Callable[[Settings, State], Awaitable[T]]) -> T:
    async with aclosing(State(url, timeout_s=settings.state.timeout_s)) as state:
        return await act(settings, state)
