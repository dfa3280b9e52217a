"""The config of algorithms that may sample one completion of each prompt, which GRPO cannot."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from trl import GRPOConfig


@dataclass
class SamplingConfig(GRPOConfig):
    """``GRPOConfig``, but for its demand of two completions a prompt."""

    def __post_init__(self) -> None:
        config: Any = self
        single = config.num_generations == 1
        if single:
            # Groups of all completions of a round pass every check that groups of one would.
            micro_batches = self.steps_per_generation or self.gradient_accumulation_steps
            processes = int(os.environ.get("WORLD_SIZE", "1"))
            whole_round = self.per_device_train_batch_size * micro_batches * processes
            config.num_generations = self.generation_batch_size or whole_round
            of_evaluation = config.num_generations_eval
            config.num_generations_eval = of_evaluation or 1
        super().__post_init__()
        if single:
            config.num_generations = 1
            config.num_generations_eval = of_evaluation
