"""MiniLLM (arXiv 2306.08543): the reverse KL to the teacher, minimised by policy gradient."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.gkd import NO_REWARDS, derived
from recipe_engine.algorithms.rollout import EvaluationSampling
from recipe_engine.algorithms.teacher import BEFORE_LOADING, TeacherSettings


class MinillmSettings(TeacherSettings, EvaluationSampling):
    """Settings of MiniLLM, with the paper's defaults."""

    learning_rate: Annotated[float, Field(gt=0)] = 5e-6
    """Peak learning rate of AdamW."""
    teacher_mixed_alpha: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the teacher in the distribution that each token is sampled from (equation 4). What that changes is
    weighed back (equation 5). 0: the student samples alone."""
    single_step_decomposition: bool = True
    """Take the gradient of each single step's expected reward exactly, over the whole vocabulary (equation 3)."""
    length_normalization: bool = True
    """Divide the return of a token by the number of tokens that it sums over (equation 6)."""
    pt_coef: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the language modelling loss on the data's completions (L_PT of algorithm 1). Above 0 the rows must have
    completions."""
    epsilon: Annotated[float, Field(gt=0)] = 0.2
    """Clip range below 1 of the ratio of the student to the distribution that was sampled from."""
    epsilon_high: Annotated[float, Field(gt=0)] | None = None
    """Clip range above 1. Default: ``epsilon``."""
    num_generations: Annotated[int, Field(ge=1)] = 1
    """Completions sampled for each prompt."""
    max_completion_length: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a completion. Default: ``data.max_length - data.max_prompt_length``."""
    steps_per_generation: Annotated[int, Field(ge=1)] | None = None
    """Micro-batches that one round of sampling is cut into. Default: ``gradient_accumulation_steps``, which makes one
    optimizer step a round."""
    num_iterations: Annotated[int, Field(ge=1)] = 1
    """Passes over each round of samples."""


ALGORITHM = Algorithm(
    name="minillm",
    summary="reverse-KL distillation of a teacher by policy gradient",
    settings=MinillmSettings,
    config="GRPOConfig",
    config_class="recipe_engine.runtime.trainers.sampling:SamplingConfig",
    trainer="recipe_engine.runtime.trainers.minillm:MiniLLMTrainer",
    shapes=("prompt_completion", "prompt"),
    derived=derived,
    before_loading=BEFORE_LOADING,
    # Returns are log-ratios of the distributions themselves, so that is what must be sampled from.
    unused=NO_REWARDS | {"beta", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "generation_kwargs"},
    models=("teacher_model",),
    sampling="groups",
    learning_rates=(1e-8, 1e-3),
)
