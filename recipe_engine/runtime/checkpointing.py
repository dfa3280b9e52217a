"""Checkpoints that appear whole or not at all, and hold what transformers and TRL leave out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import rotate_checkpoints

from recipe_engine.checkpoints import STAGING, rename_into_place, seal
from recipe_engine.runtime.disk import full_disk
from recipe_engine.runtime.errors import RunError


def save_whole(trainer: Any) -> None:
    """Have a trainer write each checkpoint aside, and rename it into place once every process has written its part.

    Older ones are rotated only then: at no moment is there none.
    """
    write, place = trainer._save_checkpoint, trainer._get_output_dir

    def save(model: Any, trial: Any) -> None:
        output = Path(place(trial=trial))
        staging, name = output / STAGING, f"checkpoint-{trainer.state.global_step}"
        if trainer.args.should_save:
            shutil.rmtree(staging, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        limit, trainer.args.save_total_limit = trainer.args.save_total_limit, None
        trainer._get_output_dir = lambda trial=None: str(staging)
        try:
            write(model, trial)
        except Exception as error:
            if trainer.args.should_save:
                shutil.rmtree(staging, ignore_errors=True)  # half a checkpoint helps nobody, and fills the disk
            if (full := full_disk(error, output, _size_of(model))) is not None:
                step = trainer.state.global_step
                raise RunError(f"{full.message}: the checkpoint of step {step} was not saved", full.hint) from error
            raise
        finally:
            trainer._get_output_dir, trainer.args.save_total_limit = place, limit
        _save_round(trainer, staging / name)
        if trainer.state.best_model_checkpoint == str(staging / name):
            trainer.state.best_model_checkpoint = str(output / name)
            if trainer.args.should_save:
                trainer.state.save_to_json(str(staging / name / TRAINER_STATE_NAME))
        trainer.accelerator.wait_for_everyone()
        if trainer.args.should_save:
            seal(staging / name)
            shutil.rmtree(output / name, ignore_errors=True)  # one that was cut off, or of an earlier attempt
            rename_into_place(staging / name, output / name)
            shutil.rmtree(staging)
            rotate_checkpoints(
                output_dir=str(output),
                save_total_limit=limit,
                best_model_checkpoint=trainer.state.best_model_checkpoint,
                use_mtime=False,  # by step: clocks jump
            )
        trainer.accelerator.wait_for_everyone()

    trainer._save_checkpoint = save


def _size_of(model: Any) -> int:
    """Bytes of a model's weights."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _round_file(checkpoint: Path, process: int) -> Path:
    return checkpoint / f"round_{process}.pt"


def _save_round(trainer: Any, checkpoint: Path) -> None:
    """Keep the round of samples that is being trained on, which TRL would draw anew: with other weights."""
    if getattr(trainer, "_buffered_inputs", None) is not None and not trainer.args.save_only_model:
        state = {"step": trainer._step, "inputs": trainer._buffered_inputs, "made_for": _made_for(trainer)}
        torch.save(state, _round_file(checkpoint, trainer.args.process_index))


def _made_for(trainer: Any) -> list[int]:
    """What a round fits: the number of processes that share it, and whether it holds a reference model's view."""
    return [trainer.args.world_size, int(trainer.beta != 0)]


class RoundRestored(TrainerCallback):
    """Goes on with the round of samples of the checkpoint that training is resumed from."""

    def __init__(self, trainer: Any, checkpoint: str | None, say: Callable[[str], None]) -> None:
        self.trainer = trainer
        self.checkpoint = checkpoint
        self.say = say

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.checkpoint is None or not hasattr(self.trainer, "_buffered_inputs"):
            return
        file = _round_file(Path(self.checkpoint), args.process_index)
        device = "cpu" if args.device.type == "cpu" else args.device  # torch.load knows no cpu:0
        kept = torch.load(file, map_location=device, weights_only=True) if file.is_file() else None
        fits = torch.tensor(kept is not None and kept["made_for"] == _made_for(self.trainer), device=args.device)
        # One process that draws anew while another does not would wait for it forever.
        agreed = bool(self.trainer.accelerator.gather(fits.unsqueeze(0)).all())
        if agreed and kept is not None:
            self.trainer._step, self.trainer._buffered_inputs = kept["step"], kept["inputs"]
        else:
            self.say("resume: the checkpoint holds no round of samples that fits this run; a new one is drawn")


def was_at_the_end(checkpoint: str, args: TrainingArguments) -> bool:
    """Whether a checkpoint is that of the last step. Going on from it, transformers would train one step too many."""
    state = json.loads(Path(checkpoint, TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    planned = args.max_steps if args.max_steps > 0 else state["max_steps"]
    same_epochs = args.max_steps > 0 or state["num_train_epochs"] >= args.num_train_epochs
    return bool(same_epochs and state["global_step"] >= planned)
