"""The ``wandb`` block: reporting to Weights & Biases."""

from __future__ import annotations

from recipe_engine.recipe.base import Block


class WandbBlock(Block):
    """Where and under what name the run is reported. The key comes from the environment, never from the file."""

    enabled: bool = False
    """Report to Weights & Biases. Without a key or a network the run goes on offline and says how to sync."""
    project: str | None = None
    """Project; default: ``WANDB_PROJECT``, else ``huggingface``."""
    entity: str | None = None
    """User or team."""
    name: str | None = None
    """Name of the run; default: ``training.run_name``."""
    tags: list[str] = []
    """Tags of the run."""
    group: str | None = None
    """Group of the run."""
    notes: str | None = None
    """A longer description of the run."""
    base_url: str | None = None
    """Address of a self-hosted server; default: ``WANDB_BASE_URL``, else the public one."""
    api_key: None = None
    """Refused unless null: set the environment variable ``WANDB_API_KEY``, or log in once with ``wandb login``."""
