"""A run that goes on from a checkpoint ends with the bytes of one that was never stopped, whatever the algorithm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.algorithms import NAMES
from tests.faults.resumes import SAVED, differences, trained
from tests.fork_server import ForkServer

WHOLE = ("training.max_steps=60", "training.save_strategy=no", "training.per_device_train_batch_size=32")

SHORT = {
    **{"sft": 1, "dpo": 1, "kto": 1, "reward_model": 1, "process_reward": 1, "gkd": 1},
    **{"online_dpo": 1, "grpo": 2, "ppo": 2, "prime": 1},
}
"""What runs without ``--long``, and on how many processes."""
SPECIAL = {
    "dropout": ("sft", ("model.use_lora=true", "model.lora_dropout=0.3", "training.gradient_accumulation_steps=2")),
    "a reference that follows": ("dpo", ("training.sync_ref_model=true", "training.ref_model_sync_steps=2")),
    "a penalty that follows": (
        "ppo",
        ("training.kl_controller=adaptive", "training.kl_in_reward=true", "training.beta=0.1"),
    ),
    "an entropy that is kept": (
        "grpo",
        ("training.use_adaptive_entropy=true", "training.entropy_coef=0.01", "training.entropy_target=2.0"),
    ),
}
"""State that lives beside the weights and the optimizer."""

pytestmark = pytest.mark.xdist_group("resumes")  # they share a server and a model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """A server; the current folder is one in which the SFT quickstart has run."""
    folder = tmp_path_factory.mktemp("resumes")
    server = ForkServer(folder / "cache")
    before = Path.cwd()
    os.chdir(folder)
    trained(server, "sft", 1, "models/quickstart-sft", *WHOLE)
    yield server
    os.chdir(before)
    server.close()


def cases() -> Iterator[Any]:
    """Each algorithm on one process and on two; without ``--long`` one of each kind of trainer, on one or the other."""
    for processes in (1, 2):
        for name in NAMES:
            marks = () if SHORT.get(name) == processes else pytest.mark.long
            yield pytest.param(name, processes, (), marks=marks, id=f"{name} on {processes}")
    for name, (algorithm, overrides) in SPECIAL.items():
        for processes in (1, 2):
            marks = () if processes == 1 else pytest.mark.long
            yield pytest.param(algorithm, processes, overrides, marks=marks, id=f"{name} on {processes}")


@pytest.mark.parametrize(("name", "processes", "overrides"), list(cases()))
def test_it_ends_as_if_it_had_never_stopped(
    place: ForkServer, request: pytest.FixtureRequest, name: str, processes: int, overrides: tuple[str, ...]
) -> None:
    output = f"models/{request.node.callspec.id.replace(' ', '-')}"
    whole = trained(place, name, processes, output, *overrides)
    checkpoint = f"training.resume={whole}/checkpoint-{SAVED}"
    resumed = trained(place, name, processes, f"{output}-resumed", *overrides, checkpoint)
    assert differences(whole, resumed) == []
