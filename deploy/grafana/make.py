"""Writes the dashboards: `python -m deploy.grafana.make`. They are committed; a test holds them against this."""

import json
from pathlib import Path
from typing import Final

from deploy.grafana.boards import BOARDS
from deploy.grafana.panels import dashboard

FOLDER: Final = Path(__file__).parent / "dashboards"


def documents() -> dict[str, str]:
    """What is in each file of the folder, by name."""
    return {f"{board.uid}.json": json.dumps(dashboard(board), indent=1) + "\n" for board in BOARDS}


def main() -> None:
    """Write them all; files of dashboards that are no more are removed."""
    made = documents()
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(made)} dashboards in {FOLDER}")


if __name__ == "__main__":
    main()
