"""Going on with a run that was stopped: from which checkpoint, and whether the recipe is still the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recipe_engine.checkpoints import MARKER, is_whole, newest_whole
from recipe_engine.compiled import FINISHED, CompiledRun
from recipe_engine.launch import inputs
from recipe_engine.launch.command import COMPILED
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.paths import shorten

Verdict = Literal["harmless", "said", "refused", "fixed"]

_HARMLESS = re.compile(
    r"(wandb|s3)\..*|run_name|recipe_(file|folder)|engine|resume.*|checkpoint|hands_on_to|allow_.*|data\.dataset_num_proc"
    r"|training\.(logging_.*|report_to|run_name|save_.*|eval_.*|per_device_eval_batch_size|push_to_hub|hub_.*|disable_tqdm"
    r"|dataloader_.*|log_completions.*|num_completions_to_print|log_unique_prompts|load_best_model_at_end"
    r"|metric_for_best_model|greater_is_better|project|trackio_.*|include_.*|full_determinism|torch_empty_cache_steps)"
)
"""Settings by which a run is watched and kept."""
_SAID = re.compile(
    r"gpus|processes|launch\..*|data\.eval_.*"
    r"|training\.(lr_scheduler_.*|warmup_steps|max_steps|num_train_epochs|max_grad_norm"
    r"|beta|epsilon.*|temperature|top_[pk]|min_p|entropy_coef.*|.*_checkpointing.*|bf16|tf32|use_cpu|deepspeed|ddp_.*)"
)
"""Settings that may change on the way, and change what comes after."""
_FIXED = re.compile(r"training\.((\w+_)?learning_rate|weight_decay|adam_.*|optim|optim_.*)")
"""Settings that a checkpoint brings along with the optimizer's state: others would be read by nobody."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs from the one that the run was started with."""

    name: str
    before: Any
    now: Any

    @property
    def verdict(self) -> Verdict:
        if _HARMLESS.fullmatch(self.name):
            return "harmless"
        if _FIXED.fullmatch(self.name):
            return "fixed"
        return "said" if _SAID.fullmatch(self.name) else "refused"

    def __str__(self) -> str:
        return f"{self.name}: {_shown(self.before)} -> {_shown(self.now)}"


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run that goes on from a checkpoint, and what changed since that is worth saying."""

    run: CompiledRun
    changes: tuple[Change, ...] = ()


def resumption(run: CompiledRun) -> Resumption | None:
    """How a run goes on, as ``training.resume`` says; none where it begins from the start.

    ``auto`` goes on where the output folder holds a run that did not finish and saved a whole checkpoint.

    Raises:
        LaunchError: the checkpoint that is named cannot be used, or the recipe has changed in what makes a run another.
    """
    if run.resume == "never":
        return None
    if run.resume != "auto":
        return Resumption(run.model_copy(update={"checkpoint": _demand_usable(run.resume)}))
    before = _unfinished(run)
    newest = newest_whole(Path(run.output_dir)) if before else None
    if before is None or newest is None:
        return None
    found = [*_changes(before, run), *_changed_inputs(run)]
    changes = tuple(change for change in found if change.verdict != "harmless")
    refused = [change for change in changes if change.verdict == "refused" and change.name not in run.resume_changes]
    if refused:
        raise LaunchError(
            "T512",
            f"training.output_dir: {shorten(run.output_dir)} holds an unfinished run of another recipe:"
            + "".join(f"\n    {change}" for change in refused),
            "choose another output_dir; or allow it with training.resume_changes: "
            f"[{', '.join(change.name for change in refused)}]; or begin anew with training.resume=never and "
            "training.overwrite_output_dir=true",
        )
    fixed = [change for change in changes if change.verdict == "fixed"]
    if fixed:
        raise LaunchError(
            "T512",
            f"{shorten(str(newest))} brings along the settings of its optimizer, and the recipe has others:"
            + "".join(f"\n    {change}" for change in fixed),
            "write them as they were; or begin a run from its weights: model.base_model_name, and another output_dir",
        )
    return Resumption(run.model_copy(update={"checkpoint": str(newest)}), changes)


def _demand_usable(checkpoint: str) -> str:
    """Check a checkpoint that the recipe names. One of another program has no marker; it is taken as it is."""
    folder, shown = Path(checkpoint), shorten(checkpoint)
    if not folder.is_dir():
        message, hint = f"there is no folder {shown}", "name a folder checkpoint-N that an earlier run has saved"
    elif not (folder / "trainer_state.json").is_file():
        message, hint = f"{shown} holds no checkpoint (trainer_state.json is missing)", "name a folder checkpoint-N"
    elif (folder / MARKER).exists() and not is_whole(folder):
        message, hint = f"{shown} is damaged: a file is missing, or was cut off", "name an earlier checkpoint"
    else:
        return checkpoint
    raise LaunchError("T511", f"training.resume: {message}", hint)


def _unfinished(run: CompiledRun) -> CompiledRun | None:
    """The run that was stopped in the output folder."""
    compiled, finished = Path(run.run_dir, COMPILED), Path(run.run_dir, FINISHED)
    if finished.exists() or not compiled.is_file():
        return None
    try:
        return CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # of another version of the engine, or damaged
        message = f"training.output_dir: {shorten(compiled)} cannot be read, so it is not known what was trained there"
        hint = "begin anew with training.resume=never and training.overwrite_output_dir=true"
        raise LaunchError("T512", message, hint) from error


def _changes(before: CompiledRun, now: CompiledRun) -> Iterator[Change]:
    old, new = dict(_settings(before)), dict(_settings(now))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield Change(name, old.get(name), new.get(name))


def _changed_inputs(run: CompiledRun) -> Iterator[Change]:
    """Files that hold something else than when the run was started; named by their paths."""
    try:
        before = json.loads(Path(run.run_dir, inputs.FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # of an earlier version
    for name, digest in inputs.fingerprints(run).items():
        if name in before and before[name] != digest:
            yield Change(shorten(name), "what it held at the start", "something else")


def _settings(run: CompiledRun) -> Iterator[tuple[str, Any]]:
    """Every setting of a run, by the name that a recipe gives it."""
    for block, value in run.model_dump(mode="json").items():
        if block in {"arguments", "settings"}:
            yield from ((f"training.{name}", one) for name, one in value.items())
        elif isinstance(value, dict):
            yield from ((f"{block}.{name}", one) for name, one in value.items())
        else:
            yield block, value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
