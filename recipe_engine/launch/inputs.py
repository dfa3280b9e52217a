"""What a run reads from local files, by its content: a resumed run must find what it was started with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from recipe_engine.algorithms import algorithm
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.location import locate
from recipe_engine.recipe.rewards import FunctionReward

FILE = "inputs.json"

_WHOLE_BYTES = 64 << 20
"""Larger files are known by their size, and by their first and last megabyte."""
_PART_BYTES = 1 << 20


def fingerprints(run: CompiledRun) -> dict[str, str]:
    """A digest of each local file that the run reads: rows, code of rewards, chat template, weights of models."""
    return {str(file): digest(file) for path in local_inputs(run) for file in _files(path)}


def local_inputs(run: CompiledRun) -> Iterator[Path]:
    """The local files and folders that the run reads."""
    names = [entry.name for entry in [*run.data.datasets, *run.data.eval_datasets]]
    names += [run.model.base_model_name, *algorithm(run.algorithm).models_named(run.settings).values()]
    yield from (Path(name) for name in names if locate(name).kind == "local")
    yield from (Path(run.recipe_folder, one.path) for one in run.rewards if isinstance(one, FunctionReward))
    if run.model.chat_template is not None:
        yield Path(run.recipe_folder, os.path.expanduser(run.model.chat_template))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.glob("*") if file.is_file()) if path.is_dir() else []


def digest(file: Path) -> str:
    """What tells a file's content: a hash of it, for a large one of its size and ends."""
    size = file.stat().st_size
    hashed = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        if size <= _WHOLE_BYTES:
            hashed.update(stream.read())
        else:
            hashed.update(stream.read(_PART_BYTES))
            stream.seek(-_PART_BYTES, os.SEEK_END)
            hashed.update(stream.read())
    return hashed.hexdigest()
