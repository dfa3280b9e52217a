"""The pipelines for real models: no finding on a node of 8 GPUs, planned, and with the settings of their sources."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.algorithms.batch import batch_of, round_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.pipeline.check import check_pipeline
from recipe_engine.pipeline.instances import Instance
from recipe_engine.pipeline.plan import plan_of
from recipe_engine.pipeline.resolve import Work, compile_stage, compile_train, work_of
from recipe_engine.plan.steps import argument_of
from recipe_engine.recipe.stages.generate import GenerateStage, VllmEngine

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "recipes" / "pipelines"
NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def work(name: str, gpus: int = 8) -> Work:
    checked = check_pipeline(FOLDER / f"{name}.yaml", gpus=gpus)
    assert checked.diagnostics == ()
    assert checked.graph is not None
    return work_of(checked.graph, gpus)


def instance(of: Work, name: str) -> Instance:
    node = next(one for one in of.graph.nodes if one.id == name)
    return Instance(node, 0 if node.loop is not None else None)


def training(name: str, stage: str, gpus: int = 8) -> CompiledRun:
    of = work(name, gpus)
    return compile_train(of, instance(of, stage)).run


def generating(name: str, stage: str) -> GenerateStage:
    of = work(name)
    found = compile_stage(of, instance(of, stage)).stage
    assert isinstance(found, GenerateStage)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_has_no_finding_and_is_planned(name: str) -> None:
    plan = plan_of(work(name))
    assert all(run["act"] == "begin" for run in plan["runs"])
    assert {stage["kind"] for stage in plan["stages"]} >= {"prepare"}


def test_every_system_of_the_issue_is_there_and_has_a_quickstart() -> None:
    systems = [
        "conditional_sft",
        "iterative_dpo",
        "raft",
        "ranking_rm",
        "rejection_sampling",
        "sft_gate_grpo",
        "thinking",
    ]
    assert systems == NAMES
    assert sorted(file.stem for file in (FOLDER / "quickstart").glob("[a-z]*.yaml")) == systems


# Rows of an optimizer step, learning rate, and what else tells the training by.
TRAININGS: dict[tuple[str, str], tuple[int, float, dict[str, Any]]] = {
    ("rejection_sampling", "sft"): (128, 2e-6, {"num_train_epochs": 1}),
    ("raft", "sft"): (128, 2e-6, {"num_train_epochs": 1}),
    ("iterative_dpo", "dpo"): (128, 5e-7, {"beta": 0.1}),
    ("conditional_sft", "sft"): (128, 5e-6, {}),
    ("thinking", "sft"): (8, 4e-6, {"weight_decay": 1e-4, "adam_beta2": 0.95, "num_train_epochs": 2}),
    ("thinking", "dpo"): (128, 3e-7, {"beta": 0.1, "num_train_epochs": 2}),
    ("ranking_rm", "cold_start"): (32, 6e-6, {"num_train_epochs": 3, "warmup_steps": 0.1}),
    ("ranking_rm", "rl"): (
        1024,
        1e-5,
        {"epsilon": 3e-4, "epsilon_high": 4e-4, "eval_on_start": True, "save_steps": 800},
    ),
}


@pytest.mark.parametrize(("place", "source"), TRAININGS.items(), ids=["-".join(place) for place in TRAININGS])
def test_a_train_stage_has_the_settings_of_its_source(
    place: tuple[str, str], source: tuple[int, float, dict[str, Any]]
) -> None:
    run = training(*place)
    rows, rate, settings = source
    assert batch_of(partial(argument_of, run), run.processes).effective == rows
    assert argument_of(run, "learning_rate") == rate
    assert {key: run.settings[key] if key in run.settings else argument_of(run, key) for key in settings} == settings


@pytest.mark.parametrize("gpus", [8, 16])
def test_sizes_in_prompts_hold_for_any_number_of_gpus(gpus: int) -> None:
    for place, sizes in {
        ("ranking_rm", "rl"): (512, 128, 8),
        ("thinking", "grpo"): (64, 64, 8),
        ("sft_gate_grpo", "grpo"): (1024, 256, 5),
    }.items():
        run = training(*place, gpus)
        argument = partial(argument_of, run)
        sampling, batch = round_of(argument, gpus), batch_of(argument, gpus)
        assert (sampling.prompts, batch.effective // sampling.group, sampling.group) == sizes


def test_sampling_is_that_of_the_sources() -> None:
    rejection, rounds = generating("raft", "sample"), generating("iterative_dpo", "sample")
    assert (rejection.sampling.n, rejection.sampling.temperature, rejection.sampling.max_tokens) == (4, 0.9, 2048)
    assert (rounds.sampling.n, rounds.sampling.temperature) == (16, 1.0)
    for stage in (rejection, rounds):
        assert isinstance(stage.engine, VllmEngine)
        assert stage.engine.tensor_parallel_size == 4
        assert stage.engine.enable_prefix_caching
    of = work("raft")
    assert (of.iterations, compile_stage(of, instance(of, "sample")).slice) == ({"raft": 10}, (0, 10240))


def test_the_ranking_rows_are_augmented_as_in_the_source_and_scored_by_their_accuracy() -> None:
    of = work("ranking_rm")
    (step,) = instance(of, "rl_rows").node.tree["steps"]
    assert (step["subgroup_augment"], step["shuffle_augment"]) == (4, 4)
    assert [reward.type for reward in training("ranking_rm", "rl").rewards] == ["ranking_accuracy", "overlong_penalty"]


def test_thoughts_have_one_set_of_tags_and_the_reward_model_sees_none() -> None:
    run = training("thinking", "grpo")
    assert run.thinking is not None
    assert (run.thinking.open, run.thinking.answer_open, run.thinking.strict) == ("<think>", "<response>", True)
    (reward,) = run.rewards
    assert (reward.model_dump()["part"], reward.model_dump()["malformed"]) == ("answer", "null_text")
