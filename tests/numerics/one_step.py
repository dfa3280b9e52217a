"""The gradient of one optimizer step, however its rows are cut into micro-batches and shared among processes.

The rows make up exactly one step, so their order does not matter. What is sampled is not drawn but follows from the
prompt and from which of its completions it is, so it is the same on any process.

``main`` is one process of several.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback
from trl import GRPOTrainer

from recipe_engine.algorithms import algorithm as algorithm_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import COMPILED
from recipe_engine.runtime.worker import train
from tests.fork_server import ForkServer
from tests.numerics.support import relative_error
from tests.runtime.support import Row, compiled, write_rows

GRADIENTS = "gradients.pt"


@dataclass(frozen=True)
class Cut:
    """How the rows of a step are cut: rows of a micro-batch on one process, micro-batches, processes."""

    per_device: int
    accumulation: int = 1
    processes: int = 1


def cuts_of(rows: int) -> dict[str, Cut]:
    """The whole batch at once, two micro-batches, and two processes."""
    return {"whole": Cut(rows), "accumulated": Cut(rows // 2, accumulation=2), "ranks": Cut(rows // 2, processes=2)}


def gradients(
    server: ForkServer, folder: Path, algorithm: str, rows: Sequence[Row], cut: Cut, *, group: int = 1, **blocks: Any
) -> dict[str, Tensor]:
    """The gradients with which the optimizer makes its first step, by the name of the parameter.

    ``cut`` counts completions where the algorithm samples; ``group`` of them belong to one prompt.
    """
    folder.mkdir()
    training = {
        "per_device_train_batch_size": cut.per_device,
        "gradient_accumulation_steps": cut.accumulation,
        "max_steps": 1,
        "optim": "sgd",
        "max_grad_norm": 0.0,
        **blocks.pop("training", {}),
    }
    if algorithm_of(algorithm).sampling == "groups":
        training = {"num_generations": group, **training}
    if cut.processes > 1:
        blocks["launch"] = {**blocks.get("launch", {}), "cpu_processes": cut.processes}
    run = compiled(folder, algorithm, {"name": write_rows(folder / "rows.jsonl", rows)}, training=training, **blocks)
    if cut.processes == 1:
        with watched(run):
            train(run)
    else:
        file = Path(run.run_dir) / COMPILED
        file.write_text(run.model_dump_json(), encoding="utf-8")
        server.train(file, cut.processes, __name__)
    found: dict[str, Tensor] = torch.load(Path(run.run_dir) / GRADIENTS)
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 1e-4) -> None:
    """Fail unless every gradient is the expected one, and some are not zero."""
    assert found.keys() == expected.keys()
    whole = torch.cat([one.flatten() for one in expected.values()]).norm()
    assert whole > 1e-6
    for name, gradient in expected.items():
        if gradient.norm() > 1e-4 * whole:  # of what is next to nothing, rounding is a large share
            assert relative_error(found[name], gradient) < tolerance, name
    everything = [torch.cat([one[name].flatten() for name in expected]) for one in (found, expected)]
    assert relative_error(*everything) < tolerance


@contextmanager
def watched(run: CompiledRun) -> Iterator[None]:
    """Keep the gradients of the first step, and sample what follows from the prompt."""
    original = Trainer.train

    def train_and_watch(self: Trainer, *arguments: Any, **keywords: Any) -> Any:
        self.add_callback(_Gradients(Path(run.run_dir) / GRADIENTS))
        return original(self, *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train", train_and_watch)
        patch.setattr(GRPOTrainer, "_generate_single_turn", _completions)
        yield


class _Gradients(TrainerCallback):
    def __init__(self, file: Path) -> None:
        self.file = file

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        if state.global_step == 0 and state.is_world_process_zero:
            named = known["model"].named_parameters()
            kept = {name.removeprefix("module."): p.grad.clone() for name, p in named if p.grad is not None}
            torch.save(kept, self.file)


def _completions(self: Any, prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
    """For each prompt a completion of 1 to ``max_completion_length`` tokens; half of them end."""
    seen: Counter[tuple[int, ...]] = Counter()
    completions = []
    for prompt in prompt_ids:
        seen[tuple(prompt)] += 1
        digest = hashlib.sha256(repr((prompt, seen[tuple(prompt)])).encode()).digest()
        length = 1 + digest[0] % self.max_completion_length
        ids = [10 + byte % 200 for byte in digest[1 : 1 + length]]
        completions.append([*ids[:-1], self._tokenizer.eos_token_id] if digest[-1] % 2 else ids)
    return completions, None


def main(arguments: list[str]) -> int:
    """Train as one process of several."""
    torch.set_num_threads(1)
    run = CompiledRun.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    with watched(run):
        trained = train(run)
    assert trained is not None
    os._exit(0)  # freeing tensors that several processes share may wait for a process that has ended
