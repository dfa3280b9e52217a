"""What a run writes to the disk: its model, and each checkpoint with all that going on needs."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_engine.parallel.memory import Placement, weight_bytes
from recipe_engine.parallel.optimizers import state_bytes
from recipe_engine.parallel.workload import Held, Workload


@dataclass(frozen=True, slots=True)
class Saved:
    """Bytes of the files."""

    model: float
    """The model that is left at the end; with adapters, these alone."""
    state: float
    """What a checkpoint has beside its model: the optimizer, and the weights that it steps on."""


def saved_of(work: Workload, place: Placement) -> Saved:
    """What one save of the run takes, on all machines together."""
    trained = [model for model in (work.policy, *work.others) if model.trained]
    models = sum(_model_file(model, work, place) for model in trained)
    state = 0.0
    for model in trained:
        if place.stage:
            # Each process writes its share of the optimizer with float32 weights, and DeepSpeed the 16-bit ones again.
            state += model.trained * (4 + state_bytes(work.optim, 4)) + _model_file(model, work, place)
        else:
            weights, _, optimizer = weight_bytes(model, work, place)
            state += optimizer + (weights if place.strategy == "fsdp2" else 0)  # accelerate saves them once more
    return Saved(models, state)


def _model_file(model: Held, work: Workload, place: Placement) -> float:
    if model.trained < model.size.parameters:
        return float(model.trained * model.trained_width)
    if place.stage:
        return float(model.trained * (2 if work.mixed else 4))
    return weight_bytes(model, work, place)[0]
