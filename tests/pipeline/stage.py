"""Stages that need no torch, run in their own process's code: settings and rows in, rows and counts out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recipe_engine.compiled_stage import COMPILED_STAGE, RESULT, CompiledStage, StageResult
from recipe_engine.data.shards import read_shards, write_shard
from recipe_engine.pipeline.worker import main
from recipe_engine.recipe.stages import STAGES
from recipe_engine.recipe.thinking import ThinkingBlock

Row = dict[str, Any]


def compiled(folder: Path, kind: str, settings: Row, **more: Any) -> CompiledStage:
    """A compiled stage whose folder is ``folder``."""
    stage = STAGES[kind].model_validate({"id": "stage", "kind": kind, **settings})
    values: Row = {"engine": "test", "pipeline_file": "pipeline.yaml", "recipe_folder": str(folder.parent)}
    values |= {"iteration": None, "seed": 42, "gpus": 0, "thinking": None}
    return CompiledStage(folder=str(folder), stage=stage, **{**values, **more})


def start(folder: Path, kind: str, settings: Row, **more: Any) -> int:
    """Run a stage as its process does. Returns the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    text = compiled(folder, kind, settings, **more).model_dump_json()
    (folder / COMPILED_STAGE).write_text(text, encoding="utf-8")
    return main([str(folder)])


def run(folder: Path, kind: str, settings: Row, **more: Any) -> StageResult:
    """Run a stage to its end."""
    assert start(folder, kind, settings, **more) == 0
    return StageResult.model_validate_json((folder / RESULT).read_text(encoding="utf-8"))


def rows_of(folder: Path, split: str = "train") -> list[Row]:
    """The rows that a stage has written."""
    return list(read_shards(folder / "rows" / split))


def rows_file(folder: Path, rows: list[Row], name: str = "in.jsonl") -> str:
    """A file of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def scored(folder: Path, rows: list[Row]) -> str:
    """A folder of rows as a score stage leaves it."""
    write_shard(folder / "rows" / "train", 0, rows)
    return str(folder / "rows")


def prepared(folder: Path, rows: list[Row], *steps: Row, thinking: ThinkingBlock | None = None, **more: Any) -> Row:
    """What steps make of rows: ``rows`` and ``dropped``."""
    source = rows_file(folder, rows)
    result = run(folder / "out", "prepare", {"rows": source, "steps": list(steps), **more}, thinking=thinking)
    return {"rows": rows_of(folder / "out"), "dropped": result.dropped, "result": result}
