"""Supervised fine-tuning: next-token cross-entropy on demonstrations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.recipe.base import Block


class SftSettings(Block):
    """Settings of supervised fine-tuning."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-5
    """Peak learning rate of AdamW."""
    completion_only_loss: bool | None = None
    """Train on the completion alone. Default: yes for rows with a prompt and a completion, no for plain text."""
    assistant_only_loss: bool = False
    """Train on the assistant's messages alone, in chat rows. Needs a chat template with generation markers."""
    packing: bool = False
    """Put several rows into one sequence of ``data.max_length`` tokens; rows do not see each other under ``bfd``."""
    packing_strategy: Literal["bfd", "bfd_split", "wrapped"] = "bfd"
    """``bfd``: best-fit decreasing, rows kept whole; ``bfd_split``: long rows are split; ``wrapped``: one stream cut at
    every ``max_length``, rows see each other."""
    loss_type: Literal["nll", "dft"] = "nll"
    """``nll``: cross-entropy; ``dft``: Dynamic Fine-Tuning (arXiv 2508.05629)."""


ALGORITHM = Algorithm(
    name="sft",
    summary="supervised fine-tuning on demonstrations",
    settings=SftSettings,
    config="SFTConfig",
    trainer="trl:SFTTrainer",
    shapes=("text", "messages", "prompt_completion"),
    learning_rates=(1e-7, 1e-3),
)
