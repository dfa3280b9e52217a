"""``python -m recipe_engine.pipeline.train FOLDER``: the process of a train stage, which starts those that train."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from recipe_engine.compiled import FINISHED, CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.diagnostics.visible import visible
from recipe_engine.launch.command import COMPILED, worker_environment
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.preflight import preflight
from recipe_engine.launch.resume import resumption
from recipe_engine.launch.run import run_to_end
from recipe_engine.launch.run_folder import write_run_folder
from recipe_engine.pipeline.folders import LOG
from recipe_engine.recipe.base import Block

TRAIN = "train.json"
"""Name of the file, in the stage's folder, with what is trained."""
HANDED_ON = "handed_on"
"""Name of the file, in the run's folder, that says that the model is whole and was loaded."""


class CompiledTraining(Block):
    """What the process of a train stage is given."""

    run: CompiledRun
    whole: str
    """Folder of the whole model: the run's output, or where an adapter is merged to."""
    texts: dict[str, str]
    """The files that the recipe was read from."""


def main(arguments: list[str]) -> int:
    """Train, or go on training, until the stage's model is there and was loaded. Returns the exit code."""
    folder = Path(arguments[0])
    given = CompiledTraining.model_validate_json((folder / TRAIN).read_text(encoding="utf-8"))
    run_dir = Path(given.run.run_dir)
    if not (run_dir / FINISHED).is_file():
        code = _train(given, folder / LOG)
        if code != 0:
            return code
    return 0 if (run_dir / HANDED_ON).is_file() else _hand_on(given)


def _train(given: CompiledTraining, log: Path) -> int:
    run = given.run
    try:
        resumed = resumption(run)
        if resumed is not None:
            run = resumed.run
            print(f"going on from {run.checkpoint}", flush=True)
        preflight(run, overwrite=True)
        _, lock = write_run_folder(run, given.texts, overwrite=True)
    except (LaunchError, DataError) as error:
        print(f"error: {visible(error.message)}", file=sys.stderr)
        for line in error.lines if isinstance(error, LaunchError) else ():
            print(f"    {visible(line)}", file=sys.stderr)
        if error.hint:
            print(f"  {visible(error.hint)}", file=sys.stderr)
        return 1
    return run_to_end(run, log, lock.descriptor, to_screen=False, is_stage=True)


def _hand_on(given: CompiledTraining) -> int:
    """Merge an adapter and load the whole model, in a process of its own."""
    command = [sys.executable, "-m", "recipe_engine.runtime", "hand-on", str(Path(given.run.run_dir) / COMPILED)]
    process = subprocess.Popen([*command, given.whole], env=worker_environment(given.run), stdin=subprocess.DEVNULL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: process.send_signal(number))
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
