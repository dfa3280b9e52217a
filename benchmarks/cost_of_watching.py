"""What heartbeats and metrics.jsonl cost of a step: the time within them, over the time of a real training on the CPU.

The model is the embedded one, whose steps are the shortest there are; the lock costs a step nothing, for it is taken
once. Run by hand:

    python benchmarks/cost_of_watching.py [STEPS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from recipe_engine.cli.common import check_or_exit
from recipe_engine.compile import Options, compile_recipe
from recipe_engine.progress import Heart
from recipe_engine.runtime.callbacks.metrics import MetricsFile
from recipe_engine.runtime.worker import train

_LEAST_SHARE = 0.005


def main(steps: int) -> None:
    """Train, and print the share of each."""
    spent: dict[str, float] = {}
    calls: dict[str, int] = {}

    def timed(owner: Any, method: str, name: str) -> None:
        inner: Callable[..., Any] = getattr(owner, method)

        def measured(*arguments: Any, **keywords: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*arguments, **keywords)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
                calls[name] = calls.get(name, 0) + 1

        setattr(owner, method, measured)

    timed(Heart, "beat", "heartbeat")
    timed(MetricsFile, "on_log", "metrics")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "recipe.yaml")
        file.write_text(yaml.safe_dump(_recipe(folder, steps)), encoding="utf-8")
        checked = check_or_exit(file, [], 0)
        run = compile_recipe(checked.recipe, checked.document, Options(0)).run
        Path(run.run_dir).mkdir(parents=True)
        trainer = train(run)
    seconds = next(line["train_runtime"] for line in reversed(trainer.state.log_history) if "train_runtime" in line)
    print(f"{steps} steps of {1000 * seconds / steps:.1f} ms")
    for name, time_within in spent.items():
        each = 1e6 * time_within / calls[name]
        print(f"{name}: {calls[name]} calls of {each:.1f} us, {time_within / seconds:.3%} of the time")
    share = sum(spent.values()) / seconds
    print(f"together {share:.3%}: {'below' if share < _LEAST_SHARE else 'ABOVE'} {_LEAST_SHARE:.1%}")


def _recipe(folder: str, steps: int) -> dict[str, Any]:
    return {
        "model": {"base_model_name": "builtin/tiny-chat"},
        "data": {"datasets": [{"name": "builtin/conversations"}]},
        "training": {
            "algorithm": "sft",
            "output_dir": f"{folder}/model",
            "max_steps": steps,
            "per_device_train_batch_size": 8,
            "logging_steps": 1,
            "save_strategy": "no",
            "bf16": False,
            "gradient_checkpointing": False,
        },
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
