"""Beginning a stage and completing it: what is written before its process starts, and after it has ended."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from recipe_engine import __version__
from recipe_engine.compiled_stage import COMPILED_STAGE, RESULT, StageResult
from recipe_engine.pipeline.decide import Decision
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.folders import BEGUN, LOG, MANIFEST, MERGED, MODEL, model_of
from recipe_engine.pipeline.graph import MAKE_ROWS
from recipe_engine.pipeline.instances import Instance, Made, source_of
from recipe_engine.pipeline.manifest import Manifest, outputs_of, read_manifest, write_json
from recipe_engine.pipeline.resolve import Work, compile_stage, compile_train
from recipe_engine.pipeline.train import TRAIN, CompiledTraining

_VERSIONS = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "vllm")
_WORKER, _TRAIN, _RUNTIME = "recipe_engine.pipeline.worker", "recipe_engine.pipeline.train", "recipe_engine.runtime"


@dataclass(frozen=True)
class Begun:
    """A stage that is about to run."""

    command: list[str]
    log: Path
    ended: bool
    """Whether its process had come to its end already: only its manifest is missing."""


def begin(work: Work, instance: Instance, decision: Decision) -> Begun:
    """Write what the process of a stage is given, and what it was begun with."""
    folder = Path(work.folder(instance))
    if decision.basis is None:
        raise AssertionError(f"{instance.key} was not decided on")
    if decision.act in {"begin", "replace"}:
        clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / BEGUN, decision.basis)
    log = folder / LOG
    if instance.node.recipe is not None:
        run = compile_train(work, instance).run
        whole = model_of(str(folder), instance.node)
        if run.processes == 1 and not run.arguments.get("deepspeed"):
            run = run.model_copy(update={"hands_on_to": whole})
        texts = instance.node.recipe.document.texts
        write_json(folder / TRAIN, CompiledTraining(run=run, whole=whole, texts=texts))
        return Begun([sys.executable, "-m", _TRAIN, str(folder)], log, ended=False)
    write_json(folder / COMPILED_STAGE, compile_stage(work, instance))
    ended = decision.act == "go on" and (folder / RESULT).is_file()
    if instance.node.stage.kind in {"generate", "score", "evaluate"}:
        return Begun([sys.executable, "-m", _RUNTIME, "stage", str(folder)], log, ended)
    return Begun([sys.executable, "-m", _WORKER, str(folder)], log, ended)


def clear(folder: Path) -> None:
    """Remove what a stage has made. The manifest goes first: from then on nothing takes it for complete."""
    if not folder.is_dir():
        return
    for name in (MANIFEST, RESULT, BEGUN):
        (folder / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def complete(
    work: Work, instance: Instance, decision: Decision, manifests: Mapping[str, Manifest], started: float
) -> Manifest:
    """Check what a stage has made and write its manifest.

    Raises:
        PipelineError: it has made no rows, where rows are asked of it.
    """
    folder = Path(work.folder(instance))
    if decision.basis is None:
        raise AssertionError(f"{instance.key} was not decided on")
    model = None
    if instance.node.recipe is not None:
        model = Path(model_of(str(folder), instance.node))
        result = _trained(work, instance, manifests, folder, model)
    else:
        result = StageResult.model_validate_json((folder / RESULT).read_text(encoding="utf-8"))
        if instance.node.stage.kind in MAKE_ROWS:
            demand_rows(instance, result)
    outputs, made = outputs_of(folder, model)
    manifest = Manifest(
        engine=__version__,
        versions=_versions(),
        key=instance.key,
        kind=instance.node.stage.kind,
        hash=decision.basis.hash,
        basis=decision.basis,
        files=dict(decision.files or {}),
        outputs=outputs,
        made=made,
        result=result,
        seed=work.seed_of(instance),
        started=started,
        ended=time.time(),
    )
    write_json(folder / MANIFEST, manifest)
    return manifest


def demand_rows(instance: Instance, result: StageResult) -> None:
    """Check that there are rows: what reads them would train on nothing, and report success.

    Raises:
        PipelineError: there are none.
    """
    if result.rows_out > 0:
        return
    dropped = ", ".join(f"{count} {reason}" for reason, count in result.dropped.items())
    why = f"of {result.rows_in} rows {dropped} were dropped" if dropped else f"{result.rows_in} rows were read"
    hint = "loosen what drops them, or give it other rows; the stage's log says more"
    raise PipelineError("P202", f"{instance.key} has made no row: {why}", hint)


def _trained(
    work: Work, instance: Instance, manifests: Mapping[str, Manifest], folder: Path, model: Path
) -> StageResult:
    rows = 0
    for one, _ in instance.node.references:
        source = source_of(work.graph, one, instance, work.iterations)
        if one.wants == "rows" and isinstance(source, Made):
            rows += manifests[source.instance.key].result.splits.get(source.split or "train", 0)
    return StageResult(rows_in=rows, rows_out=0, splits={}, dropped={}, model=str(model), summary=_last_metrics(folder))


def _last_metrics(folder: Path) -> dict[str, float]:
    """The last value of what a training logged."""
    found: dict[str, float] = {}
    try:
        lines = Path(folder, MODEL, "run", "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        for name in ("step", "loss", "eval_loss", "reward"):
            if isinstance(entry.get(name), int | float):
                found[name] = entry[name]
    return found


def remove_model(work: Work, instance: Instance) -> int:
    """Remove a train stage's model, or what a removal that was killed left of it. Returns the bytes that this freed.

    Its manifest says so first.
    """
    folder = Path(work.folder(instance))
    manifest = read_manifest(str(folder))
    if manifest is None:
        return 0
    if not manifest.model_removed:
        write_json(folder / MANIFEST, manifest.model_copy(update={"model_removed": True}))
    freed = 0
    for name in (MODEL, MERGED):
        for path in (folder / name).iterdir() if (folder / name).is_dir() else ():
            if path.name == "run":
                continue  # its records are small, and tell how it was made
            freed += _bytes(path)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    return freed


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [Path(parent, name) for parent, _, names in os.walk(path) for name in names]
    return sum(file.stat().st_size for file in files if file.exists())


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
