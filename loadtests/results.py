"""Where results go: the part of `RESULTS.md` that runs write, and the picture."""

from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
PICTURE: Final = Path(__file__).parents[1] / "docs/bench.svg"
BEGIN: Final = "<!-- what follows is written by a run -->"
END: Final = "<!-- what a run writes ends here -->"


def written(page: str, part: str) -> str:
    """Put a run's part where the last run's was; what people wrote around it stays.

    Raises:
        ValueError: the page has no place for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("there is no place for a run's results")
    return f"{before}{BEGIN}\n\n{part.strip()}\n\n{END}{after}"
