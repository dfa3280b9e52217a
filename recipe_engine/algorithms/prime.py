"""PRIME (arXiv 2502.01456): a reward for every token from a model that learns only which completions were right."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.grpo import derived_arguments
from recipe_engine.algorithms.ppo import UNUSED, SampledSettings
from recipe_engine.algorithms.rollout import sizes_of

Share = Annotated[float, Field(ge=0, le=1)]


class PrimeSettings(SampledSettings):
    """Settings of process reinforcement through implicit rewards."""

    learning_rate: Annotated[float, Field(gt=0)] = 5e-7
    """Peak learning rate of AdamW for the policy."""
    num_generations: Annotated[int, Field(ge=2)] = 4
    """Completions sampled for each prompt: the others of a group are the baseline of each."""
    kl_in_reward: Literal[False] = False
    """The penalty is in the loss: rewards of tokens are those of the implicit reward model."""
    prm_learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of the implicit process reward model; its schedule has the shape of the policy's."""
    beta_train: Annotated[float, Field(gt=0)] = 0.05
    """Weight of the log-ratio of the implicit process reward model to the reference model: a token's reward."""
    process_reward_coef: Annotated[float, Field(ge=0)] = 5.0
    """Weight of the process rewards in the advantage."""
    outcome_reward_coef: Annotated[float, Field(ge=0)] = 5.0
    """Weight of the accuracy in the advantage."""
    prime_norm: Literal["none", "batch_norm"] = "none"
    """``batch_norm``: process rewards are divided by the largest return that they make in the round, as verl does."""
    accuracy_lower_bound: Share = 0.2
    """Prompts whose completions are right less often than this are replaced. 0: none are."""
    accuracy_upper_bound: Share = 0.8
    """Prompts whose completions are right more often than this are replaced. 1: none are."""
    oversample_factor: Annotated[int, Field(ge=1)] = 4
    """Most times that a round is sampled in order to replace prompts outside the bounds, the first one included. 1: no
    replacement."""


ALGORITHM = Algorithm(
    name="prime",
    summary="process reinforcement through implicit rewards, on an accuracy",
    settings=PrimeSettings,
    config="GRPOConfig",
    trainer="recipe_engine.runtime.trainers.prime:PRIMETrainer",
    shapes=("prompt",),
    derived=derived_arguments,
    sizes=sizes_of,
    unused=UNUSED,
    sampling="groups",
    reward_driven=True,
    learning_rates=(1e-8, 1e-4),
)
