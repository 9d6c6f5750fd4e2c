"""What the simulator received, by model."""

import json
import urllib.request
from typing import Any


class Wiretap:
    """Reads the simulator's log of its last requests."""

    def __init__(self, simulator_url: str) -> None:
        self._url = f"{simulator_url.removesuffix('/v1')}/_sim/log"

    def bodies(self, model: str) -> list[dict[str, Any]]:
        """The bodies that were sent to a model, in their order."""
        with urllib.request.urlopen(self._url, timeout=20) as response:
            entries = json.load(response)
        return [
            json.loads(each["body"]) if isinstance(each["body"], str) else each["body"]
            for each in entries
            if each["model"] == model or f"/{model}:" in each["path"]
        ]
