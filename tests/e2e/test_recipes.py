"""The recipes for real models: no finding on a node of 8 GPUs, and compiled to what their sources say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.algorithms import NAMES
from recipe_engine.algorithms.batch import batch_of, round_of
from recipe_engine.cli.plan_text import plan_as_text
from recipe_engine.compile import Compilation, Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import worker_command
from recipe_engine.lint import check
from recipe_engine.plan.steps import argument_of
from recipe_engine.plan.summary import plan_as_data

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "recipes" / "training"
QUICKSTARTS = sorted((ROOT / "recipes" / "quickstart").glob("[a-z]*.yaml"))
RECIPES = sorted(str(file.relative_to(FOLDER).with_suffix("")) for file in FOLDER.glob("*/*.yaml"))


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def compilation(file: Path, gpus: int) -> Compilation:
    checked = check(file, gpus=gpus)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, Options(gpus=gpus))


def compiled(name: str, gpus: int = 8) -> CompiledRun:
    return compilation(FOLDER / f"{name}.yaml", gpus).run


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_no_finding_and_compiles(name: str) -> None:
    run = compiled(name)
    assert run.algorithm == name.partition("/")[0]
    assert run.processes == 8 * run.launch.nodes
    assert run.planned.gpu is None or run.planned.gpu <= run.launch.gpu_memory_gib * 2**30


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_planned_also_where_its_rows_are_not_there_yet(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # without the user's own data/
    made = compilation(FOLDER / f"{name}.yaml", 8)
    plan = plan_as_data(made, worker_command(made.run))
    steps = made.run.arguments.get("max_steps", -1)
    assert (plan["rows"], plan["steps"]["total"]) == (None, steps if steps > 0 else None)
    datasets = [*plan["datasets"], *plan["eval_datasets"]]
    assert {one["name"] for one in datasets if one["missing"]} == {
        one["name"] for one in datasets if one["name"].startswith(f"{tmp_path}/data/")
    }
    assert plan_as_text(plan).count("not there yet") == sum(one["missing"] for one in datasets)


@pytest.mark.parametrize("file", QUICKSTARTS, ids=lambda file: file.stem)
def test_a_quickstart_is_planned_to_its_last_step(file: Path) -> None:
    made = compilation(file, 0)
    plan = plan_as_data(made, worker_command(made.run))
    assert plan["rows"] > 0
    assert plan["steps"]["total"] > 0


def test_every_algorithm_has_one() -> None:
    assert {name.partition("/")[0] for name in RECIPES} == set(NAMES)


# Rows of an optimizer step, learning rate, and what else tells the training by.
SOURCES: dict[str, tuple[int, float, Mapping[str, Any]]] = {
    "dpo/llama3_8B_mixture": (256, 5e-7, {"beta": 0.1}),
    "dpo/llama3.1_8B_thinking": (128, 3e-7, {"beta": 0.1, "num_train_epochs": 2}),
    "orpo/llama3.1_8B": (64, 8e-6, {}),
    "simpo/llama3_8B": (128, 1e-6, {}),
    "cpo/qwen2.5_7B_lora": (128, 1e-4, {}),
    "kto/llama3_8B": (256, 5e-7, {"beta": 0.1}),
    "reward_model/llama3.1_8B": (256, 9e-6, {}),
    "process_reward/mistral_7B": (
        256,
        1e-6,
        {"placeholder_token": "ки", "reward_tokens": ["+", "-"], "per_device_train_batch_size": 8},
    ),
    "sft/llama3_8B_thinking": (8, 4e-6, {"weight_decay": 1e-4, "adam_beta2": 0.95, "num_train_epochs": 2}),
    "sft/qwen2.5_32B_fsdp2": (8, 4e-6, {"weight_decay": 1e-4, "adam_beta2": 0.95, "num_train_epochs": 2}),
    "sft/qwen2.5_32B_zero3": (8, 4e-6, {"weight_decay": 1e-4, "adam_beta2": 0.95, "num_train_epochs": 2}),
    "distill/llama2_7B": (256, 5e-6, {"kd_coef": 0.4, "teacher_model": "meta-llama/Llama-2-13b-chat-hf"}),
    "ppo/llama3_8B_full": (
        512,
        1e-6,
        {"gamma": 1.0, "lam": 1.0, "cliprange_value": 0.5, "critic_learning_rate": 1e-5, "beta": 0.0, "delta": 3.0},
    ),
    "gspo/qwen2.5_7B_ranking": (
        1024,
        1e-5,
        {
            "epsilon": 3e-4,
            "epsilon_high": 4e-4,
            "lr_scheduler_type": "cosine_with_min_lr",
            "lr_scheduler_kwargs": {"min_lr_rate": 0.2},
            "importance_sampling_level": "sequence",
            "loss_type": "grpo",
            "scale_rewards": "none",
            "beta": 0.0,
            "max_completion_length": 4096,
            "save_steps": 800,
            "eval_steps": 80,
            "eval_on_start": True,
            "eval_temperature": 1.0,
            "eval_top_p": 0.7,
            "vllm_gpu_memory_utilization": 0.5,
        },
    ),
}


@pytest.mark.parametrize(("name", "source"), SOURCES.items(), ids=SOURCES)
def test_a_recipe_has_the_settings_of_its_source(name: str, source: tuple[int, float, Mapping[str, Any]]) -> None:
    run = compiled(name)
    rows, rate, settings = source
    batch = batch_of(partial(argument_of, run), run.processes)
    assert (batch.effective, argument_of(run, "learning_rate")) == (rows, rate)
    assert {key: run.settings[key] if key in run.settings else argument_of(run, key) for key in settings} == settings


@pytest.mark.parametrize(
    ("name", "strategy", "processes", "offloaded"),
    [
        ("sft/qwen2.5_32B_fsdp2", "fsdp2", 8, True),
        ("sft/qwen2.5_32B_zero3", "zero3", 8, True),
        ("sft/qwen2.5_32B_fsdp2_2nodes", "fsdp2", 16, False),
    ],
)
def test_32_billion_weights_at_16k_tokens_fit_as_their_recipes_say(
    name: str, strategy: str, processes: int, offloaded: bool
) -> None:
    run = compiled(name)
    assert (run.strategy, run.processes, run.launch.offload_optimizer) == (strategy, processes, offloaded)
    assert run.data.max_length == 16384
    assert run.planned.gpu is not None
    assert run.planned.gpu < 80 * 2**30
    assert bool(run.planned.host) == offloaded
    alone = check(FOLDER / f"{name}.yaml", ["launch.offload_optimizer=false", "launch.nodes=1"], gpus=8)
    assert [found.code for found in alone.diagnostics] == ["L427"]


# Prompts of a rollout, of an update, completions of each.
SIZES = {
    "grpo/llama3_8B_warm_start": (64, 64, 8),
    "grpo/qwen3_8B_full": (1024, 256, 5),
    "gspo/qwen2.5_7B_ranking": (512, 128, 8),
    "dapo/qwen2.5_7B_full": (512, 32, 16),
    "dr_grpo/qwen2.5_7B_full": (128, 128, 8),
    "cispo/qwen3_8B_full": (256, 64, 8),
    "rloo/llama3_8B_full": (128, 128, 4),
    "reinforce_plus_plus/llama3_8B_full": (512, 512, 1),
    "reinforce_plus_plus_baseline/qwen3_8B_full": (128, 128, 8),
    "remax/llama3_8B_full": (512, 512, 1),
    "opo/qwen2.5_7B_full": (256, 256, 8),
    "gpg/qwen2.5_7B_full": (128, 128, 8),
}


@pytest.mark.parametrize("gpus", [8, 16])
@pytest.mark.parametrize(("name", "sizes"), SIZES.items(), ids=SIZES)
def test_sizes_in_prompts_hold_for_any_number_of_gpus(name: str, sizes: tuple[int, int, int], gpus: int) -> None:
    run = compiled(name, gpus)
    argument = partial(argument_of, run)
    sampling, batch = round_of(argument, gpus), batch_of(argument, gpus)
    assert (sampling.prompts, batch.effective // sampling.group, sampling.group) == sizes


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("_thinking") or "warm_start" in name])
def test_thinking_models_have_one_set_of_tags(name: str) -> None:
    thinking = compiled(name).thinking
    assert thinking is not None
    assert (thinking.open, thinking.close, thinking.answer_open) == ("<think>", "</think>", "<response>")


def test_rankings_are_scored_by_their_accuracy_and_answers_by_a_reward_model() -> None:
    (ranking,) = compiled("gspo/qwen2.5_7B_ranking").rewards
    (model,) = compiled("grpo/llama3_8B_warm_start").rewards
    assert (ranking.type, model.type, model.model_dump()["malformed"]) == (
        "ranking_accuracy",
        "reward_model",
        "null_text",
    )
