"""What it costs that a run survives: its checkpoints against transformers' own, and a step with the engine's callbacks
against one without. Run by hand:

    python benchmarks/cost_of_durability.py [--saves N] [--steps N] [--width N]

Both are measured in one training and in turns, on a model of random weights with AdamW's state. A checkpoint of the
engine is written aside, and brought to the disk, marked and renamed into place while training goes on; transformers
leaves the files to the system, which writes them later. So the time for which training waits is measured, and that of
the save with the steps after it, in which the engine's thread and training share the machine. What is left to be
written is flushed before each save, outside the time measured. One thread computes unless OMP_NUM_THREADS says
otherwise.
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

ENGINE = (
    "MetricsFile",
    "Progress",
    "CheckpointUpload",
    "WrapperCheck",
    "CarriedOn",
    "Stopping",
    "Sealing",
    "Heartbeat",
)
"""The engine's callbacks, by the names of their classes."""
STEPS_AFTER = 2
"""Steps between one checkpoint and the next: in them the engine brings it to the disk."""


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
        report_saves(trainer, given.saves)
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


def report_saves(trainer: Any, saves: int) -> None:
    """Checkpoints of the engine and of transformers, in turns, and the steps after each, in one training."""
    from transformers import TrainerCallback

    args, engine = trainer.args, trainer._save_checkpoint
    (sealing,) = (one for one in trainer.callback_handler.callbacks if type(one).__name__ == "Sealing")
    output = Path(args.output_dir)
    times: dict[str, list[tuple[float, float]]] = {"engine": [], "raw": []}
    standing: list[float] = []
    size, number = 0, 0

    class Turns(TrainerCallback):
        """Ends the turn before, and begins one, with nothing left for the system to write."""

        def __init__(self) -> None:
            self.begun = self.saved = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            nonlocal size, number
            if state.global_step % STEPS_AFTER:
                return
            now = time.perf_counter()
            if number > 2:  # the first of each is not counted
                times[side(number - 1)].append((self.saved - self.begun, now - self.begun))
            sealing.wait()
            for checkpoint in output.glob("checkpoint-*"):
                size = max(size, sum(file.stat().st_size for file in checkpoint.iterdir()))
                shutil.rmtree(checkpoint)
            os.sync()
            number += 1
            self.begun = time.perf_counter()

        def on_save(self, *_: Any, **__: Any) -> None:
            self.saved = time.perf_counter()

    def side(number: int) -> str:
        return "engine" if number // 2 % 2 == number % 2 else "raw"  # either comes first as often

    def save(model: Any, trial: Any) -> None:
        if side(number) == "raw":
            return type(trainer)._save_checkpoint(trainer, model, trial)
        start = time.perf_counter()
        sealing.begin = lambda work: type(sealing).begin(
            sealing, lambda: (work(), standing.append(time.perf_counter() - start))
        )
        return engine(model, trial)

    trainer._save_checkpoint = save
    args.save_strategy, args.save_steps, args.save_total_limit = "steps", STEPS_AFTER, None
    before, args.max_steps = args.max_steps, STEPS_AFTER * (2 * saves + 3)
    turns = Turns()
    trainer.add_callback(turns)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        trainer.train()
    trainer.remove_callback(turns)
    trainer._save_checkpoint, args.save_strategy, args.max_steps = engine, "no", before
    print(f"a checkpoint of {size / 2**20:.0f} MiB, {len(times['engine'])} of each side")
    for position, what in enumerate(("training waits", f"with the {STEPS_AFTER} steps after it")):
        for label, of in (("median", statistics.median), ("least", min)):
            ours, theirs = (of([time[position] for time in times[name]]) for name in ("engine", "raw"))
            print(f"  {what}, {label}: {ours:.3f} s and {theirs:.3f} s, ratio {ours / theirs:.3f}")
    print(f"  the engine's stands after {statistics.median(standing):.3f} s, least {min(standing):.3f} s")


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
