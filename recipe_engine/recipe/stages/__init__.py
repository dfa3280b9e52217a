"""The stages of a pipeline, one file a kind. A new kind is a class here, a line in ``STAGES``, and what carries it out.

A value that is ``$name`` refers to what another stage made, or to a name that the pipeline or a loop gives: where rows
are asked for, to rows; where a model is, to a model.
"""

from __future__ import annotations

from recipe_engine.recipe.stages.base import Stage
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.stages.gate import GateStage
from recipe_engine.recipe.stages.generate import GenerateStage
from recipe_engine.recipe.stages.loop import LoopStage
from recipe_engine.recipe.stages.prepare import PrepareStage
from recipe_engine.recipe.stages.score import ScoreStage
from recipe_engine.recipe.stages.select import SelectStage
from recipe_engine.recipe.stages.train import TrainStage

STAGES: dict[str, type[Stage]] = {
    "prepare": PrepareStage,
    "generate": GenerateStage,
    "score": ScoreStage,
    "select": SelectStage,
    "train": TrainStage,
    "evaluate": EvaluateStage,
    "gate": GateStage,
    "loop": LoopStage,
}

__all__ = ["STAGES", "Stage"]
