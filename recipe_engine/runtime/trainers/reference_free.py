"""ORPO, SimPO and CPO: preference optimization without a reference model (docs/decisions/0006)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from recipe_engine.algorithms.cpo import CpoSettings
from recipe_engine.algorithms.simpo import SimpoSettings
from recipe_engine.runtime.trainers.dpo import PairTrainer
from recipe_engine.runtime.trainers.pairs import Pairs, hinge, log_odds, smoothed


class ReferenceFreeTrainer(PairTrainer):
    """The forward, the data and the metrics of TRL's DPO, with a loss of the policy alone.

    ``rewards/...`` are what the loss compares, times ``beta``.
    """

    def __init__(self, *, settings: Any = None, **others: Any) -> None:
        self.settings = settings
        # TRL would load a reference model unless it is given one; the one given is let go below.
        super().__init__(ref_model=nn.Module(), **others)
        self.loss_types, self.loss_weights = [], []

    @property
    def ref_model(self) -> None:
        """There is none, whatever TRL sets."""
        return None

    @ref_model.setter
    def ref_model(self, model: object) -> None:
        pass

    def reference_log_probs(self, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Zeros: log-ratios are then log-probabilities."""
        zeros = torch.zeros(len(inputs["input_ids"]) // 2, device=inputs["input_ids"].device)
        return zeros, zeros

    def note(self, mode: str, name: str, values: Tensor) -> None:
        """Log the mean of one number a pair, over all processes, in place of TRL's of this batch, if it has one."""
        mean = self.accelerator.gather(values.detach()).mean().item()
        logged = self._metrics[mode][name]
        if name.startswith("rewards/"):
            logged[-1] = mean
        else:
            logged.append(mean)

    def note_rewards(self, mode: str, chosen: Tensor, rejected: Tensor) -> None:
        """Log the rewards of both responses, how often they are in the right order, and how far apart."""
        self.note(mode, "rewards/chosen", chosen)
        self.note(mode, "rewards/rejected", rejected)
        self.note(mode, "rewards/accuracies", (chosen > rejected).float())
        self.note(mode, "rewards/margins", chosen - rejected)


class ORPOTrainer(ReferenceFreeTrainer):
    """Odds ratio preference optimization (arXiv 2403.07691)."""

    def own_loss(self, policy: Pairs, reference: tuple[Tensor, Tensor], mode: str) -> Tensor | float:
        """Equation 6: the negative log-likelihood of the chosen response, plus beta times equation 7."""
        ratio = log_odds(policy.chosen_mean) - log_odds(policy.rejected_mean)
        nll = -policy.chosen_mean
        beta = self.beta
        self.note_rewards(mode, beta * policy.chosen_mean, beta * policy.rejected_mean)
        self.note(mode, "nll_loss", nll)
        self.note(mode, "log_odds_chosen", ratio)
        self.note(mode, "log_odds_ratio", logsigmoid(ratio))
        return (nll - beta * logsigmoid(ratio)).mean()


class SimPOTrainer(ReferenceFreeTrainer):
    """Simple preference optimization (arXiv 2405.14734)."""

    settings: SimpoSettings

    def reward(self, mean_log_prob: Tensor) -> Tensor:
        """Equation 4; with ``alpha`` AlphaPO's (1 - p^-alpha) / alpha (arXiv 2501.03884)."""
        alpha = self.settings.alpha
        shaped = mean_log_prob if alpha == 0 else -torch.expm1(-alpha * mean_log_prob) / alpha
        return self.settings.beta * shaped

    def own_loss(self, policy: Pairs, reference: tuple[Tensor, Tensor], mode: str) -> Tensor | float:
        """Equation 6, plus ``nll_loss_coef`` times the chosen response's negative log-likelihood."""
        chosen, rejected = self.reward(policy.chosen_mean), self.reward(policy.rejected_mean)
        margin = chosen - rejected - self.settings.target_margin
        if self.settings.loss_type == "hinge":
            losses = hinge(margin)
        else:
            losses = smoothed(margin, self.settings.label_smoothing)
        nll = -policy.chosen_mean
        self.note_rewards(mode, chosen, rejected)
        self.note(mode, "nll_loss", nll)
        if self.settings.nll_loss_coef > 0:
            losses = losses + self.settings.nll_loss_coef * nll
        return losses.mean()


class CPOTrainer(ReferenceFreeTrainer):
    """Contrastive preference optimization (arXiv 2401.08417)."""

    settings: CpoSettings

    def own_loss(self, policy: Pairs, reference: tuple[Tensor, Tensor], mode: str) -> Tensor | float:
        """Equation 4, plus ``nll_loss_coef`` times the chosen response's negative log-likelihood."""
        chosen, rejected = self.settings.beta * policy.chosen, self.settings.beta * policy.rejected
        margin = chosen - rejected
        if self.settings.loss_type == "hinge":
            losses = hinge(margin)
        else:
            losses = smoothed(margin, self.settings.label_smoothing)
        nll = -policy.chosen_mean if self.settings.nll_length_normalized else -policy.chosen
        self.note_rewards(mode, chosen, rejected)
        self.note(mode, "nll_loss", nll)
        return (losses + self.settings.nll_loss_coef * nll).mean()
