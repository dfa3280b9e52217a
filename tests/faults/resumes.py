"""Quickstarts cut to a few steps, trained through and gone on with from a checkpoint in the middle: what they leave
behind, compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from recipe_engine.algorithms import algorithm
from recipe_engine.compile import Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import COMPILED
from recipe_engine.lint import check
from recipe_engine.plan.steps import argument_of
from tests.fork_server import ROOT, ForkServer

RECIPES = ROOT / "recipes/quickstart"
STEPS, SAVED, LOGGED, BATCH = 6, 3, 2, 16
"""Steps of a run, of the checkpoint it is gone on with from, and between two lines of the log: a line covers steps
before and after the checkpoint; rows of a batch."""
CUT = (
    f"training.max_steps={STEPS}",
    "training.save_strategy=steps",
    f"training.save_steps={SAVED}",
    f"training.logging_steps={LOGGED}",
    "training.warmup_steps=2",
    f"training.per_device_train_batch_size={BATCH}",
    "training.eval_strategy=no",
    "training.eval_on_start=false",
    "data.eval_datasets=[]",
    "data.eval_holdout=null",
)
_OF_THE_CLOCK = {"time", "step_time", "train_runtime", "train_loss", "gpu_memory_gib"}
"""What a log line says of the machine, and of this start of the run alone."""


def trained(server: ForkServer, recipe: str, processes: int, output: str, *overrides: str) -> Path:
    """Train a quickstart, cut, in the current folder. Returns its output folder."""
    given = [*CUT, *overrides, f"training.output_dir={output}", f"launch.cpu_processes={processes}"]
    run = _compiled(recipe, [*given, *_short_epochs(_compiled(recipe, given))])
    if run.resume not in {"auto", "never"}:
        run = run.model_copy(update={"checkpoint": run.resume})
    folder = Path(run.run_dir)
    folder.mkdir(parents=True)
    (folder / COMPILED).write_text(run.model_dump_json(), encoding="utf-8")
    server.train(folder / COMPILED, processes)
    return Path(run.output_dir)


def _compiled(recipe: str, overrides: list[str]) -> CompiledRun:
    checked = check(RECIPES / f"{recipe}.yaml", overrides, gpus=0)
    assert checked.recipe is not None, checked.diagnostics
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, Options(allow_reward_code=True)).run


def _short_epochs(run: CompiledRun) -> list[str]:
    """Overrides for epochs of two steps: the checkpoint is in the middle of the second one. So it is of a round of
    samples, which is trained on for two steps."""
    rows = 2 * BATCH * run.processes * run.arguments.get("gradient_accumulation_steps", 1)
    if run.algorithm == "cpt":
        return []  # texts are packed into rows
    if not algorithm(run.algorithm).takes("steps_per_generation"):
        return [f"data.datasets[0].max_samples={rows}"]
    return [
        "training.steps_per_generation=2",
        f"data.datasets[0].max_samples={rows // argument_of(run, 'num_generations')}",
    ]


def differences(whole: Path, resumed: Path) -> list[str]:
    """In what a resumed run did not end as the one that was trained through."""
    found = different_tensors(whole, resumed, ".", f"checkpoint-{STEPS}")
    expected = {step: entry for step, entry in log_lines(whole) if step > SAVED}
    got = list(log_lines(resumed))
    if [step for step, _ in got] != list(expected):
        found.append(f"lines of steps {[step for step, _ in got]}")
    found += [
        f"step {step}: {name} {entry.get(name)} instead of {expected[step].get(name)}"
        for step, entry in got
        if step in expected
        for name in sorted({*entry, *expected[step]})
        if entry.get(name) != expected[step].get(name)
    ]
    return found


def different_tensors(whole: Path, resumed: Path, *folders: str) -> list[str]:
    """In which files with weights, or with other states, the folders of two runs differ."""
    return [found for folder in folders for found in _different(whole, resumed, folder)]


def _different(whole: Path, resumed: Path, folder: str) -> Iterator[str]:
    for file in sorted((whole / folder).rglob("*")):
        name = file.relative_to(whole)
        if folder == "." and name.parts[0].startswith(("checkpoint-", "run")):
            continue
        other = resumed / name
        if file.suffix in {".safetensors", ".pt", ".pth"}:
            if not other.is_file():
                yield f"{name} is missing"
            elif not _same(_read(file), _read(other)):
                yield f"{name} differs"


def _read(file: Path) -> Any:
    return load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=False)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if type(one).__module__ == "numpy":
        return bool((one == other).all())
    return bool(one == other) or (one != one and other != other)


def log_lines(output: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The log lines, each with its step, without what a clock says."""
    for line in (output / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        kept = {name: x for name, x in entry.items() if name not in _OF_THE_CLOCK and "per_second" not in name}
        if "train_runtime" not in entry:
            yield entry["step"], kept
