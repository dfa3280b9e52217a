"""A compiled run: plain data, all that a worker is given. What was planned is what runs."""

from __future__ import annotations

from typing import Any

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import DataBlock
from recipe_engine.recipe.launch import LaunchBlock, Strategy
from recipe_engine.recipe.model import ModelBlock
from recipe_engine.recipe.rewards import Rewards
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.recipe.tracking import WandbBlock
from recipe_engine.recipe.upload import S3Block

FINISHED = "finished"
"""Name of the file in the run's folder that a worker writes last, when the model is saved."""
STOPPED = "stopped"
"""Name of the file in the run's folder with the number of the signal for which a worker saved and stopped."""


class Planned(Block):
    """What a run is expected to take, in bytes; none where nothing tells how large its model is."""

    gpu: int | None = None
    """Of each GPU's memory, at the peak. None on the CPU too."""
    host: int | None = None
    """Of a machine's memory, by each of its processes: what is offloaded."""
    model: int | None = None
    """Of the disk, by the model at the end."""
    checkpoint: int | None = None
    """Of the disk, by one checkpoint."""


class CompiledRun(Block):
    """Everything a worker needs, with every path absolute and every default resolved."""

    engine: str
    """Version of recipe-engine that compiled it."""
    recipe_file: str
    """The recipe it was compiled from, for messages."""
    recipe_folder: str
    """Files that belong to the recipe (rewards, chat templates) are under this folder."""
    run_name: str
    """Name of the run in logs and trackers."""
    output_dir: str
    """Where the trained model goes."""
    run_dir: str
    """Where the engine keeps what it knows of the run: this file, metrics, pictures, prepared rows."""
    algorithm: str
    """Name of the algorithm."""
    gpus: int
    """GPUs to use on each machine; 0 is the CPU."""
    processes: int
    """Processes that train together, on all machines."""
    nodes: int
    """Machines that train together."""
    strategy: Strategy
    """How the model is spread over the processes."""
    planned: Planned
    """What it is expected to take."""
    launch: LaunchBlock
    """How the processes are started, ended and started again. Its ``strategy`` is as the recipe gives it."""
    model: ModelBlock
    data: DataBlock
    rewards: Rewards
    thinking: ThinkingBlock | None
    trainer: str
    """Class that trains, as ``module:Class``."""
    config: str
    """TRL config class whose names ``arguments`` has."""
    config_class: str
    """Class that is made of ``arguments``, as ``module:Class``: ``config``, or one that is derived from it."""
    arguments: dict[str, Any]
    """Keyword arguments of the TRL config. What is not here keeps TRL's default."""
    settings: dict[str, Any]
    """Settings of the algorithm, where some are no argument of the TRL config: the trainer is given them all."""
    wandb: WandbBlock
    s3: S3Block
    resume: str
    """``auto``, ``never`` or the path of a checkpoint: see ``training.resume``."""
    resume_changes: list[str]
    """Settings that may differ from those of the run that is resumed."""
    checkpoint: str | None = None
    """The checkpoint that training goes on from. Only the launch knows it."""
    hands_on_to: str | None = None
    """In a pipeline, where one process trains: the folder from which the next stage loads the whole model."""
    allow_reward_code: bool = False
    """Whether the command line allowed reward functions from files."""
    allow_remote_code: bool = False
    """Whether the command line allowed code that ships with a model."""

    @property
    def processes_per_node(self) -> int:
        """Processes on each machine."""
        return self.processes // self.nodes
