"""Completions of prompts, one file an engine. A new one is a file here, a line in ``engine_for``, and its settings in
recipe/stages/generate.py."""

from __future__ import annotations

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.recipe.stages.generate import GenerateStage, HfEngine, HttpEngine, VllmEngine
from recipe_engine.runtime.generation.requests import Engine, Say


def engine_for(compiled: CompiledStage, stage: GenerateStage, say: Say, spent: float = 0.0) -> Engine:
    """The engine of a stage, with its model loaded. ``spent`` is what a service has cost it before.

    Raises:
        RunError: it cannot be used here.
    """
    # Each engine is imported alone: that of services needs no torch.
    if isinstance(stage.engine, HttpEngine):
        from recipe_engine.runtime.generation.http import HttpClient

        return HttpClient(stage.engine, stage, compiled.thinking, say, spent)
    from recipe_engine.runtime.generation import hf, vllm
    from recipe_engine.runtime.generation.prompts import Prompts

    prompts = Prompts.of(compiled, stage, say)
    if isinstance(stage.engine, VllmEngine):
        return vllm.load(stage.engine, stage, prompts, compiled, say)
    assert isinstance(stage.engine, HfEngine)
    return hf.load(stage.engine, stage, prompts, compiled, say)
