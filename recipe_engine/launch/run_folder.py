"""The run's folder: is it free, and what is written there before training."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import COMPILED
from recipe_engine.launch.errors import LaunchError


def demand_free(run: CompiledRun, overwrite: bool) -> None:
    """Check that the output folder is empty, ours to overwrite, or resumed.

    Raises:
        LaunchError: it holds the result of another run, or files that this engine did not write, or cannot be written.
    """
    folder = Path(run.output_dir)
    if folder.is_file():
        raise LaunchError("T502", f"training.output_dir: {folder} is a file")
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(parent, os.W_OK):
        raise LaunchError("T503", f"training.output_dir: {parent} cannot be written to")
    if not folder.exists() or not any(folder.iterdir()) or run.arguments.get("resume_from_checkpoint"):
        return
    ours = Path(run.run_dir, COMPILED).is_file()
    if not ours:
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
        )


def write_run_folder(run: CompiledRun, texts: Mapping[str, str]) -> Path:
    """Clear what an earlier run left, and write the compiled run and the recipe's files as they were read.

    Returns the path of the compiled file.
    """
    folder = Path(run.run_dir)
    if not run.arguments.get("resume_from_checkpoint"):
        _clear(Path(run.output_dir))
    (folder / "recipe").mkdir(parents=True, exist_ok=True)
    for index, (name, text) in enumerate(texts.items()):
        label = Path(name).name if not name.startswith("<") else "overrides.txt"
        (folder / "recipe" / f"{index}-{label}").write_text(text, encoding="utf-8")
    compiled = folder / COMPILED
    _write_whole(compiled, run.model_dump_json(indent=1))
    return compiled


def _clear(output: Path) -> None:
    """Remove an earlier run's checkpoints, weights and records; ``demand_free`` made sure that they are a run's."""
    for path in list(output.glob("checkpoint-*")) + [output / "run"]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    for pattern in ("*.safetensors", "*.safetensors.index.json", "adapter_config.json"):
        for path in output.glob(pattern):
            path.unlink()


def _write_whole(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader sees the old text or the new one, never a part."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(stream.name, path)
