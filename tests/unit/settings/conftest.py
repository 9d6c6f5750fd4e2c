"""Settings files written for one test."""

from collections.abc import Callable
from pathlib import Path

import pytest
from llmgw.settings import ConfigError, Loaded, load


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], str]:
    """Write a settings file and give its path."""

    def write_file(text: str | bytes) -> str:
        path = tmp_path / "llmgw.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write_file


@pytest.fixture
def loaded(write: Callable[[str | bytes], str]) -> Callable[..., Loaded]:
    """Load settings text with the given environment."""

    def load_text(text: str | bytes, **environ: str) -> Loaded:
        return load(write(text), environ)

    return load_text


@pytest.fixture
def problems(write: Callable[[str | bytes], str]) -> Callable[..., list[str]]:
    """Give the problems of settings text, as an operator reads them."""

    def problems_of(text: str | bytes, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(write(text), environ)
        return [str(problem) for problem in caught.value.problems]

    return problems_of
