"""What a checkpoint carries from one start of a run to the next beside what transformers and TRL put there.

Each process keeps a file of its own: the sums of the log line that is being made, and the round of samples that is
being trained on, which TRL would draw anew, with other weights. A reference model that follows the policy is kept once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

REFERENCE = "reference.safetensors"

_SUMS = ("_total_train_tokens", "_globalstep_last_logged")


def save_carried(trainer: Any, checkpoint: Path) -> None:
    """Write this process's part of what is carried into a checkpoint, unless that holds the model alone."""
    if trainer.args.save_only_model:
        return
    state = {"made_for": _made_for(trainer), "sums": _sums(trainer), "round": _round(trainer)}
    torch.save(state, _file(checkpoint, trainer.args.process_index))
    if trainer.args.should_save and (reference := moving_reference(trainer)) is not None:
        save_model(reference, str(checkpoint / REFERENCE))


def moving_reference(trainer: Any) -> Any:
    """The reference model that follows the policy, where there is one and each process holds the whole of it."""
    follows = getattr(trainer.args, "sync_ref_model", False) and not _sharded(trainer)
    return trainer.accelerator.unwrap_model(trainer.ref_model) if follows else None


class CarriedOn(TrainerCallback):
    """Goes on with what the checkpoint carries that training is resumed from."""

    def __init__(self, trainer: Any, checkpoint: str | None, say: Callable[[str], None]) -> None:
        self.trainer = trainer
        self.checkpoint = checkpoint
        self.say = say

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if getattr(args, "sync_ref_model", False) and _sharded(self.trainer):
            self.say(
                "sync_ref_model: checkpoints do not hold a reference model that is split over processes: a resumed "
                "run would begin with the one that the run was started with"
            )
        if self.checkpoint is None:
            return
        file = _file(Path(self.checkpoint), args.process_index)
        device = "cpu" if args.device.type == "cpu" else args.device  # torch.load knows no cpu:0
        kept = torch.load(file, map_location=device, weights_only=True) if file.is_file() else None
        fits = torch.tensor(kept is not None and kept["made_for"] == _made_for(self.trainer), device=args.device)
        # One process that draws anew while another does not would wait for it forever.
        agreed = bool(self.trainer.accelerator.gather(fits.unsqueeze(0)).all())
        if agreed and kept is not None:
            _restore_sums(self.trainer, kept["sums"])
        if agreed and kept is not None and kept["round"] is not None:
            self.trainer._step, self.trainer._buffered_inputs = kept["round"]["step"], kept["round"]["inputs"]
        elif hasattr(self.trainer, "_buffered_inputs"):
            self.say("resume: the checkpoint holds no round of samples that fits this run; a new one is drawn")
        self._restore_reference(Path(self.checkpoint))

    def _restore_reference(self, checkpoint: Path) -> None:
        reference = moving_reference(self.trainer)
        if reference is None:
            return
        if (checkpoint / REFERENCE).is_file():
            load_model(reference, checkpoint / REFERENCE)
        else:
            self.say("resume: the checkpoint holds no reference model; it begins as the run was started")


def _file(checkpoint: Path, process: int) -> Path:
    return checkpoint / f"carried_{process}.pt"


def _made_for(trainer: Any) -> list[int]:
    """What it fits: the number of processes, and whether a round holds a reference model's view."""
    return [trainer.args.world_size, int(getattr(trainer, "beta", 0) != 0)]


def _sums(trainer: Any) -> dict[str, Any]:
    """What the next log line is made of. ``metrics`` are TRL's: values of each step by their name."""
    sums: dict[str, Any] = {name: getattr(trainer, name) for name in _SUMS if hasattr(trainer, name)}
    metrics = getattr(trainer, "_metrics", {}).get("train", {})
    plain = {name: [_plain(value) for value in values] for name, values in metrics.items()}
    return sums | {"loss": trainer._tr_loss.detach().clone(), "metrics": plain}


def _restore_sums(trainer: Any, sums: dict[str, Any]) -> None:
    for name in _SUMS:
        if name in sums and hasattr(trainer, name):
            setattr(trainer, name, sums[name])
    trainer._tr_loss.copy_(sums["loss"])
    trainer._total_loss_scalar = -float(sums["loss"])  # the mean at the end is one of the steps since the resume
    if hasattr(trainer, "_metrics"):
        trainer._metrics["train"].update(sums["metrics"])


def _plain(value: Any) -> Any:
    return value if isinstance(value, torch.Tensor | int | float) else float(value)


def _round(trainer: Any) -> dict[str, Any] | None:
    if getattr(trainer, "_buffered_inputs", None) is None:
        return None
    return {"step": trainer._step, "inputs": trainer._buffered_inputs}


def _sharded(trainer: Any) -> bool:
    return bool(trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled)
