"""Proximal policy optimization on TRL's sampling: a critic, generalized advantages, a KL penalty in the reward."""

from __future__ import annotations

import json
import os
from typing import Any

import torch
from torch import Tensor

from recipe_engine.runtime.trainers.advantages import at_last_token, whiten
from recipe_engine.runtime.trainers.companion import Companion
from recipe_engine.runtime.trainers.companion_trainer import CompanionTrainer
from recipe_engine.runtime.trainers.critic import load_critic
from recipe_engine.runtime.trainers.gae import explained_variance, gae, value_losses
from recipe_engine.runtime.trainers.kl_control import KlControl
from recipe_engine.runtime.trainers.rollout import Batch

KL_STATE = "kl_control.json"


class PPOTrainer(CompanionTrainer):
    """TRL's GRPO trainer with the advantages and the second loss of PPO (arXiv 1707.06347, equation 9)."""

    companion_name = "critic"

    def __init__(self, *, settings: Any, **others: Any) -> None:
        self.warmup_steps = settings.critic_warmup_steps
        target = settings.target_kl if settings.kl_controller == "adaptive" else None
        self.kl_control = KlControl(settings.beta, target, settings.kl_horizon)
        super().__init__(settings=settings, **others)

    def make_companion(self, policy: str) -> Companion:
        return load_critic(policy, self.settings, self.args.model_init_kwargs or {}, self.processing_class)

    @property
    def companion_learning_rate(self) -> float:
        return float(self.settings.critic_learning_rate)

    def sample(self, rows: list[dict[str, str]]) -> Batch:
        batch = super().sample(rows)
        mask = batch["completion_mask"]
        scores = self.local(self.demanded_scores()) - self._missing_end(batch)
        values = self.companion_says(batch) * mask
        penalty = self.penalty(batch)
        rewards = at_last_token(scores, mask) - penalty
        advantages, returns = gae(rewards, values, mask, self.settings.gamma, self.settings.lam)
        batch["advantages"], spread = whiten(advantages, mask, self.total)
        batch |= {"values": values, "returns": returns}
        self._note_round(batch, rewards, scores, spread)
        if self.settings.kl_in_reward and self.beta > 0:
            self._steer(penalty / self.beta, mask)
        return batch

    def _steer(self, kl: Tensor, mask: Tensor) -> None:
        """Correct the penalty's weight for the next round by the KL of this: a mean over tokens, then completions."""
        self.note("kl_coef", self.beta)
        if self.model.training:
            of_each = kl.sum(-1) / mask.sum(-1).clamp(min=1)
            total, completions = self.reduced(of_each.sum(), (mask.sum(-1) > 0).sum())
            self.kl_control.update(total / max(completions, 1.0), len(self.rewards))
            self.beta = self.kl_control.coefficient

    def _missing_end(self, output: dict[str, Any]) -> Tensor:
        """The penalty of each completion that was cut before its end."""
        mask, ids = output["completion_mask"], output["completion_ids"]
        last = ids.gather(1, (mask.sum(-1, keepdim=True) - 1).clamp(min=0)).squeeze(1)
        ended = torch.isin(last, torch.tensor(self.eos_token_ids, device=last.device))
        return (self.settings.missing_eos_penalty or 0.0) * (~ended).float()

    def _note_round(self, output: dict[str, Any], rewards: Tensor, scores: Tensor, spread: float) -> None:
        mask, values, returns = output["completion_mask"], output["values"], output["returns"]
        sums = (mask.sum(), (values * mask).sum(), (returns * mask).sum(), scores.sum(), rewards.sum())
        tokens, value, gain, score, after_kl = self.reduced(*sums)
        completions = len(mask) * self.accelerator.num_processes
        self.note_all(
            advantages__std=spread,
            returns__mean=gain / max(tokens, 1.0),
            value__mean=value / max(tokens, 1.0),
            score=score / completions,
            reward_after_kl=after_kl / completions,
        )
        explained = explained_variance(values, returns, mask, self.total)
        if explained is not None:
            self.note_all(value__explained_variance=explained)
        if self.num_generations == 1:  # every group of one is without spread
            self._metrics["train" if self.model.training else "eval"].pop("frac_reward_zero_std", None)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """The clipped objective on tokens, the entropy bonus, and the critic's loss, each a mean over tokens."""
        policy_loss, values, outputs = self.loss_of_both(model, inputs)
        losses, clipped = value_losses(values, inputs["values"], inputs["returns"], self.settings.cliprange_value)
        value_loss = self.averaged(losses, inputs)
        self._note_losses(policy_loss, losses, clipped, outputs, inputs)
        return policy_loss + value_loss

    def _note_losses(
        self, policy_loss: Tensor, losses: Tensor, clipped: Tensor, outputs: Any, inputs: dict[str, Any]
    ) -> None:
        mask = inputs["completion_mask"]
        log_probs = outputs.log_probs[:, -mask.size(1) :].detach()
        drift = log_probs - inputs.get("old_per_token_logps", log_probs)
        away = torch.exp(drift) - 1 - drift  # Schulman's k3, of the policy at the time of sampling
        sums = [mask.sum(), *((x * mask).sum() for x in (losses, clipped, away)), policy_loss]
        tokens, value_loss, clips, moved, policy = self.reduced(*sums)
        tokens = max(tokens, 1.0)
        steps = self.current_gradient_accumulation_steps if self.model.training else 1
        self.note_all(
            policy_loss=policy * steps / self.accelerator.num_processes,
            value_loss=value_loss / tokens,
            value__clip_ratio=clips / tokens,
            approx_kl=moved / tokens,
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save and self.kl_control.target is not None:
            folder = os.path.join(self._get_output_dir(trial=trial), f"checkpoint-{self.state.global_step}")
            with open(os.path.join(folder, KL_STATE), "w", encoding="utf-8") as stream:
                json.dump({"coefficient": self.kl_control.coefficient}, stream)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None and self.kl_control.target is not None:
            with open(os.path.join(checkpoint, KL_STATE), encoding="utf-8") as stream:
                self.kl_control.coefficient = json.load(stream)["coefficient"]
            self.beta = self.kl_control.coefficient
