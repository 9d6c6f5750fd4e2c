"""Prompts to begin with: each is served as an API, and comes with cases that try it."""

from importlib.resources import files
from typing import Final

_FOLDER: Final = files("llmgw.prompts.samples")
_NAMES: Final = ("sentiment", "categorise-feedback", "translate", "summarise")


def sample_names() -> tuple[str, ...]:
    """Name the samples."""
    return _NAMES


def sample(name: str) -> tuple[str, str]:
    """Read one sample: its `.prompt` file, and its dataset as lines of JSON.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in _NAMES:
        raise KeyError(name)
    prompt, dataset = (_FOLDER / f"{name}.{kind}" for kind in ("prompt", "jsonl"))
    return prompt.read_text(encoding="utf-8"), dataset.read_text(encoding="utf-8")
