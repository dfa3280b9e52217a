"""Recipe -> CompiledRun: every default resolved, every path absolute, and for each argument where it came from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_engine import __version__
from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.grpo import rewards_of
from recipe_engine.compiled import CompiledRun, Planned
from recipe_engine.data.location import locate
from recipe_engine.parallel.deepspeed import deepspeed_config
from recipe_engine.parallel.disk import saved_of
from recipe_engine.parallel.fsdp import fsdp_config
from recipe_engine.parallel.strategy import Choice, choose
from recipe_engine.recipe.data import DataBlock, DatasetEntry
from recipe_engine.recipe.launch import LaunchBlock, Strategy
from recipe_engine.recipe.model import ModelBlock
from recipe_engine.recipe.rewards import PrmReward, Reward, RewardModelReward
from recipe_engine.recipe.root import Recipe
from recipe_engine.schemas import trl_arguments
from recipe_engine.source import Document

_LONGEST_FILE_NAME = 200
"""Bytes: file systems allow 255, and a log adds the time to the run's name."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """A compiled run, and where each of the trainer's arguments came from."""

    run: CompiledRun
    origins: dict[str, str]
    choice: Choice
    """The strategy, why it was taken, and what it holds in memory."""

    @property
    def strategy_why(self) -> str:
        """The reason for the strategy, as a sentence's end."""
        return self.choice.why


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside the recipe."""

    gpus: int = 0
    """GPUs of each machine."""
    allow_reward_code: bool = False
    allow_remote_code: bool = False


def compile_recipe(recipe: Recipe, document: Document, options: Options) -> Compilation:
    """Compile a checked recipe. No file is opened; relative paths count from the current folder."""
    chosen = algorithm(recipe.training.algorithm)
    run_name = run_name_of(recipe, document.file)
    output_dir = _absolute(recipe.training.output_dir or os.path.join("models", file_name_of(run_name)))
    nodes = recipe.launch.nodes
    processes = nodes * (recipe.launch.cpu_processes if options.gpus == 0 else options.gpus)
    choice = choose(recipe, options.gpus, processes)
    offloaded = {"offload_optimizer": choice.offload_optimizer, "offload_parameters": choice.offload_parameters}
    launch = recipe.launch.model_copy(update=offloaded)
    rewards = rewards_of(recipe) if chosen.reward_driven else ()
    arguments, origins = _arguments(recipe, document, chosen, rewards, options.gpus, processes, choice.strategy, launch)
    arguments |= {"output_dir": output_dir, "run_name": run_name}
    origins |= {
        "output_dir": _origin(document, "training", "output_dir") or "engine: models/<run name>",
        "run_name": _origin(document, "training", "run_name") or "engine: from output_dir or the recipe's file name",
    }
    run = CompiledRun(
        engine=__version__,
        recipe_file=document.file,
        recipe_folder=os.path.dirname(os.path.abspath(document.file)),
        run_name=run_name,
        output_dir=output_dir,
        run_dir=os.path.join(output_dir, "run"),
        algorithm=chosen.name,
        gpus=options.gpus,
        processes=processes,
        nodes=nodes,
        strategy=choice.strategy,
        planned=_planned(choice, processes, save_only_model=bool(arguments.get("save_only_model"))),
        launch=launch,
        model=_absolute_model(recipe),
        data=_absolute_data(recipe),
        rewards=[_absolute_reward(reward) for reward in rewards],
        thinking=recipe.thinking,
        resume=resume if (resume := recipe.training.resume) in {"auto", "never"} else _absolute(resume),
        resume_changes=recipe.training.resume_changes,
        trainer=chosen.trainer,
        config=chosen.config,
        config_class=chosen.config_class or f"trl:{chosen.config}",
        arguments=arguments,
        settings=_settings(recipe, chosen),
        wandb=recipe.wandb.model_copy(update={"name": recipe.wandb.name or run_name}),
        s3=recipe.s3,
        allow_reward_code=options.allow_reward_code,
        allow_remote_code=options.allow_remote_code,
    )
    return Compilation(run, origins, choice)


def _planned(choice: Choice, processes: int, *, save_only_model: bool) -> Planned:
    """What the run is expected to take."""
    if choice.work is None:
        return Planned()
    saved, memory = saved_of(choice.work, choice.placement(processes)), choice.memory
    return Planned(
        gpu=None if memory is None else round(memory.device),
        host=None if memory is None else round(memory.host),
        model=round(saved.model),
        checkpoint=round(saved.model + (0 if save_only_model else saved.state)),
    )


def run_name_of(recipe: Recipe, file: str) -> str:
    """The run's name: as given, else the last part of ``output_dir``, else the recipe's file name."""
    if recipe.training.run_name:
        return recipe.training.run_name
    last = os.path.basename(os.path.normpath(recipe.training.output_dir or ""))
    return Path(file).stem if last in {"", ".", ".."} else last


def file_name_of(run_name: str) -> str:
    """The run's name as one part of a path: short enough, and without separators and what a shell would read."""
    kept = "".join(char if char.isalnum() or char in "-_.+=, " else "-" for char in run_name)
    return kept.encode()[:_LONGEST_FILE_NAME].decode(errors="ignore").strip(" .") or "run"


