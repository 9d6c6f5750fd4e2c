"""Where a file comes from, as git knows it; without git nothing is claimed."""

import re
import subprocess
from pathlib import Path
from typing import Final

from llmgw.types.prompt import GitSource

_TIMEOUT_S: Final = 10
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@]*@")


def source_of(path: Path) -> GitSource:
    """The repository, the commit (`-dirty` where the file differs from it) and the path in it."""
    commit = _git(path, "rev-parse", "HEAD")
    if not commit:
        return GitSource(kind="cli", path=path.name[-512:])
    inside = _git(path, "rev-parse", "--show-prefix") + path.name
    changed = _git(path, "status", "--porcelain", "--", path.name)
    remote = _CREDENTIALS.sub("", _git(path, "config", "--get", "remote.origin.url"))
    return GitSource(
        kind="cli",
        repo=remote[:512],
        commit=f"{commit[:56]}-dirty" if changed else commit[:64],
        path=inside[-512:],
    )


def _git(path: Path, *arguments: str) -> str:
    """What git prints about a file's directory; empty where it cannot say."""
    try:
        done = subprocess.run(  # noqa: S603  # fixed words and a path, no shell
            ["git", "-C", str(path.parent), *arguments],  # noqa: S607  # git of the user's PATH
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""
