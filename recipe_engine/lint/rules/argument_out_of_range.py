"""L361 argument-out-of-range (error)

TRL checks few of its numbers. A batch of 0 rows ends in a division by zero after the model is loaded, a negative
weight decay makes weights grow, and ``save_total_limit: 0`` keeps every checkpoint rather than none.

Fails:
    training:
      gradient_accumulation_steps: 0
Fails:
    training:
      algorithm: grpo
      top_p: 1.5
Passes:
    training:
      gradient_accumulation_steps: 16
Passes:
    training:
      algorithm: grpo
      top_p: 0.95
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recipe_engine.lint.rule import Context, Finding


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds; an open bound is itself outside."""

    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        low = f"{'above' if self.open_low else 'at least'} {self.low:g}"
        if self.high == float("inf"):
            return low
        return f"{low} and {'below' if self.open_high else 'at most'} {self.high:g}"


COUNT = Range(1)
NOT_NEGATIVE = Range(0)
POSITIVE = Range(0, open_low=True)
SHARE = Range(0, 1)
RANGES = {
    "per_device_train_batch_size": COUNT,
    "per_device_eval_batch_size": COUNT,
    "gradient_accumulation_steps": COUNT,
    "eval_accumulation_steps": COUNT,
    "save_total_limit": COUNT,
    "dataloader_num_workers": NOT_NEGATIVE,
    "dataloader_prefetch_factor": COUNT,
    "ddp_timeout": COUNT,
    "seed": NOT_NEGATIVE,
    "data_seed": NOT_NEGATIVE,
    "eval_delay": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "max_grad_norm": NOT_NEGATIVE,  # 0: gradients are not clipped
    "adam_beta1": Range(0, 1, open_high=True),
    "adam_beta2": Range(0, 1, open_high=True),
    "adam_epsilon": POSITIVE,
    "label_smoothing_factor": Range(0, 1, open_high=True),
    "neftune_noise_alpha": POSITIVE,
    # DPO
    "precompute_ref_batch_size": COUNT,
    "ref_model_mixup_alpha": SHARE,
    "ref_model_sync_steps": COUNT,
    # GRPO and GSPO
    "generation_batch_size": COUNT,
    "num_generations_eval": COUNT,
    "top_p": Range(0, 1, open_low=True),
    "top_k": NOT_NEGATIVE,  # 0: no limit
    "min_p": SHARE,
    "repetition_penalty": POSITIVE,
    "top_entropy_quantile": SHARE,
    "vllm_gpu_memory_utilization": Range(0, 1, open_low=True),
    "vllm_tensor_parallel_size": COUNT,
}


def check(context: Context) -> Iterator[Finding]:
    for name, allowed in RANGES.items():
        value = context.recipe.arguments.get(name)
        if value is not None and value not in allowed:
            yield Finding(("training", name), f"{name} is {value}", hint=f"write a number {allowed}")
