"""The prepare stage: rows of datasets, transformed, filtered and split, one after the other and never all at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, field_validator

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.stages.base import Rows, Stage
from recipe_engine.recipe.stages.steps import STEPS, Step


class Source(Block):
    """Rows that are read as they are: what they mean is a matter of the steps."""

    name: Annotated[str, Field(min_length=1)]
    """``$stage``, or as in ``data.datasets``: Hub id, local file or folder, ``s3://`` address, ``builtin/...``."""
    subset: str | None = None
    """Configuration of a Hub dataset."""
    split: str = "train"
    """Split to read."""
    revision: str | None = None
    """Branch, tag or commit of a Hub dataset."""
    max_samples: Annotated[int, Field(ge=1)] | None = None
    """At most so many rows: the first ones."""


class PrepareStage(Stage):
    """Makes rows of rows. Every row that is left out is counted, by its reason."""

    kind: Literal["prepare"]
    rows: Rows | None = None
    """Short for a single dataset of that name."""
    datasets: list[Source] = []
    """What is read, one after the other."""
    steps: list[SerializeAsAny[Step]] = []
    """What is done to each row, in this order."""
    invalid_rows: Literal["error", "drop"] = "error"
    """What happens to rows that a step cannot read: stop and name them, or drop and count them."""
    max_invalid_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """With ``invalid_rows: drop``: more of them than this share of the rows is an error."""
    splits: dict[str, Annotated[float, Field(gt=0, lt=1)]] = {}
    """Shares of the prompts that become splits of their own, such as ``eval: 0.03``; the rest is ``train``. All rows of
    a prompt are in one split, chosen by its hash and the stage's seed, so a share is met nearly, not exactly."""
    shuffle: bool = False
    """Shuffle the rows of each split, by the stage's seed."""
    output: Literal["jsonl", "parquet"] = "jsonl"
    """What is written."""

    @field_validator("steps", mode="before")
    @classmethod
    def _typed_steps(cls, value: Any) -> Any:
        """A step read back from JSON is of the class that its ``do`` says."""
        if not isinstance(value, list):
            return value
        return [STEPS[item["do"]].model_validate(item) if _is_known(item) else item for item in value]


def _is_known(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("do"), str) and item["do"] in STEPS
