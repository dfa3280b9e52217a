"""PRIME (arXiv 2502.01456) on TRL's sampling: process rewards of a model that is trained on outcomes alone.

As in the paper's algorithm 1, a round is scored by the reward model as it is, and then both models are trained on the
round (``update: after`` in verl, a single forward).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.trainers.advantages import whiten
from recipe_engine.runtime.trainers.companion import Companion
from recipe_engine.runtime.trainers.companion_trainer import CompanionTrainer
from recipe_engine.runtime.trainers.process_rewards import (
    mean_reward,
    others_mean,
    outcome_advantages,
    outcome_loss,
    outside,
    process_returns,
)
from recipe_engine.runtime.trainers.resampling import refill
from recipe_engine.runtime.trainers.rollout import Batch


class PRIMETrainer(CompanionTrainer):
    """TRL's GRPO trainer with PRIME's advantages, its implicit reward model, and its filter of prompts."""

    companion_name = "prm"

    needs_reference = True

    @property
    def loss_beta(self) -> float:
        return float(self.settings.beta)

    def make_companion(self, policy: str) -> Companion:
        """A copy of the policy at the start: its log-ratio to the reference model is 0."""
        model = AutoModelForCausalLM.from_pretrained(policy, **(self.args.model_init_kwargs or {}))
        add_fused_lm_head(model, temperature=self.temperature, cast_lm_head_to_fp32=self.args.cast_lm_head_to_fp32)
        return Companion(model, log_probs_of)

    @property
    def companion_learning_rate(self) -> float:
        return float(self.settings.prm_learning_rate)

    def _calculate_rewards(self, *args: Any) -> Any:
        rewards = super()._calculate_rewards(*args)
        accuracy = self.demanded_scores()
        low, high = float(accuracy.min()), float(accuracy.max())
        if low < 0 or high > 1:
            raise RunError(
                f"prime needs an accuracy from 0 to 1, and the rewards sum up to {low if low < 0 else high:g}",
                hint="give each reward a weight with which their sum stays within 0 and 1",
            )
        return rewards

    def sample(self, rows: list[dict[str, str]]) -> Batch:
        batch = super().sample(rows)
        if self.model.training:
            self._refill(batch, rows)
        mask, accuracy = batch["completion_mask"], self.local(self.scores())
        group = self.num_generations if self.model.training else self.num_generations_eval
        log_ratios = (self.companion_says(batch) - batch["ref_per_token_logps"]) * mask
        rewards = self.settings.beta_train * log_ratios
        if self.settings.prime_norm == "batch_norm":
            rewards = rewards / (self._largest_return(rewards) + 1e-6)
        advantages = self.settings.process_reward_coef * self._process_returns(rewards, mask, group)
        over_others = outcome_advantages(self.scores(), group)
        advantages = advantages + self.settings.outcome_reward_coef * self.local(over_others).unsqueeze(-1) * mask
        batch["advantages"], spread = whiten(advantages, mask, self.total)
        batch["accuracy"] = accuracy
        tokens, reward = self.reduced(mask.sum(), (rewards * mask).sum())
        self.note_all(advantages__std=spread, prm__reward=reward / max(tokens, 1.0))
        return batch

    def _process_returns(self, rewards: Tensor, mask: Tensor, group: int) -> Tensor:
        """Returns of process rewards. A group may be on several processes, so means are gathered."""
        means = self.gathered(mean_reward(rewards, mask))
        return process_returns(rewards, mask, self.local(others_mean(means, group)))

    def _refill(self, batch: Batch, rows: list[dict[str, str]]) -> None:
        """Replace prompts outside the bounds, as far as ``oversample_factor`` lets it draw further rounds."""
        most = self.settings.oversample_factor
        missing, useless = refill(self, batch, rows, super().sample, self._worth_training, most)
        prompts = len(self.rewards) // self.num_generations
        self.note_all(
            filter__outside=useless[0] / prompts, filter__left=missing / prompts, sampling__rounds=len(useless)
        )

    def _worth_training(self) -> Tensor:
        settings = self.settings
        bounds = settings.accuracy_lower_bound, settings.accuracy_upper_bound
        return ~outside(self.scores(), self.num_generations, *bounds)

    def _largest_return(self, rewards: Tensor) -> Tensor:
        largest = rewards.flip(-1).cumsum(-1).abs().max()
        return self.gathered(largest.unsqueeze(0)).max()

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """The policy's clipped objective, and the cross-entropy of the implicit reward model on the accuracy."""
        policy_loss, log_probs, _ = self.loss_of_both(model, inputs)
        mask, accuracy = inputs["completion_mask"], inputs["accuracy"]
        log_ratios = log_probs - inputs["ref_per_token_logps"]
        loss, logits = outcome_loss(log_ratios, mask, accuracy, self.settings.beta_train)
        steps = self.current_gradient_accumulation_steps if self.model.training else 1
        right = ((logits > 0) == (accuracy > 0.5)).float().mean()
        processes = self.accelerator.num_processes
        prm_loss, prm_right, policy = self.reduced(loss, right, policy_loss)
        self.note_all(
            policy_loss=policy * steps / processes, prm__loss=prm_loss / processes, prm__accuracy=prm_right / processes
        )
        return policy_loss + loss / steps


def log_probs_of(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """The log-probability of each token but the first."""
    wanted = {name: inputs[name] for name in ("input_ids", "attention_mask", "labels")}
    log_probs: Tensor = model(**wanted, fused_lm_head=True).log_probs
    return log_probs
