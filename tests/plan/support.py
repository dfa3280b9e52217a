"""Compiled runs with chosen arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from recipe_engine.compiled import CompiledRun
from tests.compile.support import GRPO, SFT, compiled


def run_of(
    folder: Path, algorithm: str, processes: int = 1, data: dict[str, Any] | None = None, **training: Any
) -> CompiledRun:
    """A run of ``algorithm`` on ``processes`` processes of the CPU."""
    recipe = yaml.safe_load(GRPO if algorithm in {"grpo", "gspo"} else SFT)
    recipe["training"] |= {"algorithm": algorithm, "output_dir": str(folder / "out"), **training}
    recipe["data"] |= data or {}
    recipe["launch"] = {"cpu_processes": processes}
    return compiled(yaml.safe_dump(recipe), file=str(folder / "recipe.yaml"))
