"""The run's folder: is it free, and what is written there before training."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from recipe_engine.checkpoints import STAGING, left_out
from recipe_engine.compiled import FINISHED, CompiledRun
from recipe_engine.data.shards import write_whole
from recipe_engine.diagnostics.redact import redact
from recipe_engine.launch import attempts, inputs, jobs, lock
from recipe_engine.launch.command import COMPILED
from recipe_engine.launch.errors import LaunchError

_FOLDERS = re.compile(r"checkpoint-\d+|global_step\d+|" + re.escape(STAGING))
_SAVED = re.compile(
    r".*\.safetensors(\.index\.json)?|(adapter_|generation_|tokenizer_)?config\.json|training_args\.bin"
    r"|tokenizer\.(json|model)|chat_template\.jinja|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt"
    r"|latest|zero_to_(fp32|torch)\.py"  # DeepSpeed's
)
"""What a training saves beside its checkpoints. A leftover of an earlier model would be loaded with the new one."""


def demand_free(run: CompiledRun, overwrite: bool) -> None:
    """Check that the output folder is empty, ours to overwrite, or resumed, and not in use.

    Raises:
        LaunchError: it holds the result of another run, or files that this engine did not write, or is in use by a run
            that is going on, or cannot be written.
    """
    demand_writable(Path(run.output_dir), "training.output_dir")
    lock.demand_unlocked(run)
    _demand_contents(run, overwrite)


def _demand_contents(run: CompiledRun, overwrite: bool) -> None:
    folder = Path(run.output_dir)
    if _holds_no_result(run) or run.checkpoint:
        return
    if not Path(run.run_dir, COMPILED).is_file():
        raise LaunchError(
            "T502",
            f"training.output_dir: {folder} holds files that are not of a run",
            "choose another folder; this one is left alone, also with overwrite_output_dir",
        )
    if not overwrite:
        raise LaunchError(
            "T502",
            f"training.output_dir: {folder} holds an earlier run",
            "choose another training.run_name or output_dir, or add training.overwrite_output_dir=true to replace it",
            left_out(folder, None) if run.resume == "auto" and not (Path(run.run_dir) / FINISHED).exists() else (),
        )


def _holds_no_result(run: CompiledRun) -> bool:
    """Whether the folder is not there, or holds nothing but the records of a run that saved no checkpoint and no model.

    Such a run failed, or was stopped, and what it would be started again for is the same folder.
    """
    folder, run_dir = Path(run.output_dir), Path(run.run_dir)
    if not folder.exists():
        return True
    # Beside its records: tensorboard's, a checkpoint that was cut off, and TRL's card of a model that is not there yet.
    records = {run_dir, *(folder / name for name in ("runs", STAGING, "README.md"))}
    if any(path not in records for path in folder.iterdir()):
        return False
    if (run_dir / COMPILED).is_file() or not any(folder.iterdir()):
        return True
    own = run_dir.iterdir() if run_dir.is_dir() else ()
    # Before a run begins, there is what says that it was submitted; the lock is the first thing that it writes.
    return {path.name for path in own} <= {lock.NAME, jobs.FILE} and not (folder / "runs").exists()


def demand_writable(folder: Path, setting: str) -> None:
    """Check that a folder is one, or can be made, and that files can be made in it.

    Raises:
        LaunchError: not so.
    """
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        raise LaunchError("T502", f"{setting}: {nearest} is not a folder")
    if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
        raise LaunchError("T503", f"{setting}: {nearest} cannot be written to")


def write_run_folder(run: CompiledRun, texts: Mapping[str, str], overwrite: bool) -> tuple[Path, lock.Lock]:
    """Take the output folder, clear what an earlier run left there, and write the compiled run and the recipe's files.

    Returns the path of the compiled file, and the lock, which is to be held until the run has ended.

    Raises:
        LaunchError: another run took the folder since it was found free.
    """
    folder = Path(run.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    held = lock.lock(run)
    try:
        _demand_contents(run, overwrite)
        held.name_holder(os.getpid())
        return _write(run, texts), held
    except BaseException:
        held.release()
        raise


def _write(run: CompiledRun, texts: Mapping[str, str]) -> Path:
    folder = Path(run.run_dir)
    if not run.checkpoint:
        _clear(Path(run.output_dir))
    jobs.forget(folder)
    compiled = write_compiled(run)
    write_whole(folder / inputs.FILE, json.dumps(inputs.fingerprints(run), indent=1))
    (folder / "recipe").mkdir(exist_ok=True)
    for index, (name, text) in enumerate(texts.items()):
        label = Path(name).name if not name.startswith("<") else "overrides.txt"
        (folder / "recipe" / f"{index}-{label}").write_text(redact(text), encoding="utf-8")
    return compiled


def write_compiled(run: CompiledRun) -> Path:
    """Write what the training processes are given. Returns the file."""
    compiled = Path(run.run_dir, COMPILED)
    write_whole(compiled, run.model_dump_json(indent=1))
    return compiled


def _clear(output: Path) -> None:
    """Remove an earlier run's checkpoints, model and records; ``demand_free`` made sure that they are a run's."""
    for path in list(_of_earlier_run(output)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _of_earlier_run(output: Path) -> Iterator[Path]:
    yield from (path for path in output.iterdir() if _FOLDERS.fullmatch(path.name) and path.is_dir())
    yield from (path for path in output.iterdir() if _SAVED.fullmatch(path.name) and not path.is_dir())
    yield from (path for path in (output / "run").iterdir() if path.name not in {lock.NAME, attempts.FILE})
