from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer

from recipe_engine.runtime.worker import train
from tests.runtime.support import Row, compiled, write_rows

MakeTrainer = Callable[..., Any]


class TrainerMadeError(Exception):
    """The trainer is there; no step is wanted."""


@pytest.fixture(autouse=True)
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path_factory.getbasetemp() / "numerics-cache"))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture
def make_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTrainer:
    """The trainer that a recipe is compiled to, before its first step."""

    def make(algorithm: str, rows: list[Row], **blocks: Any) -> Any:
        made: list[Any] = []

        def stop(self: Trainer, **_: object) -> None:
            made.append(self)
            raise TrainerMadeError

        monkeypatch.setattr(Trainer, "train", stop)
        name = write_rows(tmp_path / "rows.jsonl", rows)
        with pytest.raises(TrainerMadeError):
            train(compiled(tmp_path, algorithm, {"name": name}, **blocks))
        (trainer,) = made
        trainer.current_gradient_accumulation_steps = 1  # the training loop sets it
        trainer.model.train()
        return trainer

    return make
