"""What a running gateway leaves for other commands: where it is, and how its last reload went."""

import os
from pathlib import Path

import msgspec

from llmgw.types.json import encode


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of the run file.

    `asked` counts reload requests answered, so that a command can tell the answer to its own.
    """

    pid: int
    url: str
    generation: int
    asked: int = 0
    problems: str | None = None
    restart_needed: tuple[str, ...] = ()


class RunFile:
    """`serve.json` in the state directory, written by the supervisor and read by `llmgw config reload`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "serve.json"

    def write(self, running: Running) -> None:
        """Replace the file as a whole, readable by its owner only."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".tmp")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode(running))
        fresh.replace(self.path)

    def read(self) -> Running | None:
        """Return what the running gateway wrote; None when none runs here."""
        try:
            running = msgspec.json.decode(self.path.read_bytes(), type=Running)
            os.kill(running.pid, 0)
        except (FileNotFoundError, ProcessLookupError, msgspec.DecodeError):
            return None
        return running

    def remove(self) -> None:
        """The gateway has stopped."""
        self.path.unlink(missing_ok=True)
