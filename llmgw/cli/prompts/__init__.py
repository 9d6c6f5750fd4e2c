"""`llmgw prompts`: prompts as files, their versions in the registry, and which of them callers get."""

from importlib import import_module
from typing import Final

import rich_click as click

_COMMANDS: Final = {
    "new": ("authoring", "new"),
    "lint": ("authoring", "lint"),
    "render": ("authoring", "render"),
    "diff": ("authoring", "diff"),
    "push": ("moving", "push"),
    "pull": ("moving", "pull"),
    "eval": ("evaluating", "evaluate"),
    "publish": ("releasing", "publish"),
    "promote": ("releasing", "promote"),
    "approve": ("releasing", "approve"),
    "rollback": ("releasing", "rollback"),
    "rollout": ("rollout", "rollout"),
    "list": ("looking", "list_"),
    "show": ("looking", "show"),
    "history": ("looking", "history"),
    "callers": ("looking", "callers"),
    "deprecate": ("releasing", "deprecate"),
    "retire": ("releasing", "retire"),
    "export": ("moving", "export"),
    "import": ("importing", "import_"),
    "schema": ("authoring", "schema"),
}
"""Each command's module in this package, and its name there."""


class _Commands(click.RichGroup):
    """Loads a command's module when it is asked for: a list needs no template engine."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Name every command, in the order in which an author meets them."""
        return list(_COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None where there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"llmgw.cli.prompts.{module}"), name)
        return command


@click.group(cls=_Commands)
def prompts() -> None:
    """Write, check, publish, roll out and roll back prompts.

    Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 no gateway answers.
    """
