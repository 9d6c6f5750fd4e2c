"""`llmgw prompts`: prompts as files, their versions in the registry, and which of them callers get."""

from typing import Final

import rich_click as click

from llmgw.cli.prompts import authoring, evaluating, importing, looking, moving, releasing
from llmgw.cli.prompts.rollout import rollout

_COMMANDS: Final = (
    authoring.new,
    authoring.lint,
    authoring.render,
    authoring.diff,
    moving.push,
    moving.pull,
    evaluating.evaluate,
    releasing.publish,
    releasing.promote,
    releasing.approve,
    releasing.rollback,
    rollout,
    looking.list_,
    looking.show,
    looking.history,
    looking.callers,
    releasing.deprecate,
    releasing.retire,
    moving.export,
    importing.import_,
)


@click.group()
def prompts() -> None:
    """Write, check, publish, roll out and roll back prompts.

    Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 no gateway answers.
    """


for _each in _COMMANDS:
    prompts.add_command(_each)
