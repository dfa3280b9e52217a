"""``python -m recipe_engine.pipeline.worker FOLDER``: the process of a stage that needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from recipe_engine.compiled_stage import COMPILED_STAGE, RESULT, CompiledStage, StageResult
from recipe_engine.data.errors import DataError
from recipe_engine.data.shards import write_whole
from recipe_engine.pipeline.kinds import gate, prepare, select

Run = Callable[[CompiledStage, Callable[[str], None]], StageResult]
RUNNERS: dict[str, Run] = {"prepare": prepare.run, "select": select.run, "gate": gate.run}


def main(arguments: list[str]) -> int:
    """Do what ``stage.json`` in the folder says, and write ``result.json`` there. Returns the exit code."""
    folder = Path(arguments[0])
    compiled = CompiledStage.model_validate_json((folder / COMPILED_STAGE).read_text(encoding="utf-8"))
    try:
        result = RUNNERS[compiled.stage.kind](compiled, _say)
    except DataError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return 1
    write_whole(folder / RESULT, result.model_dump_json(indent=1))
    return 0


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
