"""Training on sampled and rewarded completions: TRL's trainer, opened where algorithms differ.

An algorithm is a subclass that overrides ``advantages`` (what a completion, or each of its tokens, is credited with)
or ``sample`` (which completions make a round), out of the parts that stand here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from trl import GRPOTrainer

from recipe_engine.algorithms.rollout import EvaluationSampling, kl_type_of
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.answers import answers
from recipe_engine.runtime.reward_rows import unpack
from recipe_engine.runtime.thoughts import Opener, thought_opener
from recipe_engine.runtime.trainers import advantages as estimate
from recipe_engine.runtime.trainers.decoding import sampling
from recipe_engine.runtime.trainers.divergence import divergence
from recipe_engine.runtime.trainers.epochs import OrderOfEpoch

Batch = dict[str, Any]


class RolloutTrainer(GRPOTrainer):
    """TRL's trainer on rows that are packed as JSON, with prompts over ``prompt_limit`` tokens cut at ``prompt_cut``.

    Which rows come this far over the limit was decided and counted before (``data.overlong_rows``).
    """

    columns: Sequence[str] = ()
    """Every column that a row of the data has; rewards are given all of them."""
    prompt_limit: int | None = None
    prompt_cut: Literal["left", "right"] = "left"
    thinking: ThinkingBlock | None = None
    """Where given, prompts end with its opening tag, and the share of malformed completions is logged."""

    beta: float
    num_generations: int
    _metrics: Any

    def __init__(self, *args: Any, settings: EvaluationSampling, **others: Any) -> None:
        self.settings: Any = settings
        self.rewards: Tensor
        """Rewards of the round at hand, (N, F): of each completion on any process, by each function; before weights."""
        super().__init__(*args, **others)

    def _get_train_sampler(self, dataset: Any = None) -> OrderOfEpoch:
        return OrderOfEpoch(super()._get_train_sampler(dataset), self)

    # What a subclass may override

    def sample(self, rows: list[dict[str, str]]) -> Batch:
        """Completions of the prompts of a round, scored: TRL's batch of this process. ``self.rewards`` are set."""
        return super()._generate_and_score_completions(unpack(rows, self.columns))

    def advantages(self, batch: Batch, rows: list[dict[str, str]]) -> Tensor:
        """Advantages of this process's part of a round, (B,) or (B, T). Default: TRL's."""
        found: Tensor = batch["advantages"]
        return found

    # Parts that estimators are made of

    def scores(self) -> Tensor:
        """The weighted sum of the rewards of each completion on any process, (N,); see ``advantages.py``."""
        return estimate.weighted_sum(self.rewards, self.reward_weights.to(self.rewards.device))

    def local(self, values: Tensor) -> Tensor:
        """This process's part of a tensor of the whole round."""
        count = len(values) // self.accelerator.num_processes
        return values[self.accelerator.process_index * count :][:count]

    def gathered(self, values: Tensor) -> Tensor:
        """A tensor of the whole round from the parts that processes have."""
        whole: Tensor = self.accelerator.gather(values)
        return whole

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        whole: Tensor = self.accelerator.reduce(values, reduction="sum")
        return whole

    @torch.no_grad()
    def sampled_log_probs(self, batch: Batch) -> Tensor:
        """Log-probabilities of the completions' tokens under the policy that sampled them, (B, T), masked ones 0."""
        known: Tensor | None = batch.get("old_per_token_logps")
        if known is None:
            ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
            attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
            length = batch["completion_ids"].shape[1]
            size = self.args.per_device_train_batch_size
            known, *_ = super()._get_per_token_logps_and_entropies(self.model, ids, attention, length, size)
        return known * batch["completion_mask"]

    def penalty(self, batch: Batch) -> Tensor:
        """What the KL penalty takes from the reward of each token, (B, T): 0 where it is in the loss or there is none.

        As in arXiv 2402.14740: beta x log(pi / pi_ref), estimated by ``kl_type``.
        """
        mask = batch["completion_mask"]
        if not self.settings.kl_in_reward or self.beta == 0:
            return torch.zeros(mask.shape, device=mask.device)
        kl = divergence(kl_type_of(self.settings), self.sampled_log_probs(batch), batch["ref_per_token_logps"]) * mask
        count = self.total(mask.sum())
        self.note("kl", (self.total(kl.sum()) / count.clamp(min=1)).item())
        return self.beta * kl

    @property
    def mode(self) -> str:
        """Which metrics are being made, as TRL names them."""
        return "train" if self.model.training else "eval"

    def share_of_step(self, total_of_round: Tensor) -> Tensor:
        """What a sum over this micro-batch is divided by to be its part of the mean over one optimizer step.

        ``total_of_round`` is a number of tokens, or pairs, on all processes. A round that lasts several optimizer steps
        gives each of them the same part of it.
        """
        share = total_of_round.clamp(min=1) / self.accelerator.num_processes
        if self.model.training:
            share = share * self.current_gradient_accumulation_steps / self.args.steps_per_generation
        return share

    def note(self, name: str, value: float) -> None:
        """Log a number of this round; those of a logging interval are averaged."""
        self._metrics[self.mode][name].append(value)

    # What TRL calls

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        batch = self.sample(inputs)
        if self.model.training:
            batch["advantages"] = self.advantages(batch, inputs)
            logged = self._logs["advantages"]
            for _ in range(min(len(logged), len(self.rewards))):
                logged.pop()
            credit = batch["advantages"]
            if credit.ndim > 1:  # the table of completions has one number for each
                mask = batch["completion_mask"]
                credit = (credit * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
            logged.extend(self.gathered(credit).tolist())
        return batch

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        if self.thinking is not None:
            for found in answers(self.thinking, self.processing_class, completion_ids_list):
                self._log_metric("thinking/malformed", float(found.malformed))
        self.rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        return self.rewards

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        prompt_ids, *others = super()._tokenize_prompts(prompts)
        opening = thought_opener(self.thinking, self.processing_class)
        return ([self._opened(list(ids), opening) for ids in prompt_ids], *others)

    def _opened(self, ids: list[int], opening: Opener) -> list[int]:
        """A prompt that ends with the opening tag of the thought, cut so that the tag stays."""
        tag, limit = opening(ids), self.prompt_limit
        if limit is not None and len(ids) + len(tag) > limit:
            if self.prompt_cut == "right":  # which takes a tag of the template's own away
                tag = opening([])
            room = max(limit - len(tag), 1)
            ids = ids[-room:] if self.prompt_cut == "left" else ids[:room]
        return ids + tag

    def _generate_single_turn(self, *args: Any, **others: Any) -> Any:
        if self.model.training:
            return super()._generate_single_turn(*args, **others)
        own = self.settings
        with sampling(self, temperature=own.eval_temperature, top_p=own.eval_top_p, top_k=own.eval_top_k):
            return super()._generate_single_turn(*args, **others)

    def _get_per_token_logps_and_entropies(self, *args: Any, **others: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **others)
        self._log_probs = found[0]
        return found

    def _compute_loss(self, model: Any, inputs: Batch) -> Any:
        kind = kl_type_of(self.settings)
        if self.beta == 0 or (kind == "k3" and not self.settings.kl_in_reward):
            return super()._compute_loss(model, inputs)
        beta, self.beta = self.beta, 0.0
        try:
            loss = super()._compute_loss(model, inputs)
        finally:
            self.beta = beta
        if self.settings.kl_in_reward:
            return loss
        policy, mask = self._log_probs, inputs["completion_mask"]
        kl = divergence(kind, policy, inputs["ref_per_token_logps"])
        if self.args.use_bias_correction_kl:
            sampled = inputs.get("old_per_token_logps")
            kl = kl * (policy - (policy.detach() if sampled is None else sampled)).exp()
        mean = self.total((kl.detach() * mask).sum()) / self.total(mask.sum()).clamp(min=1)
        self.note("kl", mean.item())
        return loss + beta * self.averaged(kl, inputs)

    def averaged(self, values: Tensor, batch: Batch) -> Tensor:
        """Values of tokens, (B, T), averaged as the policy's loss is, and scaled for gradient accumulation."""
        mask = batch["completion_mask"]
        steps = self.current_gradient_accumulation_steps if self.model.training else 1
        match self.loss_type:
            case "grpo" | "sapo":
                return ((values * mask).sum(-1) / mask.sum(-1).clamp(min=1)).mean() / steps
            case "bnpo":
                return (values * mask).sum() / mask.sum().clamp(min=1) / steps
            case "dr_grpo":
                return (values * mask).sum() / (len(values) * self.max_completion_length) / steps
            case "luspo":
                return (values * mask).sum(-1).mean() / steps
            case _:  # cispo, dapo, vespo: over all tokens of the round
                return (values * mask).sum() / self.share_of_step(batch["num_items_in_batch"])
