"""A sign of life for the launcher, which ends a run in which nothing moves any more."""

from __future__ import annotations

import faulthandler
import os
import signal
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from recipe_engine.progress import Heart


class Heartbeat(TrainerCallback):
    """Beats with every forward pass of the model, whatever it is for, and wherever training goes on to something else.

    On SIGUSR1 the process writes down where each of its threads stands, also while it waits within a library.
    """

    def __init__(self, run_dir: Path) -> None:
        self.heart = Heart(run_dir, int(os.environ.get("RANK", "0")))
        self.step = 0
        self.phase = "loading"
        self.stacks = self.heart.stacks.open("w", encoding="utf-8")  # open for as long as the process lives
        faulthandler.register(signal.SIGUSR1, self.stacks, all_threads=True)
        self.heart.beat(0, self.phase)

    def watch(self, trainer: Any) -> None:
        """Beat with each forward pass of the trainer's model: sampling has no other event."""
        model = trainer.model
        if hasattr(model, "get_base_model"):
            model = model.get_base_model()  # an adapter's forward pass is not called in generation
        if not trainer.args.torch_compile:  # a hook would be compiled along, and break the graph
            model.register_forward_pre_hook(self._on_forward)

    def __deepcopy__(self, _: dict[int, Any]) -> Heartbeat:
        """A model that is watched may be copied. A process has one heart."""
        return self

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._beat("training", state)

    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._beat("training", state)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # What follows within the loop, in this order.
        following = "evaluating" if control.should_evaluate else "saving" if control.should_save else "training"
        self._beat(following, state)

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._beat("evaluating", state)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._beat("saving" if control.should_save else "training", state)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._beat("training", state)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._beat("finishing", state)

    def _beat(self, phase: str, state: TrainerState) -> None:
        self.step, self.phase = state.global_step, phase
        self.heart.beat(self.step, phase)

    def _on_forward(self, module: Any, _: Any) -> None:
        samples = self.phase == "training" and not module.training
        self.heart.beat(self.step, "sampling" if samples else self.phase)
