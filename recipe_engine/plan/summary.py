"""The plan of a run as plain data: what ``recipe plan --json`` prints, and what the text is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from recipe_engine.algorithms import algorithm
from recipe_engine.compile import Compilation
from recipe_engine.compiled import CompiledRun
from recipe_engine.plan.batch import batch_of, generation_of, steps_of, warmup_steps_of
from recipe_engine.plan.rows import RowCount, count_rows, mixed_rows
from recipe_engine.schemas import trl_arguments


@dataclass(frozen=True, slots=True)
class Steps:
    """How long a run is. ``rows`` and ``total`` are none where a dataset is not on this machine."""

    rows: int | None
    total: int | None
    warmup: int | None
    exact: bool
    """Whether nothing (packing, overlong rows, random mixing) can make the numbers smaller."""


def steps_of_run(run: CompiledRun, counts: tuple[RowCount, ...]) -> Steps:
    """Rows and optimizer steps, from the rows of the datasets that are here."""
    rows = mixed_rows(counts, run.data)
    max_steps = run.arguments.get("max_steps", -1)
    total = steps_of(run, rows) if rows is not None else max_steps if max_steps > 0 else None
    warmup = warmup_steps_of(run, total) if total is not None else None
    packed = bool(run.arguments.get("packing"))
    random_mixture = run.data.mixing in {"interleave_under", "interleave_over"} and len(counts) > 1
    return Steps(rows, total, warmup, exact=max_steps > 0 or not (packed or random_mixture))


def plan_as_data(compilation: Compilation, command: list[str]) -> dict[str, Any]:
    """Everything that a run will do.

    Raises:
        DataError: a local dataset cannot be read or used.
    """
    run = compilation.run
    counts = count_rows(run.data.datasets, run.data, algorithm(run.algorithm).shapes)
    steps, batch, generation = steps_of_run(run, counts), batch_of(run), generation_of(run)
    plan: dict[str, Any] = {
        "recipe": run.recipe_file,
        "run_name": run.run_name,
        "algorithm": run.algorithm,
        "gpus": run.gpus,
        "processes": run.processes,
        "model": run.model.model_dump(),
        "datasets": [_dataset(count) for count in counts],
        "rows": steps.rows,
        "batch": {
            "per_device": batch.per_device,
            "accumulation": batch.accumulation,
            "processes": batch.processes,
            "effective": batch.effective,
        },
        "steps": {"total": steps.total, "warmup": steps.warmup, "exact": steps.exact},
        "trainer": run.trainer,
        "config": run.config,
        "arguments": [
            {"name": name, "value": value, "origin": compilation.origins.get(name, "engine")}
            for name, value in run.arguments.items()
        ],
        "defaults": {
            name: argument["default"]
            for name, argument in trl_arguments(run.config).items()
            if name not in run.arguments
        },
        "rewards": [reward.model_dump() for reward in run.rewards],
        "report_to": run.arguments["report_to"],
        "command": command,
        "writes": {
            "model": run.output_dir,
            "metrics": os.path.join(run.run_dir, "metrics.jsonl"),
            "picture": os.path.join(run.run_dir, "loss.png"),
            "log": os.path.join(os.getcwd(), "logs", f"{run.run_name}-<time>.log"),
        },
    }
    if generation is not None:
        plan["generation"] = {
            "prompts": generation.prompts,
            "completions_per_prompt": generation.group,
            "completions": generation.completions,
            "micro_batches": generation.steps,
            "passes": generation.iterations,
            "prompts_per_step": batch.effective / generation.group / generation.iterations,
        }
    return plan


def _dataset(count: RowCount) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": count.entry.name, "split": count.entry.split, "weight": count.entry.weight}
    if count.report is None:
        return {**entry, "rows": None}
    report = count.report
    found = report.converter.format or "prompt templates" if report.converter else None
    return {**entry, "rows": report.rows, "used": report.used, "invalid": report.invalid_count, "format": found}
