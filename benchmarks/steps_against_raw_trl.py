"""The time of an optimizer step under the engine against TRL's own trainer, for each algorithm. Run by hand:

    python benchmarks/steps_against_raw_trl.py [ALGORITHM...] [--steps N] [--rounds N]

The trainer that a recipe is compiled to and the one that a user of TRL would make (for process_reward, which TRL lacks,
a loop in plain PyTorch) train in turns in one process, a few steps at a time: the same model, rows, order of the rows,
seed, batch, lengths and optimizer; nothing is saved or evaluated, and the log is written outside the time measured.
Sampled completions all have the same number of tokens. Each side first trains for one round that is not counted; from
then on each round has the same batches. Least is the mean over these batches of the least time of each. One thread
computes unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from ppo_against_plain_loop import engine_steps, trainer_of

SEED, TOKENS = 7, 24
BLOCKS: dict[str, Any] = {
    "overwrite_output_dir": True,
    "learning_rate": 1e-6,
    "lr_scheduler_type": "constant",
    "save_strategy": "no",
    "bf16": False,
    "gradient_checkpointing": False,
    "dataloader_pin_memory": False,
    "seed": SEED,
}
SAMPLED = {
    "per_device_train_batch_size": 32,
    "max_completion_length": TOKENS,
    "generation_kwargs": {"min_new_tokens": TOKENS},
}


@dataclass(frozen=True, slots=True)
class Case:
    """An algorithm, and what it is compared with: a trainer's class as ``module:Class``, its config next to it."""

    rows: str
    against: str
    training: dict[str, Any] = field(default_factory=lambda: {"per_device_train_batch_size": 16})
    same_loss: bool = True
    """Whether the losses must be the same."""

    @property
    def sampled(self) -> bool:
        """Whether completions are sampled."""
        return "max_completion_length" in self.training


GROUPS = Case("builtin/questions", "trl:GRPOTrainer", SAMPLED)
CASES = {
    "sft": Case("builtin/conversations", "trl:SFTTrainer"),
    "dpo": Case("builtin/preferences", "trl:DPOTrainer"),
    "orpo": Case("builtin/preferences", "trl.experimental.orpo:ORPOTrainer", same_loss=False),
    "cpo": Case("builtin/preferences", "trl.experimental.cpo:CPOTrainer", same_loss=False),
    "kto": Case("builtin/unpaired", "trl:KTOTrainer"),
    "reward_model": Case("builtin/preferences", "trl:RewardTrainer"),
    "process_reward": Case(
        "builtin/stepwise",
        "plain PyTorch",
        {"per_device_train_batch_size": 16, "placeholder_token": "#", "train_sampling_strategy": "sequential"},
    ),
    "grpo": GROUPS,
    "dapo": Case(GROUPS.rows, GROUPS.against, {**SAMPLED, "dynamic_sampling": False}),
    "gspo": GROUPS,
    "rloo": Case(GROUPS.rows, "trl:RLOOTrainer", SAMPLED),
    "gkd": Case(GROUPS.rows, "trl:DistillationTrainer", {**SAMPLED, "lmbda": 1.0}),
}


