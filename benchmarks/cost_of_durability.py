"""What it costs that a run survives: its checkpoints against transformers' own, and a step with the engine's callbacks
against one without. Run by hand:

    python benchmarks/cost_of_durability.py [--saves N] [--steps N] [--width N]

Both are measured in one process and in turns, on a model of random weights with AdamW's state. A checkpoint of the
engine is written aside, brought to the disk, marked, and renamed into place; transformers leaves the files to the
system, which writes them later. What is left to be written is flushed before each save, outside the time measured. One
thread computes unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ppo_against_plain_loop import trainer_of

ENGINE = ("MetricsFile", "Progress", "CheckpointUpload", "WrapperCheck", "CarriedOn", "Stopping", "Heartbeat")
"""The engine's callbacks, by the names of their classes."""


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split(". ", 1)[0])
    parser.add_argument("--saves", type=int, default=15, help="checkpoints of each side")
    parser.add_argument("--steps", type=int, default=60, help="steps of each side")
    parser.add_argument("--width", type=int, default=512, help="of the model's hidden states")
    parser.add_argument("--folder", type=Path, help="where to save; default: the system's folder of temporary files")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        trainer = trainer_on(Path(folder), given.width, given.steps)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            trainer.train()  # the optimizer has its state then
        report_saves(trainer, Path(folder) / "out", given.saves)
        report_steps(trainer, given.steps)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def trainer_on(folder: Path, width: int, steps: int) -> Any:
    """The trainer of an SFT recipe on a model of that width."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from recipe_engine.runtime import builtin_model

    small = builtin_model.ensure()
    config = AutoConfig.from_pretrained(small)
    config.update({"hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": 6, "layer_types": None})
    AutoModelForCausalLM.from_config(type(config)(**config.to_dict())).save_pretrained(folder / "model")
    AutoTokenizer.from_pretrained(small).save_pretrained(folder / "model")
    training = {
        **{"algorithm": "sft", "max_steps": steps, "logging_steps": 1, "save_strategy": "no", "bf16": False},
        **{"per_device_train_batch_size": 8, "gradient_checkpointing": False, "dataloader_pin_memory": False},
    }
    recipe = {
        "model": {"base_model_name": str(folder / "model")},
        "data": {"datasets": [{"name": "builtin/conversations"}], "max_length": 128},
        "training": training,
    }
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        run, trainer = trainer_of(folder, recipe)
    for record in ("compiled.json", "inputs.json"):
        Path(run.run_dir, record).write_text(run.model_dump_json(), encoding="utf-8")
    return trainer


def report_saves(trainer: Any, output: Path, saves: int) -> None:
    """Checkpoints of the engine and of transformers, in turns."""
    sides = {
        "the engine's": trainer._save_checkpoint,
        "transformers' own": lambda model, trial: type(trainer)._save_checkpoint(trainer, model, trial),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    size = 0
    for number in range(saves + 1):
        for name, save in list(sides.items())[:: 1 if number % 2 else -1]:
            os.sync()
            start = time.perf_counter()
            save(trainer.model, None)
            taken = time.perf_counter() - start
            (checkpoint,) = output.glob("checkpoint-*")
            size = max(size, sum(file.stat().st_size for file in checkpoint.iterdir()))
            shutil.rmtree(checkpoint)
            if number:  # the first of each is not counted
                times[name].append(taken)
    engine, raw = times.values()
    print(f"a checkpoint of {size / 2**20:.0f} MiB")
    for label, of in (("median", statistics.median), ("least", min)):
        print(f"  {label}: {of(engine):.3f} s and {of(raw):.3f} s, ratio {of(engine) / of(raw):.3f}")


def report_steps(trainer: Any, steps: int) -> None:
    """Time inside the engine's callbacks, and of the steps that it is part of."""
    from transformers import TrainerCallback

    inside = [0.0]

    class Timed:
        """A callback, and the time that is spent in it."""

        def __init__(self, callback: Any) -> None:
            self.callback = callback

        def __getattr__(self, event: str) -> Any:
            called = getattr(self.callback, event)
            if not event.startswith("on_") or event in {"on_train_begin", "on_train_end"}:
                return called

            def measured(*given: Any, **named: Any) -> Any:
                start = time.perf_counter()
                try:
                    return called(*given, **named)
                finally:
                    inside[0] += time.perf_counter() - start

            return measured

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    handler = trainer.callback_handler
    found = [one for one in handler.callbacks if type(one).__name__ in ENGINE]
    handler.callbacks = [Timed(one) if one in found else one for one in handler.callbacks]
    trainer.add_callback(Clock())
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        trainer.train()
    step = (times[-1] - times[0]) / (len(times) - 1)
    cost = inside[0] / len(times)
    names = ", ".join(type(one).__name__ for one in found)
    print(f"a step of {1e3 * step:.1f} ms, logged each time: {1e6 * cost:.0f} us of it in {names}: {cost / step:.3%}")


if __name__ == "__main__":
    main()
