"""Small recipes, compiled as the command line does it, and trained in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from recipe_engine.compile import Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.lint import check

Row = dict[str, Any]


def user(content: str) -> Row:
    return {"role": "user", "content": content}


def assistant(content: str) -> Row:
    return {"role": "assistant", "content": content}


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as JSON lines. Returns the file's name."""
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def compiled(
    folder: Path,
    algorithm: str,
    datasets: Sequence[Row] | Row,
    *,
    model: str = "builtin/tiny-chat",
    options: Options | None = None,
    **blocks: Any,
) -> CompiledRun:
    """A run on ``datasets`` (entries, or one), its folder made; ``blocks`` adds to the blocks of the recipe."""
    entries = [datasets] if isinstance(datasets, Mapping) else list(datasets)
    recipe = {
        "model": {"base_model_name": model, **blocks.pop("model_settings", {})},
        "data": {"datasets": entries, **blocks.pop("data", {})},
        "training": {
            "algorithm": algorithm,
            "output_dir": str(folder / "out"),
            "logging_steps": 1,
            "save_strategy": "no",
            "gradient_checkpointing": False,
            "dataloader_pin_memory": False,
            "bf16": False,
            **blocks.pop("training", {}),
        },
        **blocks,
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    options = options or Options()
    checked = check(file, gpus=options.gpus)
    assert checked.recipe is not None, checked.diagnostics
    assert checked.document is not None
    run = compile_recipe(checked.recipe, checked.document, options).run
    if run.resume not in {"auto", "never"}:  # the launch does so
        run = run.model_copy(update={"checkpoint": run.resume})
    Path(run.run_dir).mkdir(parents=True, exist_ok=True)
    return CompiledRun.model_validate_json(run.model_dump_json())


def logged(run: CompiledRun, name: str) -> list[Any]:
    """A number's values in the order in which they were logged."""
    lines = (Path(run.run_dir) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry[name] for entry in map(json.loads, lines) if name in entry]
