"""The simulator as a child process, for those who start everything with one command."""

import subprocess
import sys
from types import TracebackType
from typing import Self

READY = "simulator listening on "
"""What the child's first line begins with; the base URL follows."""
_STOPS_WITHIN_S = 10.0


class SimulatorError(Exception):
    """The child did not start; the message is what it said."""


class SimulatorProcess:
    """`llmgw simulator` on a free loopback port until the block ends; `base_url` is for OpenAI clients.

    The child also ends when this process dies, however it dies.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "llmgw", "simulator", "--port", "0", "--until-stdin-closes"]
        self._child = subprocess.Popen(  # noqa: S603  # our own module, no input in the command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        line = self._child.stdout.readline() if self._child.stdout else ""
        if not line.startswith(READY):
            said = line + self._stopped()
            raise SimulatorError(f"the simulator did not start: {said.strip() or 'it said nothing'}")
        self.base_url = line.removeprefix(READY).strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped()

    def _stopped(self) -> str:
        """End the child by closing its standard input; give what it wrote to standard error."""
        child, self._child = self._child, None
        if child is None:
            return ""
        try:
            return child.communicate(timeout=_STOPS_WITHIN_S)[1]
        except subprocess.TimeoutExpired:
            child.kill()
            return child.communicate()[1]
