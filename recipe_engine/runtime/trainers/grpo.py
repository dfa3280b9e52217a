"""GRPO and the estimators that differ from it in the advantage, with dynamic sampling."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import Tensor

from recipe_engine.algorithms.grpo import GrpoSettings
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.reward_rows import unpack
from recipe_engine.runtime.trainers import advantages as estimate
from recipe_engine.runtime.trainers.decoding import sampling
from recipe_engine.runtime.trainers.resampling import refill
from recipe_engine.runtime.trainers.rollout import Batch, RolloutTrainer


class RewardedGRPOTrainer(RolloutTrainer):
    """The advantage is that of ``settings.advantage_estimator``."""

    settings: GrpoSettings

    def sample(self, rows: list[dict[str, str]]) -> Batch:
        batch = super().sample(rows)
        if not self.model.training:
            return batch
        useless = [int((~self._have_spread()).sum())]
        if self.settings.dynamic_sampling:
            most = self.settings.max_sampling_rounds
            missing, useless = refill(self, batch, rows, super().sample, self._have_spread, most)
            self._report(len(useless), missing)
        if self.num_generations > 1:
            groups = len(self.rewards) // self.num_generations
            self.note("groups_without_spread", sum(useless) / len(useless) / groups)
        return batch

    def _have_spread(self) -> Tensor:
        """Which groups of the round at hand teach something, (N / num_generations,) booleans."""
        return estimate.has_spread(self.scores(), self.num_generations)

    def _report(self, rounds: int, missing: int) -> None:
        self.note("sampling/rounds", rounds)
        self.note("sampling/unfilled_groups", missing)
        if missing and self.settings.unfilled_rounds == "error":
            raise RunError(
                f"step {self.state.global_step + 1}: after {rounds} rounds of sampling {missing} groups still "
                "have no spread in their rewards",
                hint="raise training.max_sampling_rounds, choose harder or easier prompts, or write "
                "training.unfilled_rounds: keep",
            )

    def advantages(self, batch: Batch, rows: list[dict[str, str]]) -> Tensor:
        settings, group, scores = self.settings, self.num_generations, self.scores()
        penalty, mask = self.penalty(batch), batch["completion_mask"]
        tokens = estimate.at_last_token(self.local(scores), mask) - penalty
        # No token of a completion that could not be scored is credited, nor counted.
        scored = mask * ~self.local(scores).isnan()[:, None]
        scores = scores - self.gathered(penalty.sum(dim=1)) if settings.kl_in_reward else scores
        match settings.advantage_estimator:
            case "group" if self.multi_objective_aggregation == "normalize_then_sum":
                weights = self.reward_weights.to(self.rewards.device)
                return self.local(estimate.advantages_of_each_reward(self.rewards, weights, group))
            case "group":
                return self.local(estimate.group_advantages(scores, group, self.scale_rewards))
            case "rloo":
                return self.local(estimate.leave_one_out(scores, group))
            case "opo":
                lengths = self.gathered(batch["completion_mask"].sum(dim=1))
                return self.local(estimate.optimal_baseline(scores, lengths, group))
            case "gpg":
                return self.local(estimate.group_policy_gradient(scores, group))
            case "remax":
                return estimate.remax(tokens, self._greedy_scores(rows), scored, settings.gamma)
            case "reinforce_plus_plus":
                return estimate.reinforce_plus_plus(tokens, scored, settings.gamma, self.total)
            case "reinforce_plus_plus_baseline":
                centred = self.local(estimate.group_advantages(scores, group, "none"))
                return estimate.reinforce_plus_plus_baseline(centred, scored, self.total)

    def _greedy_scores(self, packed: list[dict[str, str]]) -> Tensor:
        """The reward of the most likely completion of the prompt of each row, (B,)."""
        rows, group = unpack(packed, self.columns), self.num_generations
        # Where groups are whole on each process, one of each is enough.
        step = group if len(rows) % group == 0 else 1
        chosen = rows[::step]
        kept = self.rewards, self._metrics, self.num_generations
        self._metrics, self.num_generations = {"train": defaultdict(list), "eval": defaultdict(list)}, 1
        try:
            with sampling(self, temperature=0.0):
                prompts = [row["prompt"] for row in chosen]
                _, ids, _, completions, *_ = self._generate(prompts)
            self._calculate_rewards(chosen, prompts, completions, ids)
            scores = self.local(self.scores()).repeat_interleave(step)
        finally:
            self.rewards, self._metrics, self.num_generations = kept
        # What rewards wished to log of them would be taken for rows of the next round.
        self._pending_extra_logs.clear()
        self._pending_metrics.clear()
        self.note("reward_greedy", self.total(scores.nansum()).item() / len(self.rewards))
        return scores

    def _compute_loss(self, model: Any, inputs: Batch) -> Any:
        if not self.settings.importance_sampling:
            # Without the old policy TRL takes the policy itself, detached: the ratio is 1, its gradient that of log pi.
            inputs = {name: value for name, value in inputs.items() if name != "old_per_token_logps"}
        return super()._compute_loss(model, inputs)
