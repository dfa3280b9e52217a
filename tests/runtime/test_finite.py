"""A loss that is not a number ends a run before it spoils the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from trl import SFTTrainer

from recipe_engine.checkpoints import newest_whole
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.worker import train
from tests.runtime.support import compiled


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_run_ends_in_that_step_and_keeps_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    settings = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, "per_device_train_batch_size": 2}
    run = compiled(tmp_path, "sft", {"name": "builtin/conversations"}, training=settings)
    original = SFTTrainer.compute_loss

    def spoiled(self: Any, *arguments: Any, **keywords: Any) -> Any:
        loss = original(self, *arguments, **keywords)
        return loss * bad if self.state.global_step == 4 else loss

    monkeypatch.setattr(SFTTrainer, "compute_loss", spoiled)
    with pytest.raises(RunError, match=r"the loss is (nan|inf) in step 5"):
        train(run)
    newest = newest_whole(Path(run.output_dir))
    assert newest is not None
    assert newest.name == "checkpoint-4"
    from safetensors.torch import load_file

    assert all(torch.isfinite(weight).all() for weight in load_file(newest / "model.safetensors").values())
