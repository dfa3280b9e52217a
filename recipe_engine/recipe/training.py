"""The ``training`` block, as far as every algorithm shares it. The rest belongs to the algorithm and its TRL config."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.recipe.base import Block


class TrainingBlock(Block):
    """What to train by, where the result goes, and the settings of the algorithm."""

    algorithm: str
    """What to train by: ``sft``, ``dpo``, ``grpo``, ... See docs/algorithms/."""
    output_dir: Annotated[str, Field(min_length=1)] | None = None
    """Folder of the trained model and its checkpoints. Default ``models/<run_name>``."""
    run_name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name of the run in logs and trackers. Default: the last part of ``output_dir``, else the recipe's file name."""
    overwrite_output_dir: bool = False
    """Replace the result of an earlier run in ``output_dir``. Otherwise a folder that holds one is an error."""
    resume: Annotated[str, Field(min_length=1)] = "auto"
    """``auto``: go on from the newest whole checkpoint where ``output_dir`` holds this recipe's unfinished run;
    ``never``: begin from the start; or the path of a checkpoint to go on from."""
    resume_changes: list[str] = []
    """Settings, such as ``data.max_length``, that may differ from those an unfinished run was started with. Those by
    which a run is only watched (logging, saving, evaluation) always may, a change of the schedule or of sampling is
    said, and those of the optimizer, such as ``learning_rate``, come with the checkpoint."""
    deepspeed_config: str | None = None
    """DeepSpeed configuration file (JSON). Its path counts from the folder the command is started in."""
