"""PRIME (arXiv 2502.01456) on TRL's sampling: process rewards of a model that is trained on outcomes alone.

As in the paper's algorithm 1, a round is scored by the reward model as it is, and then both models are trained on the
round (``update: after`` in verl, a single forward).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from recipe_engine.algorithms.prime import PrimeSettings
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.trainers.companion import Companion
from recipe_engine.runtime.trainers.companion_trainer import CompanionTrainer
from recipe_engine.runtime.trainers.gae import whiten
from recipe_engine.runtime.trainers.process_rewards import outcome_loss, outcome_returns, outside, process_returns
from recipe_engine.runtime.trainers.refill import replace_groups


class PRIMETrainer(CompanionTrainer):
    """TRL's GRPO trainer with PRIME's advantages, its implicit reward model, and its filter of prompts."""

    settings: PrimeSettings
    companion_name = "prm"

    needs_reference = True
    refilled = False
    """Whether prompts of the round at hand were replaced."""

    def __init__(self, **others: Any) -> None:
        super().__init__(**others)
        demand_whole_groups(self.args)

    def make_companion(self, policy: str) -> Companion:
        """A copy of the policy at the start: its log-ratio to the reference model is 0."""
        model = AutoModelForCausalLM.from_pretrained(policy, **(self.args.model_init_kwargs or {}))
        add_fused_lm_head(model, temperature=self.temperature, cast_lm_head_to_fp32=self.args.cast_lm_head_to_fp32)
        return Companion(model, log_probs_of)

    @property
    def companion_learning_rate(self) -> float:
        return float(self.settings.prm_learning_rate)

    def _calculate_rewards(self, *args: Any) -> Tensor:
        rewards: Tensor = super()._calculate_rewards(*args)
        accuracy = self.scores()
        low, high = float(accuracy.min()), float(accuracy.max())
        if low < 0 or high > 1:
            raise RunError(
                f"prime needs an accuracy from 0 to 1, and the rewards sum up to {low if low < 0 else high:g}",
                hint="give each reward a weight with which their sum stays within 0 and 1",
            )
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = self._sampled(inputs)
        self.refilled = False
        if self.model.training:
            output = self._refilled(output, len(inputs))
        mask, accuracy = output["completion_mask"], output["accuracy"]
        group = self.num_generations if self.model.training else self.num_generations_eval
        log_ratios = (self.companion_says(output) - output["ref_per_token_logps"]) * mask
        rewards = self.settings.beta_train * log_ratios
        if self.settings.prime_norm == "batch_norm":
            rewards = rewards / (self._largest_return(rewards) + 1e-6)
        settings = self.settings
        advantages = settings.process_reward_coef * process_returns(rewards, mask, group)
        advantages = advantages + settings.outcome_reward_coef * outcome_returns(accuracy, mask, group)
        output["advantages"], spread = whiten(advantages, mask, self.sums)
        if not self.refilled:  # else the table holds replaced completions
            self.log_advantages(output)
        tokens, reward = self.reduced(mask.sum(), (rewards * mask).sum())
        self.note_all(advantages__std=spread, prm__reward=reward / max(tokens, 1.0))
        return output

    def _sampled(self, inputs: Any) -> dict[str, Any]:
        """A round as TRL samples it, with the accuracy of each completion."""
        output = self.sample(inputs)
        return output | {"accuracy": self.local(self.scores())}

    def _refilled(self, output: dict[str, Any], rows: int) -> dict[str, Any]:
        """The round with prompts outside the bounds replaced, as far as ``oversample_factor`` lets it draw.

        Each process looks at its own prompts; all draw as many as the one that lacks most, since they score together.
        """
        settings, group = self.settings, self.num_generations
        bounds = settings.accuracy_lower_bound, settings.accuracy_upper_bound
        bad = outside(output["accuracy"], group, *bounds)
        prompts = rows // group
        (found,) = self.reduced(bad.sum())
        drawn = 0
        while drawn < prompts * (settings.oversample_factor - 1):
            needed = int(self.accelerator.gather(bad.sum().unsqueeze(0)).max())
            needed = min(needed, prompts * (settings.oversample_factor - 1) - drawn)
            if needed == 0:
                break
            more = self._sampled(self._drawn(needed, drawn))
            drawn += needed
            self.refilled = True
            good = (~outside(more["accuracy"], group, *bounds)).nonzero().flatten()
            places = bad.nonzero().flatten()
            count = min(len(good), len(places))
            fill = self.processing_class.pad_token_id
            output = replace_groups(output, more, places[:count], good[:count], group, fill)
            bad[places[:count]] = False
        tokens = output["completion_mask"].sum()
        output["num_items_in_batch"] = self.accelerator.gather(tokens).sum()
        (left,) = self.reduced(bad.sum())
        everywhere = prompts * self.accelerator.num_processes
        self.note_all(filter__outside=found / everywhere, filter__left=left / everywhere, filter__drawn=drawn / prompts)
        return output

    def _drawn(self, prompts: int, drawn: int) -> list[Any]:
        """Further prompts, each ``num_generations`` times: at random, and the same again where training resumes."""
        in_step = self._step % self.args.gradient_accumulation_steps
        place = (self.args.seed, self.state.global_step, in_step, drawn, self.accelerator.process_index)
        generator = torch.Generator().manual_seed(hash(place) % (1 << 63))  # of integers, so the same everywhere
        rows = torch.randint(len(self.train_dataset), (prompts,), generator=generator)
        return [self.train_dataset[int(row)] for row in rows.repeat_interleave(self.num_generations)]

    def _largest_return(self, rewards: Tensor) -> Tensor:
        largest = rewards.flip(-1).cumsum(-1).abs().max()
        return self.accelerator.gather(largest.unsqueeze(0)).max()

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


def demand_whole_groups(args: Any) -> None:
    """Raises ``ValueError`` where a prompt's completions are on several processes, each of which filters its own."""
    rows = args.per_device_train_batch_size * args.steps_per_generation
    if rows % args.num_generations:
        raise ValueError(
            f"per_device_train_batch_size {args.per_device_train_batch_size} x steps_per_generation "
            f"{args.steps_per_generation} are no whole groups of num_generations {args.num_generations}: prime "
            "filters prompts on the process that sampled all their completions"
        )


def log_probs_of(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """The log-probability of each token but the first."""
    wanted = {name: inputs[name] for name in ("input_ids", "attention_mask", "labels")}
    log_probs: Tensor = model(**wanted, fused_lm_head=True).log_probs
    return log_probs