def _arguments(
    recipe: Recipe,
    document: Document,
    chosen: Algorithm,
    rewards: tuple[Reward, ...],
    gpus: int,
    processes: int,
    strategy: Strategy,
    launch: LaunchBlock,
) -> tuple[dict[str, Any], dict[str, str]]:
    """The trainer's arguments and the origin of each. Later sources win over earlier ones."""
    catalogue = trl_arguments(chosen.config)
    arguments: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def put(name: str, value: Any, origin: str) -> None:
        arguments[name] = value
        origins[name] = origin

    for name, value in recipe.settings.model_dump().items():
        given = _origin(document, "training", name)
        if name in chosen.own_settings:
            origins[name] = given or f"default of {chosen.name}"
        elif given or value != catalogue[name]["default"]:
            put(name, value, given or f"default of {chosen.name}")
    for name, value in recipe.arguments.items():
        put(name, value, _origin(document, "training", name) or "recipe")
    for name, (value, why) in {**chosen.derived(recipe), **chosen.sizes(recipe, processes)}.items():
        # A value that was given and is kept came from the recipe; one that was made of it came from the engine.
        given = _origin(document, "training", name) if arguments.get(name) == value else None
        put(name, value, given or f"engine: {why}")
    if isinstance(arguments.get("loss_type"), str) and catalogue["loss_type"]["schema"].get("type") == "array":
        arguments["loss_type"] = [arguments["loss_type"]]

    if "max_length" in catalogue:
        packing = arguments.get("packing", False)
        why = "sequences are packed to data.max_length" if packing else "rows are cut or dropped before, by the engine"
        put("max_length", recipe.data.max_length if packing else None, f"engine: {why}")
    if recipe.data.remove_unused_columns is not None:
        put(
            "remove_unused_columns",
            recipe.data.remove_unused_columns,
            _place(document, "data", "remove_unused_columns"),
        )
    if rewards:
        put("reward_weights", [reward.weight for reward in rewards], "engine: the weights of rewards")
    if launch.mixed_precision is not None:
        for name in ("bf16", "fp16"):
            put(name, launch.mixed_precision == name, _place(document, "launch", "mixed_precision"))
    if arguments.get("bf16") is None:
        put("bf16", not arguments.get("fp16", False), "default of TRL: on unless fp16 is")
    if "logging_nan_inf_filter" not in arguments:
        put("logging_nan_inf_filter", False, "engine: a loss that is not a number must show")
    if "logging_first_step" not in arguments:
        put("logging_first_step", True, "engine: a short run has a curve too")
    if processes > 1 and "ddp_find_unused_parameters" not in arguments:
        put("ddp_find_unused_parameters", False, "engine: every trained weight is used in each step")
    if recipe.training.deepspeed_config:
        path = _absolute(recipe.training.deepspeed_config)
        put("deepspeed", path, _place(document, "training", "deepspeed_config"))
    elif strategy.startswith("zero"):
        put("deepspeed", deepspeed_config(strategy, launch), f"engine: strategy {strategy}")
    elif strategy == "fsdp2":
        put("fsdp", True, "engine: strategy fsdp2")
        put("fsdp_config", fsdp_config(launch), "engine: strategy fsdp2")
    put("report_to", *_trackers(recipe, document))
    put("use_cpu", gpus == 0, "command line: --num-gpus")
    put("disable_tqdm", True, "engine: shows its own bar in a terminal, and lines in a log")
    return arguments, origins


def _settings(recipe: Recipe, chosen: Algorithm) -> dict[str, Any]:
    """What the trainer is given of the algorithm's settings: all, if it has some that are no argument of TRL's."""
    if not chosen.own_settings:
        return {}
    settings = recipe.settings.model_dump()
    return settings | {name: _absolute_name(model) for name, model in chosen.models_named(settings).items()}


def _trackers(recipe: Recipe, document: Document) -> tuple[list[str], str]:
    """Where the run is reported to, and where that was said."""
    given = recipe.arguments.get("report_to")
    names = [given] if isinstance(given, str) else list(given or [])
    names = [name for name in names if name != "none"]
    origin = _origin(document, "training", "report_to")
    if recipe.wandb.enabled and not {"wandb", "all"} & set(names):
        names = [*names, "wandb"]
        origin = ", ".join(filter(None, [origin, _origin(document, "wandb", "enabled")]))
    return names, origin or "engine: the recipe names no tracker"


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _absolute_name(name: str) -> str:
    location = locate(name)
    return location.value if location.kind == "local" else name


def _absolute_model(recipe: Recipe) -> ModelBlock:
    model = recipe.model
    names = {"base_model_name": _absolute_name(model.base_model_name)}
    if model.tokenizer_name is not None:
        names["tokenizer_name"] = _absolute_name(model.tokenizer_name)
    return model.model_copy(update=names)


def _absolute_reward(reward: Reward) -> Reward:
    if isinstance(reward, RewardModelReward | PrmReward):
        return reward.model_copy(update={"model": _absolute_name(reward.model)})
    return reward


def _absolute_data(recipe: Recipe) -> DataBlock:
    def absolute(entries: list[DatasetEntry]) -> list[DatasetEntry]:
        return [entry.model_copy(update={"name": _absolute_name(entry.name)}) for entry in entries]

    data = recipe.data
    return data.model_copy(update={"datasets": absolute(data.datasets), "eval_datasets": absolute(data.eval_datasets)})


def _origin(document: Document, *path: str) -> str | None:
    """Where a value was given, as ``file:line`` or ``command line``; none where it was not."""
    mark = document.marks.get(path)
    if mark is None:
        return None
    if mark.origin == "command line":
        return "command line"
    place = f"{mark.value.file}:{mark.value.line}"
    return f"parent {place}" if mark.origin == "parent" else place


def _place(document: Document, *path: str) -> str:
    return _origin(document, *path) or "recipe"
