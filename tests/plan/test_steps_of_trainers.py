"""The plan counts as the trainers do: dataloaders and steps of real ones, and the sharding of several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM
from trl.trainer.utils import RepeatSampler

from recipe_engine.algorithms.batch import micro_batches_of, round_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.plan.steps import argument_of, steps_of

from .support import run_of


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerBase) -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    settings = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    return Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), **settings, **heads))


def arguments(run: CompiledRun) -> Any:
    quick = {"bf16": False, "gradient_checkpointing": False, "dataloader_pin_memory": False, "save_strategy": "no"}
    return getattr(trl, run.config)(**{**run.arguments, **quick})


def sft_trainer(run: CompiledRun, rows: int, model: Any, tokenizer: Any) -> trl.SFTTrainer:
    dataset = Dataset.from_list([{"input_ids": [5, 6, 7], "labels": [5, 6, 7]}] * rows)
    return trl.SFTTrainer(model=model, args=arguments(run), train_dataset=dataset, processing_class=tokenizer)


def grpo_trainer(run: CompiledRun, rows: int, model: Any, tokenizer: Any) -> trl.GRPOTrainer:
    dataset = Dataset.from_list([{"prompt": f"{i}"} for i in range(rows)])
    return trl.GRPOTrainer(
        model=model,
        args=arguments(run),
        train_dataset=dataset,
        processing_class=tokenizer,
        reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
    )


def planned(run: CompiledRun, rows: int, samples: bool) -> tuple[int, int | None, int | None]:
    micro_batches = micro_batches_of(lambda name: argument_of(run, name), run.processes, samples, rows)
    steps = steps_of(run, rows)
    return micro_batches, steps.total, steps.warmup


def real(trainer: Any) -> tuple[int, int, int]:
    loader = trainer.get_train_dataloader()
    steps = trainer.set_initial_training_values(trainer.args, loader)[-1]
    return len(loader), steps, trainer.args.get_warmup_steps(steps)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 24])
@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 4, "num_train_epochs": 1},
        {"per_device_train_batch_size": 4, "num_train_epochs": 3, "gradient_accumulation_steps": 2},
        {
            "per_device_train_batch_size": 2,
            "num_train_epochs": 2.5,
            "gradient_accumulation_steps": 3,
            "warmup_steps": 0.1,
        },
        {"per_device_train_batch_size": 1, "max_steps": 5, "warmup_steps": 2},
        {"per_device_train_batch_size": 1, "dataloader_drop_last": True, "num_train_epochs": 2},
        {"per_device_train_batch_size": 3, "dataloader_drop_last": True, "gradient_accumulation_steps": 2},
    ],
)
def test_sft(tmp_path: Path, model: Any, tokenizer: Any, rows: int, settings: dict[str, Any]) -> None:
    run = run_of(tmp_path, "sft", **settings)
    trainer = sft_trainer(run, rows, model, tokenizer)
    if len(trainer.get_train_dataloader()) == 0:  # nothing to train on, which D410 says
        assert planned(run, rows, samples=False)[:2] == (0, 0)
    else:
        assert planned(run, rows, samples=False) == real(trainer)


@pytest.mark.parametrize("rows", [4, 7, 9])
@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 8, "num_generations": 4},
        {"per_device_train_batch_size": 4, "num_generations": 4, "gradient_accumulation_steps": 2},
        {"per_device_train_batch_size": 4, "num_generations": 4, "steps_per_generation": 3, "num_iterations": 2},
        {"per_device_train_batch_size": 2, "num_generations": 2, "generation_batch_size": 8, "num_train_epochs": 1.5},
        {
            "per_device_train_batch_size": 2,
            "num_generations": 4,
            "steps_per_generation": 4,
            "gradient_accumulation_steps": 3,
            "num_iterations": 2,
            "warmup_steps": 0.2,
        },
    ],
)
def test_grpo(tmp_path: Path, model: Any, tokenizer: Any, rows: int, settings: dict[str, Any]) -> None:
    run = run_of(tmp_path, "grpo", **settings)
    trainer = grpo_trainer(run, rows, model, tokenizer)
    assert planned(run, rows, samples=True) == real(trainer)
    sampling = round_of(lambda name: argument_of(run, name), 1)
    assert sampling.completions == trainer.args.generation_batch_size
    assert sampling.micro_batches == trainer.args.steps_per_generation


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("rows", [3, 8, 9, 15, 16, 17])
def test_rows_are_shared_out_over_processes_as_accelerate_does(tmp_path: Path, rows: int, drop_last: bool) -> None:
    run = run_of(tmp_path, "sft", 2, per_device_train_batch_size=4, dataloader_drop_last=drop_last)
    batches = BatchSampler(SequentialSampler(range(rows)), 4, drop_last)
    shards = {len(BatchSamplerShard(batches, 2, index)) for index in range(2)}
    assert shards == {planned(run, rows, samples=False)[0]}


@pytest.mark.parametrize("rows", [4, 7, 9, 16])
@pytest.mark.parametrize(
    "settings", [{}, {"steps_per_generation": 2, "num_iterations": 3}, {"generation_batch_size": 32}]
)
def test_prompts_are_shared_out_over_processes_as_trl_does(tmp_path: Path, rows: int, settings: dict[str, Any]) -> None:
    run = run_of(tmp_path, "grpo", 2, per_device_train_batch_size=4, num_generations=4, **settings)
    sampling = round_of(lambda name: argument_of(run, name), 2)
    # As GRPOTrainer._get_train_sampler and get_train_dataloader make them.
    sampler = RepeatSampler(
        range(rows), sampling.group, sampling.prompts, repeat_count=sampling.passes * sampling.micro_batches
    )
    batches = BatchSampler(sampler, 4 * sampling.micro_batches, drop_last=False)
    shards = {len(BatchSamplerShard(batches, 2, index)) for index in range(2)}
    assert shards == {planned(run, rows, samples=True)[0]}


def test_a_training_takes_as_many_steps_as_planned(tmp_path: Path, model: Any, tokenizer: Any) -> None:
    run = run_of(tmp_path, "sft", per_device_train_batch_size=2, gradient_accumulation_steps=2, num_train_epochs=2)
    trainer = sft_trainer(run, 11, model, tokenizer)
    trainer.train()
    steps = steps_of(run, 11).total
    assert (trainer.state.max_steps, trainer.state.global_step) == (steps, steps)
    assert steps == 6


def test_a_reinforcement_learning_takes_as_many_steps_as_planned(tmp_path: Path, model: Any, tokenizer: Any) -> None:
    settings = {"per_device_train_batch_size": 4, "num_generations": 2, "steps_per_generation": 2, "num_iterations": 2}
    run = run_of(tmp_path, "grpo", num_train_epochs=1, max_completion_length=2, **settings)
    trainer = grpo_trainer(run, 9, model, tokenizer)
    trainer.train()
    steps = steps_of(run, 9).total
    assert (trainer.state.max_steps, trainer.state.global_step) == (steps, steps)
    assert steps == 8
