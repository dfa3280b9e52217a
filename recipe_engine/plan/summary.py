"""The plan of a run as plain data: what ``recipe plan --json`` prints, and what the text is made of."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.batch import batch_of, round_of
from recipe_engine.compile import Compilation, file_name_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.location import is_missing
from recipe_engine.data.mixture import RowCount, count_rows, demand_rows, is_random, mixed_rows
from recipe_engine.data.steps import step_tokens
from recipe_engine.parallel.memory import GIB, Line
from recipe_engine.plan.disk import checkpoints_at_once, disk_needed
from recipe_engine.plan.steps import argument_of, drops_overlong_rows, steps_of
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.schemas import trl_arguments

Plan = dict[str, Any]


def plan_as_data(compilation: Compilation, command: list[str]) -> Plan:
    """Everything that a run will do. A local dataset that is not there yet has unknown rows; training refuses it.

    Raises:
        DataError: a local dataset cannot be read or used, or there are too few rows for one step.
    """
    run = compilation.run
    chosen = algorithm(run.algorithm)
    tokens = step_tokens(run.settings)

    def counted(entries: Sequence[DatasetEntry]) -> list[RowCount]:
        return [
            RowCount(entry, None)
            if is_missing(entry.name)
            else count_rows([entry], run.data, chosen.shapes, None, run.thinking, tokens)[0]
            for entry in entries
        ]

    counts, evaluation = counted(run.data.datasets), counted(run.data.eval_datasets)
    rows = mixed_rows(counts, run.data)
    if rows is not None and not is_random(run.data.datasets, run.data):
        demand_rows(rows, chosen, partial(argument_of, run), run.processes)
    steps = steps_of(run, rows)
    return {
        "recipe": run.recipe_file,
        "run_name": run.run_name,
        "algorithm": run.algorithm,
        "gpus": run.gpus,
        "nodes": run.nodes,
        "processes": run.processes,
        "strategy": run.strategy,
        "strategy_why": compilation.choice.why,
        "memory": _memory(compilation),
        "disk": _disk(run, steps.total),
        "model": run.model.model_dump(),
        "datasets": [_dataset(count) for count in counts],
        "eval_datasets": [_dataset(count) for count in evaluation],
        "eval_holdout": run.data.eval_holdout,
        "invalid_rows": run.data.invalid_rows,
        "rows": rows,
        "drops_overlong_rows": drops_overlong_rows(run),
        "batch": _batch(run),
        "steps": asdict(steps),
        **({"generation": _generation(run, steps.total)} if chosen.sampling == "groups" else {}),
        "trainer": run.trainer,
        "config": run.config,
        "arguments": [
            {"name": name, "value": value, "origin": compilation.origins[name]} for name, value in run.arguments.items()
        ],
        "defaults": {
            name: argument["default"]
            for name, argument in trl_arguments(run.config).items()
            if name not in run.arguments and chosen.takes(name)
        },
        "settings": [
            {"name": name, "value": run.settings[name], "origin": compilation.origins[name]}
            for name in sorted(chosen.own_settings)
        ],
        "rewards": [reward.model_dump() for reward in run.rewards],
        "report_to": run.arguments["report_to"],
        "command": command,
        "writes": {
            "model": run.output_dir,
            "metrics": os.path.join(run.run_dir, "metrics.jsonl"),
            "picture": os.path.join(run.run_dir, "loss.png"),
            "log": os.path.join(os.getcwd(), "logs", f"{file_name_of(run.run_name)}-<time>.log"),
        },
    }


def _memory(compilation: Compilation) -> Plan | None:
    """What each GPU holds, and the machine for it, in bytes; none on the CPU, and where sizes are not known."""
    work, memory = compilation.choice.work, compilation.choice.memory
    if work is None or memory is None:
        return None
    return {
        "gpu": round(memory.device),
        "gpu_has": round(compilation.run.launch.gpu_memory_gib * GIB),
        "host": round(memory.host),
        "states": [_line(line) for line in memory.states],
        "training": [_line(line) for line in memory.training],
        "sampling": [_line(line) for line in memory.sampling],
        "overhead": _line(memory.overhead),
        "assumptions": list(work.assumptions),
        "unknown": list(work.unknown),
    }


def _line(line: Line) -> Plan:
    return {"what": line.what, "gpu": round(line.device), "host": round(line.host)}


def _disk(run: CompiledRun, steps: int | None) -> Plan | None:
    """What is written, in bytes; none where nothing tells how large the model is."""
    if run.planned.model is None:
        return None
    return {
        "model": run.planned.model,
        "checkpoint": run.planned.checkpoint,
        "checkpoints": checkpoints_at_once(run, steps),
        "total": disk_needed(run, steps),
    }


def _batch(run: CompiledRun) -> Plan:
    batch = batch_of(partial(argument_of, run), run.processes)
    return {**asdict(batch), "effective": batch.effective}


def _generation(run: CompiledRun, steps: int | None) -> Plan:
    argument = partial(argument_of, run)
    sampling, batch = round_of(argument, run.processes), batch_of(argument, run.processes)
    # An optimizer step may take less than a round, a whole one, or several.
    steps_per_round = sampling.micro_batches * sampling.passes / batch.accumulation
    return {
        "prompts": sampling.prompts,
        "completions_per_prompt": sampling.group,
        "completions": sampling.completions,
        "micro_batches": sampling.micro_batches,
        "passes": sampling.passes,
        # New ones: with several passes a prompt is trained on in as many steps.
        "prompts_per_step": batch.effective / sampling.group / sampling.passes,
        "steps_per_round": steps_per_round,
        "rounds": None if steps is None else math.ceil(steps / steps_per_round),
        # Where groups without spread are drawn again: how often a round may be sampled.
        "samplings": run.settings["max_sampling_rounds"] if run.settings.get("dynamic_sampling") else 1,
    }


def _dataset(count: RowCount) -> Plan:
    entry: Plan = {"name": count.entry.name, "split": count.entry.split, "weight": count.entry.weight}
    if count.report is None:
        return {**entry, "rows": None, "missing": is_missing(count.entry.name)}
    report = count.report
    found = report.converter.format or "prompt templates" if report.converter else None
    return {**entry, "rows": report.rows, "used": report.used, "invalid": report.invalid_count, "format": found}
