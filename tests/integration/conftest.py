"""Stores of several servers."""

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.valkey_servers import Server, running
from tests.valkey_topologies import Trio, three_primaries


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Trio]:
    """Started for one test, for it loses its primary."""
    made = Trio(tmp_path)
    with running(made.sentinel, made.replica, made.primary):
        yield made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Three primaries that share the slots."""
    with three_primaries(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture(autouse=True)
def _collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect here what the client library forgot to close of servers that died, not in some later test."""
    yield
    if {"trio", "cluster"} & set(request.fixturenames):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
