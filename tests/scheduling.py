"""How tests are shared out between processes: what has a gateway in common stays together, quick ones come last."""

from pathlib import Path
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_ROOT: Final = Path(__file__).parents[1]


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands a process one file after the other, and a whole folder where its tests have fixtures in common."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        # By the number of their tests, slow files would be among the last. In the order of their names the files
        # of `tests/unit` are: many and quick, they even out what the processes had before.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid.partition("::")[0])


def together(path: str) -> str:
    """Name what stays together with a test file: its folder if that has a `conftest.py`, else the file alone."""
    folder = Path(path).parent
    return str(folder) if (_ROOT / folder / "conftest.py").is_file() else path
