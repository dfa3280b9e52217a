"""A compiled stage: plain data, all that the process of a stage is given."""

from __future__ import annotations

from typing import Any

from pydantic import SerializeAsAny, field_validator

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.stages import STAGES, Stage
from recipe_engine.recipe.thinking import ThinkingBlock

COMPILED_STAGE = "stage.json"
"""Name of the compiled stage in the stage's folder."""
RESULT = "result.json"
"""Name of the file that the process of a stage writes last: a ``StageResult``."""
ROWS = "rows"
"""Folder, in the stage's folder, of the rows it makes: ``train/part-00000.jsonl`` and so on, a folder a split."""


class CompiledStage(Block):
    """Everything that the process of a stage needs: no ``$name`` is left, every path is absolute."""

    engine: str
    """Version of recipe-engine that compiled it."""
    pipeline_file: str
    """The file it was compiled from, for messages."""
    recipe_folder: str
    """Files that belong to the pipeline (rewards, chat templates) are under this folder."""
    folder: str
    """Where it writes: ``rows/``, ``result.json``, and what its kind has."""
    iteration: int | None
    """Of the loop that it stands in, from 0 on."""
    stage: SerializeAsAny[Stage]
    """The stage's settings."""
    merged_rows: list[str] = []
    """Select: rows of earlier iterations that are chosen from as well."""
    slice: tuple[int, int] | None = None
    """First row and row after the last that it takes of what it reads. Rows count on around the end."""
    seed: int
    gpus: int
    thinking: ThinkingBlock | None
    allow_reward_code: bool = False
    allow_remote_code: bool = False

    @field_validator("stage", mode="before")
    @classmethod
    def _typed_stage(cls, value: Any) -> Any:
        """A stage read back from JSON is of the class that its ``kind`` says."""
        return STAGES[value["kind"]].model_validate(value) if isinstance(value, dict) else value


class StageResult(Block):
    """What a stage did."""

    rows_in: int
    rows_out: int
    """Rows in all splits."""
    splits: dict[str, int]
    """Rows of each split."""
    dropped: dict[str, int]
    """Rows left out, by the reason."""
    model: str | None = None
    """Folder of the model that was trained."""
    summary: dict[str, Any] = {}
    """Numbers worth showing, such as the mean reward or costs."""
