"""The command line: `llmgw serve`, and what one needs around it."""

from importlib import import_module

import rich_click as click

from llmgw import __version__

_COMMANDS = (
    "serve",
    "demo",
    "simulator",
    "doctor",
    "keys",
    "access",
    "limits",
    "store",
    "usage",
    "ledger",
    "reconcile",
    "events",
    "webhooks",
    "calls",
    "query",
    "contexts",
    "prompts",
    "config",
)
"""Each is a module of this package holding a command of its own name."""

_EXTRAS = {"openai": "demo"}
"""Packages that are not always installed, with the extra that brings them."""


class _Commands(click.RichGroup):
    """Loads a command's module when it is asked for, so that a small command does not pay for a large one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, those not loaded yet included."""
        return [*_COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command.

        Raises:
            ClickException: it needs a package that is not installed.
        """
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        try:
            command: click.Command = getattr(import_module(f"llmgw.cli.{cmd_name}"), cmd_name)
        except ModuleNotFoundError as missing:
            if missing.name not in _EXTRAS:
                raise
            raise click.ClickException(
                f"'llmgw {cmd_name}' needs the package {missing.name}: "
                f"pip install 'llmgw[{_EXTRAS[missing.name]}]'"
            ) from None
        return command


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, "-V", "--version", prog_name="llmgw")
def main() -> None:
    """One endpoint in front of many model providers: start it, configure it, examine it."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)
