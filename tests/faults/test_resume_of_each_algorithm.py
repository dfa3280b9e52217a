"""A run that goes on from a checkpoint ends with the bytes of one that was never stopped, whatever the algorithm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe_engine.algorithms import NAMES
from tests.faults.fork_server import ForkServer
from tests.faults.resumes import SAVED, differences, trained

WHOLE = ("training.max_steps=60", "training.save_strategy=no", "training.per_device_train_batch_size=32")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ForkServer, Path]]:
    """A server, and a folder in which the SFT quickstart has run."""
    folder = tmp_path_factory.mktemp("resumes")
    server = ForkServer(folder / "cache")
    before = Path.cwd()
    os.chdir(folder)
    trained(server, "sft", 1, "models/quickstart-sft", *WHOLE)
    yield server, folder
    os.chdir(before)
    server.close()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_it_ends_as_if_it_had_never_stopped(place: tuple[ForkServer, Path], name: str, processes: int) -> None:
    server, _ = place
    output = f"models/{name}-{processes}"
    whole = trained(server, name, processes, output)
    checkpoint = f"training.resume={whole}/checkpoint-{SAVED}"
    resumed = trained(server, name, processes, f"{output}-resumed", checkpoint)
    assert differences(whole, resumed) == []