@dataclass(slots=True)
class Side:
    """One of two that are compared: trains for a round, and gives the times of its steps and its mean loss."""

    round: Callable[[], tuple[list[tuple[float, float]], float]]
    wall: list[list[float]] = field(default_factory=list)
    processor: list[list[float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def train(self, counted: bool) -> None:
        """One round. Its first step, before which everything is set up, is not counted."""
        from transformers import set_seed

        gc.collect()
        set_seed(SEED)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            times, loss = self.round()
        self.losses.append(loss)
        if counted:
            self.wall.append([wall for wall, _ in times[1:]])
            self.processor.append([processor for _, processor in times[1:]])


def main() -> None:
    """Measure, and print a line for each algorithm."""
    parser = argparse.ArgumentParser(description=__doc__.split(". ", 1)[0])
    parser.add_argument("algorithms", nargs="*", metavar="ALGORITHM", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--steps", type=int, default=11, help="steps of a round; the first of each is not counted")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    if unknown := set(given.algorithms) - CASES.keys():
        parser.error(f"not compared: {', '.join(sorted(unknown))}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    for name in given.algorithms or CASES:
        with tempfile.TemporaryDirectory() as folder:
            engine, raw = sides(name, Path(folder), given.steps)
            for number in range(given.rounds + 1):
                for side in (engine, raw) if number % 2 else (raw, engine):
                    side.train(counted=number > 0)
        report(name, engine, raw)


def report(name: str, engine: Side, raw: Side) -> None:
    """Print what was measured of an algorithm."""
    case, parts = CASES[name], []
    for label, both in (("step", (engine.wall, raw.wall)), ("processor", (engine.processor, raw.processor))):
        for kind, of in (("median", median), ("least", least)):
            ours, theirs = map(of, both)
            parts.append(f"{label}, {kind} {1e3 * ours:.1f} / {1e3 * theirs:.1f} ms = {ours / theirs:.3f}")
    pairs = list(zip(engine.losses, raw.losses, strict=True))
    apart = max(abs(ours - theirs) for ours, theirs in pairs)
    losses = f"losses {pairs[0][0]:.6f} and {pairs[0][1]:.6f}, at most {apart:.1e} apart"
    warning = "; THEY SHOULD BE THE SAME" if case.same_loss and apart > 1e-5 else ""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"{name} against {case.against}: {'; '.join(parts)}; {losses}{warning}; {load}", flush=True)


def median(rounds: list[list[float]]) -> float:
    """The median of all steps."""
    return statistics.median(time for times in rounds for time in times)


def least(rounds: list[list[float]]) -> float:
    """The least time of each step of a round, on the average."""
    return statistics.mean(map(min, zip(*rounds, strict=True)))


def sides(name: str, folder: Path, steps: int) -> tuple[Side, Side]:
    """The engine's side and the other one, which begin with the same weights."""
    case = CASES[name]
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        run, trainer = engine_trainer(name, folder, steps)
        if case.against == "plain PyTorch":
            return Side(lambda: steps_of(trainer)), Side(plain_loop(trainer, steps))
        raw = raw_trainer(case, run, folder)
    raw.model.load_state_dict(trainer.model.state_dict())
    return Side(lambda: steps_of(trainer)), Side(lambda: steps_of(raw))


def engine_trainer(name: str, folder: Path, steps: int) -> tuple[Any, Any]:
    """The compiled run of the algorithm's recipe, and the trainer that is made of it."""
    case = CASES[name]
    training = {"algorithm": name, "max_steps": steps, "logging_steps": steps, **BLOCKS, **case.training}
    recipe: dict[str, Any] = {
        "model": {"base_model_name": "builtin/tiny-chat"},
        "data": {"datasets": [{"name": case.rows}], "max_length": 64},
        "training": training,
    }
    if name == "gkd":
        training["teacher_model"] = str(another_model(folder / "teacher"))
    elif case.sampled:
        recipe["rewards"] = [{"type": "exact_match"}]
    return trainer_of(folder, recipe)


def another_model(folder: Path) -> Path:
    """The embedded model with some noise on its weights, to teach."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from recipe_engine.runtime import builtin_model

    path = builtin_model.ensure()
    model = AutoModelForCausalLM.from_pretrained(path)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.parameters():
            weights += 0.02 * torch.randn(weights.shape, generator=generator)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(path).save_pretrained(folder)
    return folder


def raw_trainer(case: Case, run: Any, folder: Path) -> Any:
    """TRL's trainer with the arguments of the compiled run, on the rows as they are."""
    from datasets import Dataset
    from transformers import AutoTokenizer, PrinterCallback

    from recipe_engine.data import builtin
    from recipe_engine.runtime import builtin_model

    module, name = case.against.split(":")
    config = getattr(import_module(module), name.replace("Trainer", "Config"))
    known = {argument.name for argument in fields(config) if argument.init}
    arguments = {key: value for key, value in run.arguments.items() if key in known}
    arguments |= {"output_dir": str(folder / "raw"), "report_to": "none", "disable_tqdm": True}
    if name in {"ORPOTrainer", "CPOTrainer"}:  # to which DPO's loss_type, a list, means nothing
        arguments.pop("loss_type", None)
    if "max_length" in known:
        arguments["max_length"] = 64
    rows = Dataset.from_list(builtin.rows(case.rows, "train"))
    if name == "KTOTrainer":  # it takes rows in their order; the engine shuffles them
        rows = rows.shuffle(seed=SEED)
    path = str(builtin_model.ensure())
    further: dict[str, Any] = {}
    if name == "DistillationTrainer":
        further["teacher_model"] = str(folder / "teacher")
    elif case.sampled:
        further["reward_funcs"] = right
    if module != "trl":  # the older trainers are given a model, not its name
        from transformers import AutoModelForCausalLM

        path = AutoModelForCausalLM.from_pretrained(path)
    trainer = getattr(import_module(module), name)(
        model=path,
        args=config(**arguments),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(builtin_model.ensure()),
        **further,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def right(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    """The reward: 1 for the right answer."""
    return [float(said[0]["content"].strip() == wanted) for said, wanted in zip(completions, answer, strict=True)]


def steps_of(trainer: Any) -> tuple[list[tuple[float, float]], float]:
    """A round of training: the time of each step, with what is between it and the one before, and the mean loss."""
    times = engine_steps(trainer)
    if len(times) < trainer.args.max_steps:  # the engine's trainers end a training when a signal comes
        raise KeyboardInterrupt
    return times, trainer.state.log_history[-1]["train_loss"]


def plain_loop(trainer: Any, steps: int) -> Callable[[], tuple[list[tuple[float, float]], float]]:
    """Rounds of training a process reward model by hand, on the rows and weights that the engine's trainer has."""
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import AutoModelForCausalLM

    from recipe_engine.runtime import builtin_model

    model = AutoModelForCausalLM.from_pretrained(builtin_model.ensure()).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=BLOCKS["learning_rate"], weight_decay=0.0, fused=True)
    rows, reward_ids, size = list(trainer.train_dataset), trainer.reward_ids, trainer.args.per_device_train_batch_size

    def train() -> tuple[list[tuple[float, float]], float]:
        times, losses = [], []
        for step in range(steps):
            start = time.perf_counter(), time.process_time()
            batch = [rows[(step * size + n) % len(rows)] for n in range(size)]
            width = max(len(row["input_ids"]) for row in batch)
            ids = torch.tensor([row["input_ids"] + [0] * (width - len(row["input_ids"])) for row in batch])
            mask = torch.tensor([[n < len(row["input_ids"]) for n in range(width)] for row in batch]).long()
            labels = [(n, place) for n, row in enumerate(batch) for place in row["positions"]]
            targets = torch.tensor([target for row in batch for target in row["targets"]])
            row_of, place_of = zip(*labels, strict=True)
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            chosen = logits[list(row_of), list(place_of)][:, reward_ids]
            loss = cross_entropy(chosen, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), trainer.args.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            _ = (chosen.argmax(-1) == targets.argmax(-1)).float().mean().item()
            times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        return times, statistics.mean(losses)

    return train


if __name__ == "__main__":
    main()
