"""Stages as their processes are given them, carried out in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe_engine.compiled_stage import COMPILED_STAGE, CompiledStage
from recipe_engine.data.shards import read_shards
from recipe_engine.recipe.stages import STAGES
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.stages.run import run_stage

Row = dict[str, Any]


def stage_in(folder: Path, settings: Row, *, thinking: Row | None = None, **given: Any) -> Path:
    """A folder with a compiled stage. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    compiled = CompiledStage(
        engine="0",
        pipeline_file="pipeline.yaml",
        recipe_folder=str(given.pop("recipe_folder", folder)),
        folder=str(folder),
        iteration=given.pop("iteration", None),
        stage=STAGES[settings["kind"]].model_validate({"id": settings["kind"], **settings}),
        seed=given.pop("seed", 0),
        gpus=0,
        thinking=None if thinking is None else ThinkingBlock.model_validate(thinking),
        **given,
    )
    (folder / COMPILED_STAGE).write_text(compiled.model_dump_json(indent=1), encoding="utf-8")
    return folder


def carried_out(folder: Path, settings: Row, *, processes: int | None = None, **given: Any) -> list[str]:
    """Carry a stage out in this process. Returns what it said."""
    said: list[str] = []
    run_stage(stage_in(folder, settings, **given), said.append, processes)
    return said


def rows_in(folder: Path, split: str = "train") -> list[Row]:
    """The rows that a stage has made."""
    return list(read_shards(folder / "rows" / split))


def result_in(folder: Path) -> Row:
    """The result of a stage."""
    result: Row = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return result


def command(folder: Path, processes: int | None = None) -> list[str]:
    """What starts a stage's process."""
    end = [] if processes is None else [str(processes)]
    return [sys.executable, "-m", "recipe_engine.runtime", "stage", str(folder), *end]


def questions(folder: Path, texts: Sequence[str], name: str = "prompts.jsonl", **columns: Any) -> str:
    """A file of prompts, each a text of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text("".join(json.dumps({"prompt": text, **columns}) + "\n" for text in texts), encoding="utf-8")
    return str(file)
