"""Direct Preference Optimization (arXiv 2305.18290) and the losses that TRL and OpenRLHF offer beside it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm, Derived
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.root import Recipe

DpoLoss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "ipo_sum",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]


class DpoSettings(Block):
    """Settings of direct preference optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Inverse temperature: how strongly the policy is held to the reference model (DPO paper, equation 7)."""
    loss_type: DpoLoss | Annotated[list[DpoLoss], Field(min_length=1)] = ["sigmoid"]
    """One loss, or several that are added with ``loss_weights``. ``ipo`` is TRL's, on log-ratios that are averaged over
    tokens; ``ipo_sum`` is OpenRLHF's ``--ipo``, on summed ones."""
    loss_weights: list[float] | None = None
    """Factor of each loss. Default 1 each."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of labels taken to be flipped. ``sigmoid`` becomes conservative DPO (cDPO); ``robust``, ``exo_pair``,
    ``aot`` and ``aot_unpaired`` read it too."""
    nll_loss_coef: Annotated[float, Field(ge=0)] = 0.0
    """Add this much of the chosen responses' negative log-likelihood: the mean over a response's tokens, then over the
    responses."""
    ref_model_name: Annotated[str, Field(min_length=1)] | None = None
    """Another reference model: Hub id, local folder, or ``builtin/tiny-chat``. It must have the policy's tokenizer.
    Default: the model that training starts from."""
    ref_model_revision: str | None = None
    """Branch, tag or commit of ``ref_model_name`` on the Hub."""
    ref_offload: bool = False
    """Keep the reference model in host memory while it is not used. For one GPU and plain data parallel alone."""
    precompute_ref_log_probs: bool = False
    """Compute the reference model's log-probabilities once before training, so that it need not stay in memory."""


READS_LABEL_SMOOTHING = frozenset({"robust", "exo_pair", "aot", "aot_unpaired"})
"""Losses that read ``label_smoothing`` in TRL."""


def losses_of(recipe: Recipe) -> list[str]:
    """The names of the losses, as the recipe gives them."""
    given = recipe.argument("loss_type")
    return [given] if isinstance(given, str) else list(given)


def conservative(recipe: Recipe) -> dict[str, Derived]:
    """``sigmoid`` with ``label_smoothing``, which TRL does not read there, in losses that make it exactly.

    With e flipped labels cDPO is (1-e) L(D) + e L(-D), where L is ``sigmoid`` and D the difference of the log-ratios.
    TRL's ``robust`` is ((1-e) L(D) - e L(-D)) / (1-2e), so that 2(1-e) ``sigmoid`` - (1-2e) ``robust`` is cDPO. Beside
    a loss that reads ``label_smoothing`` itself ``sigmoid`` is left as it is.
    """
    e: float = recipe.argument("label_smoothing")
    losses = losses_of(recipe)
    weights: list[float] = recipe.argument("loss_weights") or [1.0] * len(losses)
    if e == 0 or "sigmoid" not in losses or READS_LABEL_SMOOTHING & set(losses) or len(weights) != len(losses):
        return {}
    made: list[tuple[str, float]] = []
    for loss, weight in zip(losses, weights, strict=True):
        parts = [("sigmoid", 2 * (1 - e)), ("robust", 2 * e - 1)] if loss == "sigmoid" else [(loss, 1.0)]
        made += [(name, weight * factor) for name, factor in parts]
    why = f"sigmoid with label_smoothing {e:g} is cDPO, (1-e) L(D) + e L(-D), which TRL makes of these"
    return {
        "loss_type": Derived([name for name, _ in made], why),
        "loss_weights": Derived([weight for _, weight in made], why),
    }


ALGORITHM = Algorithm(
    name="dpo",
    summary="direct preference optimization on chosen and rejected responses",
    settings=DpoSettings,
    config="DPOConfig",
    trainer="recipe_engine.runtime.trainers.dpo:PreparedDPOTrainer",
    shapes=("preference",),
    derived=conservative,
    models=("ref_model_name",),
    learning_rates=(1e-8, 1e-5),
)
