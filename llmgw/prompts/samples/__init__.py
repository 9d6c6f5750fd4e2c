"""Prompts to begin with: each is served as an API, and comes with cases that try it."""

from importlib.resources import files
from typing import Final, NamedTuple

from llmgw.types.json import decode, encode

_FOLDER: Final = files("llmgw.prompts.samples")
_NAMES: Final = ("sentiment", "categorise-feedback", "translate", "summarise")


class Sample(NamedTuple):
    """A `.prompt` file, the cases that a good model passes, and the same held to no more than the output schema.

    The last are for a model that understands nothing, such as the simulator.
    """

    prompt: str
    dataset: str
    shape: str


def sample_names() -> tuple[str, ...]:
    """Name the samples."""
    return _NAMES


def sample(name: str) -> Sample:
    """Read one sample.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in _NAMES:
        raise KeyError(name)
    prompt, dataset = ((_FOLDER / f"{name}.{kind}").read_text("utf-8") for kind in ("prompt", "jsonl"))
    return Sample(prompt, dataset, "".join(map(_shape, dataset.splitlines())))


def _shape(line: str) -> str:
    case = decode(line.encode())
    case["assert"] = [{"type": "json-schema"}]
    return f"{encode(case).decode()}\n"
