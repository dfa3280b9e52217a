"""Online DPO: the best against the worst completion of each group."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl import GRPOConfig

from recipe_engine.algorithms.online_dpo import OnlineDpoSettings
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.teacher import mean_over_tokens
from recipe_engine.runtime.trainers.pairs import ipo, smoothed
from recipe_engine.runtime.trainers.rollout import RolloutTrainer

Batch = dict[str, Any]

MEASURES = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "kl")


class OnlineDPOTrainer(RolloutTrainer):
    """Sampling, rewards and reference model are GRPO's; a batch is one of pairs."""

    def __init__(self, *arguments: Any, args: GRPOConfig, settings: OnlineDpoSettings, **keywords: Any) -> None:
        for name in ("per_device_train_batch_size", "per_device_eval_batch_size"):
            used = name == "per_device_train_batch_size" or args.eval_strategy != "no"
            if used and getattr(args, name) % settings.num_generations:
                raise RunError(
                    f"{name} is {getattr(args, name)}, which groups of {settings.num_generations} do not divide: "
                    "both completions of a pair must be on one device",
                    hint=f"make it a multiple of num_generations, {settings.num_generations}",
                )
        super().__init__(*arguments, args=args, settings=settings, **keywords)

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        scores = self.local(self.scores())
        cut = [ids[-1] not in self.eos_token_ids for ids in completion_ids_list]
        self._scores = scores - self.settings.missing_eos_penalty * scores.new_tensor(cut)
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> Batch:
        return self._paired(super()._generate_and_score_completions(inputs))

    def _paired(self, batch: Batch) -> Batch:
        """A row for each group: its best and its worst completion. Of equal ones the first is taken, and a group of
        equal rewards is a pair without a preference, which is not trained on. One without a score is neither."""
        groups = self._scores.view(-1, self.num_generations)
        first = torch.arange(len(groups), device=groups.device) * self.num_generations
        best, worst = (groups.nan_to_num(nan=bound) for bound in (-torch.inf, torch.inf))
        places = {"chosen": first + best.argmax(dim=1), "rejected": first + worst.argmin(dim=1)}
        preferred = best.amax(dim=1) > worst.amin(dim=1)
        pairs: Batch = {"preferred": preferred}
        for name, place in places.items():
            mask = batch["completion_mask"][place]
            pairs |= {f"{name}_ids": batch["completion_ids"][place], f"{name}_mask": mask}
            pairs[f"{name}_ref"] = (batch["ref_per_token_logps"][place] * mask).sum(dim=1)
        pairs |= {name: batch[name][places["chosen"]] for name in ("prompt_ids", "prompt_mask")}
        pairs["pairs_in_round"] = self.accelerator.gather(preferred.sum()).sum()
        scores = [self._scores[place] for place in places.values()]
        known = torch.stack([*scores, (~preferred).to(groups.dtype)], dim=-1)
        mean_over_tokens(self, ("scores/chosen", "scores/rejected", "ties"), known)
        return pairs

    def _compute_loss(self, model: Any, inputs: Batch) -> Tensor:
        prompt, mask = ([inputs[f"prompt_{kind}"]] * 2 for kind in ("ids", "mask"))
        chosen_ids, rejected_ids = inputs["chosen_ids"], inputs["rejected_ids"]
        completions = torch.cat([chosen_ids, rejected_ids])
        masks = torch.cat([inputs["chosen_mask"], inputs["rejected_mask"]])
        log_probs, _, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([torch.cat(prompt), completions], dim=1),
            torch.cat([torch.cat(mask), masks], dim=1),
            completions.shape[1],
        )
        ratios = (log_probs * masks).sum(dim=1) - torch.cat([inputs["chosen_ref"], inputs["rejected_ref"]])
        chosen, rejected = ratios.chunk(2)
        preferred = inputs["preferred"]
        losses = pair_losses(self.loss_type, self.beta, ratios, masks.sum(dim=1))
        self._measure(chosen.detach(), rejected.detach(), preferred)
        return (losses * preferred).sum() / self.share_of_step(inputs["pairs_in_round"])

    def _measure(self, chosen: Tensor, rejected: Tensor, preferred: Tensor) -> None:
        rewards = [self.beta * chosen, self.beta * rejected, self.beta * (chosen - rejected)]
        known = torch.stack([*rewards, (chosen > rejected).to(chosen.dtype), (chosen + rejected) / 2], dim=-1)
        mean_over_tokens(self, MEASURES, known, preferred)


def pair_losses(kind: str, beta: float, ratios: Tensor, lengths: Tensor) -> Tensor:
    """The loss of each of P pairs from summed log-ratios and token counts of the chosen, then the rejected, (2 P,).

    With D the log-ratio of the chosen less that of the rejected completion, ``sigmoid`` is -log sigmoid(beta D), arXiv
    2305.18290, equation 7, which arXiv 2402.04792 takes on the policy's own pairs; ``ipo_sum`` is (D - 1/(2 beta))^2,
    arXiv 2310.12036, equation 17; ``ipo`` the same with log-ratios averaged over tokens.
    """
    chosen, rejected = (ratios / lengths if kind == "ipo" else ratios).chunk(2)
    margin = chosen - rejected
    return smoothed(beta * margin, 0.0) if kind == "sigmoid" else ipo(margin, beta)
