from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.compile import Compilation, Options
from recipe_engine.data.errors import DataError
from recipe_engine.plan.summary import plan_as_data
from recipe_engine.schemas import trl_arguments
from tests.compile.support import GRPO, SFT, compilation


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(made: Compilation) -> dict[str, Any]:
    return plan_as_data(made, ["the", "command"])


def rows(name: str, *lines: dict[str, Any]) -> str:
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return name


def test_a_plan_is_json_and_the_same_each_time() -> None:
    first, second = (json.dumps(plan(compilation(GRPO))) for _ in range(2))
    assert first == second


def test_arguments_and_defaults_together_are_all_of_the_config() -> None:
    made = plan(compilation(SFT))
    names = [argument["name"] for argument in made["arguments"]]
    assert {*names, *made["defaults"]} == set(trl_arguments("SFTConfig"))
    assert len(names) + len(made["defaults"]) == len(trl_arguments("SFTConfig"))
    assert all(argument["origin"] for argument in made["arguments"])


def test_rows_are_those_of_the_mixture() -> None:
    one = rows("one.jsonl", *[{"text": "a"}] * 10)
    two = rows("two.jsonl", *[{"text": "b"}] * 6, {"text": ""})
    text = SFT.replace(
        "    - name: builtin/conversations\n",
        f"    - {{name: {one}, weight: 0.5}}\n    - {{name: {two}, max_samples: 4}}\n",
    )
    made = plan(compilation(text, "data.eval_holdout=2", "training.eval_strategy=epoch"))
    assert [(d["rows"], d["used"], d["invalid"]) for d in made["datasets"]] == [(10, 10, 0), (7, 4, 0)]
    assert made["rows"] == 5 + 4 - 2
    assert made["eval_holdout"] == 2


def test_evaluation_rows_are_counted_apart() -> None:
    held = rows("held.jsonl", {"text": "a"}, {"text": ""})
    text = SFT.replace("training:", f"  eval_datasets:\n    - name: {held}\ntraining:") + "  eval_strategy: epoch\n"
    made = plan(compilation(text))
    (evaluation,) = made["eval_datasets"]
    assert (evaluation["rows"], evaluation["used"], evaluation["invalid"]) == (2, 1, 1)
    assert len(made["datasets"]) == 1


def test_rows_on_the_hub_are_unknown_and_so_are_the_steps() -> None:
    made = plan(compilation(SFT.replace("builtin/conversations", "openai/gsm8k")))
    assert made["rows"] is None
    assert made["datasets"][0]["rows"] is None
    assert made["steps"] == {"total": None, "warmup": None, "certainty": "at most"}


def test_prompts_of_a_step_are_counted_with_groups_and_passes() -> None:
    made = plan(
        compilation(
            GRPO,
            "training.per_device_train_batch_size=8",
            "training.gradient_accumulation_steps=4",
            "training.num_generations=4",
            "training.steps_per_generation=2",
            "training.num_iterations=2",
            options=Options(gpus=2),
        )
    )
    assert made["batch"] == {"per_device": 8, "accumulation": 4, "processes": 2, "effective": 64}
    assert made["generation"] == {
        "prompts": 8,
        "completions_per_prompt": 4,
        "completions": 32,
        "micro_batches": 2,
        "passes": 2,
        "prompts_per_step": 8,
        "steps_per_round": 1,
        "rounds": made["steps"]["total"],
        "samplings": 1,
    }


def test_sizes_in_prompts_hold_for_any_number_of_processes() -> None:
    sizes = ["training.num_generations=8", "training.prompts_per_rollout=64", "training.prompts_per_update=16"]
    for gpus in (1, 2, 4):
        made = plan(compilation(GRPO, *sizes, "training.per_device_train_batch_size=8", options=Options(gpus=gpus)))
        assert made["batch"]["effective"] == 16 * 8
        assert made["generation"]["prompts"] == 64
        assert made["generation"]["prompts_per_step"] == 16
        assert made["generation"]["steps_per_round"] == 4
        assert made["steps"]["total"] == 4 * made["generation"]["rounds"]


def test_one_size_in_prompts_is_that_of_rollout_and_update() -> None:
    for size in ("prompts_per_rollout", "prompts_per_update"):
        generation = plan(compilation(GRPO, f"training.{size}=32"))["generation"]
        assert (generation["prompts"], generation["prompts_per_step"], generation["steps_per_round"]) == (32, 32, 1)


def test_dynamic_sampling_may_sample_a_round_several_times() -> None:
    made = plan(compilation(GRPO, "training.dynamic_sampling=true", "training.max_sampling_rounds=4"))
    assert made["generation"]["samplings"] == 4


def test_an_algorithm_that_samples_nothing_has_no_round() -> None:
    assert "generation" not in plan(compilation(SFT))


def test_too_few_rows_for_a_round_cannot_be_planned() -> None:
    text = GRPO.replace("builtin/questions", rows("few.jsonl", {"prompt": "q", "answer": "a"}))
    with pytest.raises(DataError) as caught:
        plan(compilation(text, "training.gradient_accumulation_steps=2"))
    assert caught.value.code == "D410"
    plan(compilation(text))
    with pytest.raises(DataError):
        plan(compilation(text, options=Options(gpus=2)))


def test_a_dataset_that_cannot_be_read_is_named() -> None:
    Path("cut.jsonl").write_text('{"text": ', encoding="utf-8")
    with pytest.raises(DataError, match=r"cut\.jsonl: cut\.jsonl, line 1"):
        plan(compilation(SFT.replace("builtin/conversations", "cut.jsonl")))


def test_the_log_is_named_as_it_will_be() -> None:
    made = plan(compilation(SFT, "training.run_name=a/b c"))
    assert made["writes"]["log"] == str(Path.cwd() / "logs/a-b c-<time>.log")
    assert made["writes"]["model"] == str(Path.cwd() / "models/a-b c")
