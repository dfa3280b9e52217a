"""``python -m recipe_engine.runtime COMPILED.json``: one training process.

``python -m recipe_engine.runtime inspect COMPILED.json ROWS`` shows the run's rows instead,
``python -m recipe_engine.runtime hand-on COMPILED.json FOLDER`` makes its trained model whole for the next stage, and
``python -m recipe_engine.runtime stage FOLDER [PROCESSES]`` carries out a stage of a pipeline.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipe_engine.compiled import CompiledRun

EXIT_INTERRUPTED = 130
_LESS_MEMORY = (
    "halve training.per_device_train_batch_size and double gradient_accumulation_steps: the same step; "
    "or lower data.max_length, or write gradient_checkpointing: true, or model.use_lora: true"
)


def main(arguments: list[str]) -> int:
    """Do what the arguments say. Returns the exit code."""
    if arguments[0] in {"stage", "stage-worker"}:
        from recipe_engine.runtime.stages.process import stage_process, worker_process

        if arguments[0] == "stage-worker":
            return worker_process(Path(arguments[1]), arguments[2])
        return stage_process(Path(arguments[1]), int(arguments[2]) if len(arguments) > 2 else None)
    quieten()
    if arguments[0] == "inspect":
        from recipe_engine.runtime.inspect import inspect_run

        return inspect_run(Path(arguments[1]), int(arguments[2]))
    if arguments[0] == "hand-on":
        return hand_on_run(Path(arguments[1]), Path(arguments[2]))
    return train_run(Path(arguments[0]))


def train_run(compiled: Path) -> int:
    """Train a compiled run. Returns the exit code."""
    import torch

    from recipe_engine.compiled import CompiledRun
    from recipe_engine.data.errors import DataError
    from recipe_engine.runtime.errors import RunError, StoppedError
    from recipe_engine.runtime.secrets import masked
    from recipe_engine.runtime.worker import train

    run = CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
    try:
        trainer = train(run)
        return _end(0, run, trainer)
    except (RunError, DataError) as error:
        print(f"error: {masked(error.message, run)}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return _end(1, run, error)
    except StoppedError as error:
        print(f"{error}; the checkpoint is saved", flush=True)
        return _end(128 + error.signal, run, error)
    except torch.OutOfMemoryError as error:
        print(f"error: out of memory: {next(iter(str(error).splitlines()), '')}", file=sys.stderr)
        print(f"  {_LESS_MEMORY}", file=sys.stderr)
        return _end(1, run, error)
    except KeyboardInterrupt as error:
        return _end(EXIT_INTERRUPTED, run, error)
    except Exception as error:  # noqa: BLE001 # the last to see it: said with its traceback, exit code 1
        print(masked(traceback.format_exc(), run), file=sys.stderr)
        first_line = next(iter(masked(str(error), run).splitlines()), "")
        print(f"error: {type(error).__name__}: {first_line}", file=sys.stderr)  # what the ending repeats
        return _end(1, run, error)


def hand_on_run(compiled: Path, whole: Path) -> int:
    """Make a trained model whole, and load it. Returns the exit code."""
    from recipe_engine.compiled import CompiledRun
    from recipe_engine.runtime.errors import RunError
    from recipe_engine.runtime.hand_on import hand_on

    run = CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
    try:
        hand_on(run, whole, print)
    except RunError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _end(code: int, run: CompiledRun, kept: object) -> int:
    """The exit code; several processes end here, without freeing ``kept``, or anything else.

    What holds a process group must not be freed: gloo's destructor holds the interpreter lock while it waits for
    threads that want the lock, so that the process may never end (torch 2.13). After an error it would also wait for
    collectives that the other processes never join. The exit handlers of trackers and loggers do run.
    """
    if run.processes == 1:
        return code
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def quieten() -> None:
    """Leave out what libraries say that no user of a recipe can act on, and bars where no terminal shows them."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # TRL and PEFT themselves use names that transformers renames in version 6.
    warnings.filterwarnings(
        "ignore", message=r".*gradient_checkpointing(_enable|_disable)?` is deprecated", category=FutureWarning
    )
    # bitsandbytes says at import which optional kernels it did not find.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        import datasets
        from transformers.utils import logging as transformers_logging

        datasets.disable_progress_bars()
        transformers_logging.disable_progress_bar()
        os.environ.setdefault("TQDM_DISABLE", "1")  # TRL's own bars


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
