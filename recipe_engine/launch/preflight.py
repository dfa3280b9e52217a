"""What only this machine and this moment can tell, checked before anything is written or loaded."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from recipe_engine.algorithms import algorithm
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.check import local_rows, open_rows
from recipe_engine.data.errors import DataError
from recipe_engine.data.location import locate
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.gpus import demand_gpus
from recipe_engine.launch.run_folder import demand_free
from recipe_engine.recipe.rewards import FunctionReward

_FIRST_ROWS = 20


def preflight(run: CompiledRun, overwrite: bool) -> None:
    """Check GPUs, folders, files and permissions that the run needs.

    Raises:
        LaunchError: something is missing or not allowed.
        DataError: a dataset is missing or its first rows do not fit.
    """
    demand_gpus(run.gpus)
    _demand_model(run)
    _demand_permissions(run)
    for entry in [*run.data.datasets, *run.data.eval_datasets]:
        rows = local_rows(entry)
        if rows is not None:
            try:
                converter, rows = open_rows(rows, entry, run.data, algorithm(run.algorithm).shapes)
                for _ in map(converter.convert, islice(rows, _FIRST_ROWS if run.data.invalid_rows == "error" else 0)):
                    pass
            except DataError as error:
                raise DataError(error.code, f"{entry.name}: {error.message}", hint=error.hint) from error
    deepspeed = run.arguments.get("deepspeed")
    if deepspeed and not os.path.isfile(deepspeed):
        raise LaunchError("T504", f"training.deepspeed_config: there is no file {deepspeed}")
    demand_free(run, overwrite)


def _demand_model(run: CompiledRun) -> None:
    name = run.model.base_model_name
    if locate(name).kind != "local" or os.path.isfile(os.path.join(name, "config.json")):
        return
    what = (
        "is an adapter: merge it into its base model first" if _is_adapter(name) else "holds no model (no config.json)"
    )
    if not os.path.exists(name):
        what = "does not exist"
    hint = "train the model that this recipe starts from first; relative paths count from the current folder"
    if os.path.basename(name) == "quickstart-sft":
        hint = "train it first: ./scripts/run_training.sh --config recipes/quickstart/sft.yaml --num-gpus 0"
    raise LaunchError("T505", f"model.base_model_name: {name} {what}", hint)


def _is_adapter(name: str) -> bool:
    return os.path.isfile(os.path.join(name, "adapter_config.json"))


def _demand_permissions(run: CompiledRun) -> None:
    code = [reward for reward in run.rewards if isinstance(reward, FunctionReward)]
    for reward in code:
        if not Path(run.recipe_folder, reward.path).is_file():
            raise LaunchError("T506", f"reward {reward.name}: there is no file {Path(run.recipe_folder, reward.path)}")
    if code and not run.allow_reward_code:
        files = ", ".join(reward.path for reward in code)
        raise LaunchError("T507", f"training would run Python code of yours: {files}", "add --allow-reward-code")
    if run.model.trust_remote_code and not run.allow_remote_code:
        raise LaunchError(
            "T508",
            f"training would run Python code that ships with {run.model.base_model_name}",
            "read it at the pinned revision, then add --trust-remote-code",
        )
