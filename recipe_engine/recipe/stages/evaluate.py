"""The evaluate stage: a model, and the one it is held against, on the same prompts with the same draws."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.data import DataBlock
from recipe_engine.recipe.rewards import Rewards
from recipe_engine.recipe.stages.base import Model, Rows, Stage
from recipe_engine.recipe.stages.generate import Engine, HfEngine, SamplingBlock


class EvaluateStage(Stage):
    """Measures. It makes rows, ``summary.json`` and a picture; a gate reads the summary."""

    kind: Literal["evaluate"]
    model: Model
    """The candidate."""
    base: Model | None = None
    """What it is compared with."""
    rows: Rows | None = None
    """Prompts that both answer."""
    data: DataBlock | None = None
    """The same with templates and column names."""
    nll_rows: Rows | None = None
    """Held-out rows with completions: mean negative log-likelihood of their tokens, in nats."""
    rewards: Rewards = []
    """What scores the answers: mean@k and best@k, by ``source_column`` too."""
    source_column: str = "data_source"
    """Column by whose values results are given apart, where rows have it."""
    sampling: SamplingBlock = SamplingBlock()
    """How answers are drawn; ``n`` is the k of mean@k and best@k."""
    engine: Engine = HfEngine()
    """What generates."""
    chat_template: str | None = None
    """As in ``generate``."""
    resamples: Annotated[int, Field(ge=100)] = 2000
    """Resamples of the paired bootstrap over prompts."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of the interval of the difference."""
    tasks: list[Annotated[str, Field(min_length=1)]] = []
    """Tasks of lm-evaluation-harness, which needs its extra; their data must be on this machine. A path ending in
    ``.yaml``, which counts from the pipeline's folder, is a task of your own."""
    shard_rows: Annotated[int, Field(ge=1)] = 1000
    """Prompts of one shard. A stage that was stopped goes on from its last whole shard."""
