"""Recorded provider traffic, where a folder of it is at hand; see the README beside the records."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from llmgw.types import json

FOLDER: Final = Path(
    os.environ.get("LLMGW_RECORDINGS") or Path(__file__).parents[3] / "shared" / "recordings"
)


def records(*apis: str) -> Iterator[dict[str, Any]]:
    """Read the records of some APIs, in the order of the files."""
    for file in sorted(FOLDER.glob("*.jsonl.gz")):
        with gzip.open(file) as lines:
            for line in lines:
                record = json.decode(line)
                if record["api"] in apis:
                    yield record
