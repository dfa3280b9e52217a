"""``python -m recipe_engine.runtime COMPILED.json``: one training process.

``python -m recipe_engine.runtime inspect COMPILED.json ROWS`` shows the run's rows instead,
``python -m recipe_engine.runtime hand-on COMPILED.json FOLDER`` makes its trained model whole for the next stage, and
``python -m recipe_engine.runtime stage FOLDER [PROCESSES]`` carries out a stage of a pipeline.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipe_engine.compiled import CompiledRun

EXIT_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Do what the arguments say. Returns the exit code."""
    if arguments[0] in {"stage", "stage-worker"}:
        from recipe_engine.runtime.stages.process import stage_process, worker_process

        if arguments[0] == "stage-worker":
            return worker_process(Path(arguments[1]), arguments[2])
        return stage_process(Path(arguments[1]), int(arguments[2]) if len(arguments) > 2 else None)
    with _interrupted_in_silence():
        quieten()
    if arguments[0] == "inspect":
        from recipe_engine.runtime.inspect import inspect_run

        return inspect_run(Path(arguments[1]), int(arguments[2]))
    if arguments[0] == "hand-on":
        return hand_on_run(Path(arguments[1]), Path(arguments[2]))
    return train_run(Path(arguments[0]))


def train_run(compiled: Path) -> int:
    """Train a compiled run. Returns the exit code."""
    from recipe_engine.compiled import CompiledRun

    run = CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
    if run.gpus == 0:  # said before DeepSpeed is imported, which would look for an accelerator and tell what it took
        os.environ["DS_ACCELERATOR"] = "cpu"

    with _interrupted_in_silence():
        from recipe_engine.data.errors import DataError
        from recipe_engine.diagnostics.visible import visible_lines
        from recipe_engine.runtime.disk import full_disk
        from recipe_engine.runtime.errors import RunError, StoppedError
        from recipe_engine.runtime.faults import EXIT_CODES, LESS_MEMORY, kind_of
        from recipe_engine.runtime.secrets import masked
        from recipe_engine.runtime.worker import train

    def complain(text: str) -> None:
        print(visible_lines(masked(text, run)), file=sys.stderr)

    try:
        trainer = train(run)
        return _end(0, run, trainer)
    except (RunError, DataError) as error:
        complain(f"error: {error.message}")
        if error.hint:
            complain(f"  {error.hint}")
        return _end(1, run, error)
    except StoppedError as error:
        print(f"{error}; the checkpoint is saved", flush=True)
        return _end(128 + error.signal, run, error)
    except KeyboardInterrupt as error:
        return _end(EXIT_INTERRUPTED, run, error)
    except Exception as error:  # noqa: BLE001 # the last to see it: said with what it means for another start
        if (full := full_disk(error, Path(run.output_dir))) is not None:
            complain(f"error: {full.message}\n  {full.hint}")
            return _end(1, run, error)
        kind = kind_of(error)
        first_line = next(iter(str(error).splitlines()), "")
        if kind == "memory":
            complain(f"error: out of memory: {first_line}\n  {LESS_MEMORY}")
        else:
            complain(traceback.format_exc())
            lost = "the connection to another process was lost: " if kind == "passing" else ""
            complain(f"error: {lost}{type(error).__name__}: {first_line}")  # what the ending repeats
        return _end(EXIT_CODES[kind], run, error)


@contextmanager
def _interrupted_in_silence() -> Iterator[None]:
    """Ctrl-C ends the process at once while libraries are imported: they would answer with tracebacks of their own."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
    from recipe_engine.runtime.tracking import end_wandb

    sound = end_wandb(code, lambda message: print(message, flush=True))
    if run.processes == 1 and sound:
        return code
    if sound:
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
    # Of torch, about functions that accelerate and DeepSpeed call.
    warnings.filterwarnings("ignore", message="`torch.distributed.* is deprecated", category=FutureWarning)
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
