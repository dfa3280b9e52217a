"""Going on with a run that was stopped: from which checkpoint, and whether the recipe is still the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_engine.checkpoints import MARKER, can_be_resumed, damage_of, whole_checkpoints
from recipe_engine.compiled import FINISHED, CompiledRun
from recipe_engine.launch import inputs
from recipe_engine.launch.command import COMPILED
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.paths import shorten
from recipe_engine.launch.verdicts import Verdict, verdict_on


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs from the one that the run was started with."""

    name: str
    before: Any
    now: Any

    @property
    def verdict(self) -> Verdict:
        return verdict_on(self.name)

    def __str__(self) -> str:
        return f"{self.name}: {_shown(self.before)} -> {_shown(self.now)}"


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run that goes on from a checkpoint, and what changed since that is worth saying."""

    run: CompiledRun
    changes: tuple[Change, ...] = ()
    note: str = ""
    """What else is to be said."""


def resumption(run: CompiledRun) -> Resumption | None:
    """How a run goes on, as ``training.resume`` says; none where it begins from the start.

    ``auto`` goes on where the output folder holds a run that did not finish and saved a whole checkpoint. The recipe is
    compared with the one that the checkpoint was trained by.

    Raises:
        LaunchError: the checkpoint that is named cannot be used, or the recipe has changed in what makes a run another.
    """
    if run.resume == "never":
        return None
    checkpoint = _newest(run) if run.resume == "auto" else _demand_usable(run.resume)
    if checkpoint is None:
        return None
    now = run.model_copy(update={"checkpoint": str(checkpoint)})
    records = _records_of(checkpoint, run)
    if records is None:
        return Resumption(now, note=f"{shorten(checkpoint)} does not say what it was trained by: nothing is compared")
    before = _compiled(records)
    found = [*_changes(before, run), *_changed_inputs(records, run)]
    changes = tuple(change for change in found if change.verdict != "harmless")
    _demand_same_files(before, run, checkpoint)
    refused = [change for change in changes if change.verdict == "refused" and change.name not in run.resume_changes]
    if refused:
        where = f"training.output_dir: {shorten(run.output_dir)} holds an unfinished run"
        raise LaunchError(
            "T512",
            (where if run.resume == "auto" else f"training.resume: {shorten(checkpoint)} is") + " of another recipe:",
            "choose another output_dir; or allow it with training.resume_changes: "
            f"[{', '.join(change.name for change in refused)}]; or begin anew with training.resume=never and "
            "training.overwrite_output_dir=true",
            [str(change) for change in refused],
        )
    fixed = [change for change in changes if change.verdict == "fixed"]
    if fixed:
        raise LaunchError(
            "T512",
            f"{shorten(checkpoint)} brings along the settings of its optimizer, and the recipe has others:",
            "write them as they were; or begin a run from its weights: model.base_model_name, and another output_dir",
            [str(change) for change in fixed],
        )
    return Resumption(now, changes)


def recipe_of(checkpoint: Path, run: CompiledRun) -> CompiledRun:
    """The run that a checkpoint in the output folder of ``run`` was trained by; ``run`` where it does not say."""
    records = _records_of(checkpoint, run)
    return run if records is None else _compiled(records)


def _newest(run: CompiledRun) -> Path | None:
    """The checkpoint to go on from in the output folder; none where no run was stopped there, or it saved none."""
    if Path(run.run_dir, FINISHED).exists() or not Path(run.run_dir, COMPILED).is_file():
        return None
    whole = whole_checkpoints(Path(run.output_dir))
    found = next((one for one in reversed(whole) if can_be_resumed(one)), None)
    if whole and found is None:
        anew = "training.resume=never and training.overwrite_output_dir=true"
        raise _model_alone(whole[-1], "training.output_dir", anew)
    return found


def _demand_same_files(before: CompiledRun, run: CompiledRun, checkpoint: Path) -> None:
    """Check that the strategy can read what the one before it has written.

    ``single`` and ``ddp`` write the same. DeepSpeed writes a file for each process, which that many must read.
    """
    kinds = {"single": "plain", "ddp": "plain"}
    same = kinds.get(before.strategy, before.strategy) == kinds.get(run.strategy, run.strategy)
    others = before.processes != run.processes
    if same and not (others and run.strategy.startswith("zero")):
        return
    what, go_on = shorten(checkpoint), f"go on with launch.strategy={before.strategy}"
    if same:
        message = f"{what} was saved by {_processes(before)} under {run.strategy}, which keeps a file for each, and "
        message, go_on = message + f"{_processes(run)} would go on", _as_many_as(before)
    elif others and before.launch.strategy == run.launch.strategy:
        # The recipe asks for the same, which comes to another strategy with another number.
        message = f"{what} was saved by {_processes(before)}, under the strategy {before.strategy}; with "
        message += f"{_processes(run)} it is {run.strategy}, which cannot read those files"
        go_on = _as_many_as(before)
    else:
        message = f"{what} was saved under the strategy {before.strategy}, whose files {run.strategy} cannot read"
    hint = f"{go_on}; or begin a run from its weights: model.base_model_name, and another output_dir"
    raise LaunchError("T512", message, hint)


def _processes(run: CompiledRun) -> str:
    return f"{run.processes} process{'es' if run.processes > 1 else ''}"


def _as_many_as(before: CompiledRun) -> str:
    """How as many processes are started as an earlier run had."""
    each = (
        f"start with --num-gpus {before.gpus}"
        if before.gpus
        else f"write launch.cpu_processes: {before.launch.cpu_processes}"
    )
    return each if before.nodes == 1 else f"{each}, and --num-nodes {before.nodes}"


def _demand_usable(checkpoint: str) -> Path:
    """Check a checkpoint that the recipe names. One of another program has no marker; it is taken as it is."""
    folder, shown = Path(checkpoint), shorten(checkpoint)
    if not folder.is_dir():
        message, hint = f"there is no folder {shown}", "name a folder checkpoint-N that an earlier run has saved"
    elif not (folder / "trainer_state.json").is_file():
        message, hint = f"{shown} holds no checkpoint (trainer_state.json is missing)", "name a folder checkpoint-N"
    elif (folder / MARKER).exists() and (damage := damage_of(folder)) is not None:
        message, hint = f"{shown} is damaged: {damage}", "name an earlier checkpoint"
    elif not can_be_resumed(folder):
        raise _model_alone(folder, "training.resume", "training.resume=never")
    else:
        return folder
    raise LaunchError("T511", f"training.resume: {message}", hint)


def _model_alone(checkpoint: Path, setting: str, anew: str) -> LaunchError:
    return LaunchError(
        "T511",
        f"{setting}: {shorten(checkpoint)} holds the model alone (training.save_only_model): the optimizer, the "
        "schedule and the place in the data are lost",
        f"begin a run from its weights: model.base_model_name={shorten(checkpoint)}, and another output_dir; or begin "
        f"anew with {anew}",
    )


def _records_of(checkpoint: Path, run: CompiledRun) -> Path | None:
    """The folder with what a checkpoint was trained by: its own, or where it is the run's, the run's."""
    if (checkpoint / COMPILED).is_file():
        return checkpoint
    own = checkpoint.parent == Path(run.output_dir) and Path(run.run_dir, COMPILED).is_file()
    return Path(run.run_dir) if own else None


def _compiled(records: Path) -> CompiledRun:
    try:
        return CompiledRun.model_validate_json((records / COMPILED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # of another version of the engine, or damaged
        message = f"{shorten(records / COMPILED)} cannot be read, so it is not known what was trained there"
        hint = "begin anew with training.resume=never and training.overwrite_output_dir=true"
        raise LaunchError("T512", message, hint) from error


def _changes(before: CompiledRun, now: CompiledRun) -> Iterator[Change]:
    old, new = dict(settings_of(before)), dict(settings_of(now))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield Change(name, old.get(name), new.get(name))


def _changed_inputs(records: Path, run: CompiledRun) -> Iterator[Change]:
    """Files that hold something else than when the run was started; named by their paths."""
    try:
        before = json.loads((records / inputs.FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # of an earlier version
    for name, digest in inputs.fingerprints(run).items():
        if name in before and before[name] != digest:
            yield Change(shorten(name), "what it held at the start", "something else")


def settings_of(run: CompiledRun) -> Iterator[tuple[str, Any]]:
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
