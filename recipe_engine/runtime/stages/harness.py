"""Tasks of lm-evaluation-harness, which is an extra. Their data must be on this machine."""

from __future__ import annotations

import json
import os
from importlib import import_module
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import Any

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.data.shards import write_whole
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.requests import Say
from recipe_engine.runtime.model_source import model_source


def demand_harness() -> None:
    """Check that the package is there.

    Raises:
        RunError: it is not.
    """
    if find_spec("lm_eval") is None:
        raise RunError("tasks need the package lm_eval, which is not installed", "install the extra `lm-eval`")


def task_results(compiled: CompiledStage, stage: EvaluateStage, model: str, kept: Path, say: Say) -> dict[str, float]:
    """The results of a model by ``task.metric``; those of an earlier start are taken from ``kept``.

    Raises:
        RunError: a task is not known, or its data is not on this machine.
    """
    settings = {"model": model, "tasks": stage.tasks, "template": stage.chat_template, "seed": compiled.seed}
    if kept.is_file():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["settings"] == settings:
            results: dict[str, float] = found["results"]
            return results
    results = _evaluated(compiled, stage, model, say)
    write_whole(kept, json.dumps({"settings": settings, "results": results}, indent=1))
    return results


def _evaluated(compiled: CompiledStage, stage: EvaluateStage, model: str, say: Say) -> dict[str, float]:
    lm_eval: Any = import_module("lm_eval")
    manager_class: Any = import_module("lm_eval.tasks").TaskManager
    own = [Path(compiled.recipe_folder, task) for task in stage.tasks if task.endswith((".yaml", ".yml"))]
    names = [
        task_name(Path(compiled.recipe_folder, task)) if task.endswith((".yaml", ".yml")) else task
        for task in stage.tasks
    ]
    if own and not compiled.allow_reward_code:
        message = f"tasks: {own[0].name} may name Python code, which the evaluation would run"
        raise RunError(message, "read it, then start with --allow-reward-code")
    manager = manager_class(include_path=sorted({str(path.parent) for path in own}) or None)
    unknown = [name for name in names if name not in manager.all_tasks]
    if unknown:
        raise RunError(f"tasks: lm-evaluation-harness knows no {unknown[0]}", "`lm-eval ls tasks` lists them")
    source = model_source(model, "model", Path(compiled.folder))
    dtype = getattr(stage.engine, "torch_dtype", "auto")
    say(f"tasks of lm-evaluation-harness: {', '.join(names)}")
    try:
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": source, "dtype": dtype},
            tasks=names,
            batch_size=getattr(stage.engine, "batch_size", 16),
            device="cpu" if compiled.gpus == 0 else "cuda:0",
            task_manager=manager,
            random_seed=compiled.seed,
            numpy_random_seed=compiled.seed % 2**32,
            torch_random_seed=compiled.seed,
            fewshot_random_seed=compiled.seed,
            bootstrap_iters=0,
            log_samples=False,
        )
    except (OSError, ConnectionError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        hint = "the data of tasks must be on this machine (HF_HOME), or in files that the task names"
        raise RunError(f"tasks: {reason}", hint) from error
    results: dict[str, float] = {}
    for task, values in found["results"].items():
        for metric, value in values.items():
            name, _, filtered = metric.partition(",")
            if isinstance(value, Real) and not name.endswith("_stderr"):
                suffix = "" if filtered in {"", "none"} else f"_{filtered}"
                results[f"{task}.{name}{suffix}".replace("-", "_")] = float(value)
    return results


def task_name(file: Path) -> str:
    """The name of a task in a file of the user's."""
    import yaml

    if not os.path.isfile(file):
        raise RunError(f"tasks: there is no file {file}", "its path counts from the pipeline's folder")
    for line in file.read_text(encoding="utf-8").splitlines():  # such files may hold tags that only the harness reads
        if line.startswith("task:"):
            return str(yaml.safe_load(line)["task"])
    raise RunError(f"tasks: {file} names no task")
