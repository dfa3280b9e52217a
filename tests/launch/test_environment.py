from __future__ import annotations

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import worker_environment
from recipe_engine.launch.environment import left_out_line
from tests.compile.support import compiled

RL = """\
model: {base_model_name: builtin/tiny-chat}
data: {datasets: [{name: builtin/questions}]}
rewards: [{type: http, url: "https://scores.example/score", api_key_env: SCORES_KEY}]
training: {algorithm: grpo}
"""

NEEDED = {
    "PATH": "/bin",
    "LC_ALL": "C",
    "https_proxy": "http://proxy",
    "CUDA_HOME": "/cuda",
    "NCCL_DEBUG": "INFO",
    "HF_TOKEN": "t",
    "WANDB_MODE": "offline",
    "AWS_PROFILE": "p",
    "RECIPE_ENGINE_CACHE": "/cache",
}
OTHERS = {"MY_TOKEN": "a", "MY_OTHER": "b", "DATABASE_URL": "c", "SCORES_KEY": "k", "PATHOLOGY": "d"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in (NEEDED | OTHERS).items():
        monkeypatch.setenv(name, value)


def allowing(run: CompiledRun, *patterns: str) -> CompiledRun:
    return run.model_copy(update={"launch": run.launch.model_copy(update={"environment": list(patterns)})})


def test_without_a_list_all_is_passed_on(run: CompiledRun) -> None:
    assert (NEEDED | OTHERS).items() <= worker_environment(run).items()
    assert left_out_line(run, NEEDED | OTHERS) is None


def test_a_list_adds_to_what_engine_system_and_libraries_need(run: CompiledRun) -> None:
    environment = worker_environment(allowing(run, "MY_*"))
    assert NEEDED.items() <= environment.items()
    assert {name for name in OTHERS if name in environment} == {"MY_TOKEN", "MY_OTHER"}
    assert {name for name in OTHERS if name in worker_environment(allowing(run, "MY_TOKEN"))} == {"MY_TOKEN"}
    assert {name for name in OTHERS if name in worker_environment(allowing(run))} == set()


def test_how_many_are_left_out_is_said(run: CompiledRun) -> None:
    line = left_out_line(allowing(run, "MY_*"), NEEDED | OTHERS)
    assert line == "environment: 3 of 14 variables are left out (launch.environment)"


def test_the_key_of_a_reward_gets_through_wherever_the_recipe_names_it() -> None:
    environment = worker_environment(allowing(compiled(RL)))
    assert environment["SCORES_KEY"] == "k"
    assert "MY_TOKEN" not in environment
