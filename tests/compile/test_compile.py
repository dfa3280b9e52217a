from __future__ import annotations

import builtins
import json
import os
from pathlib import Path

import pytest

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.algorithms.base import UNREAD
from recipe_engine.compile import Options, compile_recipe, file_name_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.lint import check
from recipe_engine.recipe.rewards import ExactMatchReward, FunctionReward, LengthReward
from recipe_engine.schemas import trl_arguments

from .support import GRPO, SFT, compilation, compiled

ROOT = Path(__file__).parents[2]
RECIPES = sorted([*ROOT.glob("recipes/[qt]*/**/*.yaml"), *ROOT.glob("tests/fixtures/recipes/*.yaml")])


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_compiled_run_survives_the_way_through_json_unchanged(file: Path) -> None:
    checked = check(file)
    assert checked.recipe is not None, checked.diagnostics
    assert checked.document is not None
    run = compile_recipe(checked.recipe, checked.document, Options(gpus=2)).run
    again = CompiledRun.model_validate_json(run.model_dump_json())
    assert again == run
    assert [type(reward) for reward in again.rewards] == [type(reward) for reward in run.rewards]


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_argument_is_one_of_the_trl_config_and_has_an_origin(file: Path) -> None:
    checked = check(file)
    assert checked.recipe is not None, checked.diagnostics
    assert checked.document is not None
    made = compile_recipe(checked.recipe, checked.document, Options())
    assert made.run.arguments.keys() <= trl_arguments(made.run.config).keys()
    assert made.origins.keys() == made.run.arguments.keys() | algorithm(made.run.algorithm).own_settings
    assert "recipe" not in made.origins.values()
    assert all(made.origins.values())


@pytest.mark.parametrize("name", NAMES)
def test_what_an_algorithm_does_not_read_is_an_argument_of_its_trl_config_and_no_setting(name: str) -> None:
    chosen = algorithm(name)
    assert chosen.unread <= trl_arguments(chosen.config).keys()
    assert not chosen.unread & chosen.settings.model_fields.keys()
    assert not chosen.unused & UNREAD.get(chosen.config, frozenset())  # each is written once


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_an_algorithm_is_an_argument_of_its_trl_config_or_given_to_the_trainer(name: str) -> None:
    chosen = algorithm(name)
    arguments = chosen.settings.model_fields.keys() & trl_arguments(chosen.config).keys()
    assert arguments | chosen.own_settings == chosen.settings.model_fields.keys()


def test_compiling_opens_and_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("recipe.yaml").write_text(GRPO, encoding="utf-8")
    checked = check("recipe.yaml")
    compilation(SFT, file="other.yaml")  # catalogues are read once
    before = sorted(tmp_path.rglob("*"))

    def refuse(*arguments: object, **_: object) -> None:
        raise AssertionError(f"opened {arguments}")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert checked.recipe is not None
    assert checked.document is not None
    compile_recipe(checked.recipe, checked.document, Options())
    monkeypatch.undo()
    assert sorted(tmp_path.rglob("*")) == before


def test_compiling_twice_gives_the_same() -> None:
    assert compilation(GRPO) == compilation(GRPO)


def test_rewards_keep_their_types_and_settings_through_json() -> None:
    Path("r.py").write_text("def brevity(completions, **columns): return []\n", encoding="utf-8")
    text = GRPO.replace(
        "  - type: exact_match\n",
        "  - {type: exact_match, pattern: 'a(.)', weight: 2}\n"
        "  - {type: length, max: 20, slope: 3}\n"
        "  - {type: function, path: r.py, name: brevity, kwargs: {deep: [1, {x: null}]}}\n",
    )
    run = CompiledRun.model_validate_json(compiled(text).model_dump_json())
    exact, length, function = run.rewards
    assert isinstance(exact, ExactMatchReward)
    assert isinstance(length, LengthReward)
    assert isinstance(function, FunctionReward)
    assert (exact.pattern, exact.weight, length.slope) == ("a(.)", 2, 3)
    assert function.kwargs == {"deep": [1, {"x": None}]}
    assert run.arguments["reward_weights"] == [2, 1, 1]


def test_a_local_reward_model_is_found_from_the_current_folder() -> None:
    Path("judges/one").mkdir(parents=True)
    models = ["judges/one", "builtin/tiny-reward", "Org/on-the-hub"]
    entries = [f"  - {{type: reward_model, name: r{n}, model: {name}}}\n" for n, name in enumerate(models)]
    run = compiled(GRPO.replace("  - type: exact_match\n", "".join(entries)))
    assert [reward.model_dump()["model"] for reward in run.rewards] == [os.path.abspath(models[0]), *models[1:]]


class TestOrigins:
    def test_a_value_comes_from_its_line_of_the_file(self) -> None:
        made = compilation(SFT + "  learning_rate: 1e-5\n")
        assert made.run.arguments["learning_rate"] == 1e-5
        assert made.origins["learning_rate"] == "recipe.yaml:8"

    def test_a_value_of_a_parent_says_so(self) -> None:
        Path("base.yaml").write_text(SFT + "  learning_rate: 1e-5\n  max_steps: 3\n", encoding="utf-8")
        made = compilation("extends: base.yaml\ntraining:\n  max_steps: 4\n")
        assert made.origins["learning_rate"] == "parent base.yaml:8"
        assert made.origins["max_steps"] == "recipe.yaml:3"

    def test_an_override_comes_from_the_command_line(self) -> None:
        made = compilation(SFT + "  learning_rate: 1e-5\n", "training.learning_rate=1e-6")
        assert (made.run.arguments["learning_rate"], made.origins["learning_rate"]) == (1e-6, "command line")

    def test_a_value_under_an_old_key_comes_from_where_that_stands(self) -> None:
        made = compilation(GRPO + "  group_size: 4\n  max_prompt_length: 16\n")
        assert made.origins["num_generations"] == "recipe.yaml:11"
        assert made.run.arguments["max_completion_length"] == 48
        assert made.origins["max_completion_length"] == "engine: data.max_length less data.max_prompt_length"

    def test_a_default_of_the_algorithm_that_is_not_trls_is_compiled_and_says_so(self) -> None:
        made = compilation(GRPO.replace("grpo", "gspo"))
        assert made.run.arguments["importance_sampling_level"] == "sequence"
        assert made.origins["importance_sampling_level"] == "default of gspo"
        assert "num_generations" not in made.run.arguments  # 8 is TRL's default too

    def test_a_default_that_is_given_all_the_same_comes_from_the_file(self) -> None:
        made = compilation(GRPO + "  num_generations: 8\n")
        assert made.origins["num_generations"] == "recipe.yaml:11"

    def test_a_completion_length_that_is_given_is_not_derived(self) -> None:
        made = compilation(GRPO + "  max_completion_length: 7\n")
        assert made.run.arguments["max_completion_length"] == 7
        assert made.origins["max_completion_length"] == "recipe.yaml:11"

    def test_a_tracker_comes_from_every_place_that_asks_for_one(self) -> None:
        text = SFT + "  report_to: [tensorboard]\nwandb:\n  enabled: true\n"
        made = compilation(text)
        assert made.run.arguments["report_to"] == ["tensorboard", "wandb"]
        assert made.origins["report_to"] == "recipe.yaml:8, recipe.yaml:10"
        assert compilation(SFT).origins["report_to"] == "engine: the recipe names no tracker"


class TestTrackers:
    @pytest.mark.parametrize(
        ("given", "wandb", "expected"),
        [
            ("none", "false", []),
            ("none", "true", ["wandb"]),
            ("[tensorboard, wandb]", "true", ["tensorboard", "wandb"]),
            ("all", "true", ["all"]),  # TRL takes `all` by itself only
        ],
    )
    def test_report_to_and_the_wandb_block_become_one_list(self, given: str, wandb: str, expected: list[str]) -> None:
        run = compiled(f"{SFT}  report_to: {given}\nwandb:\n  enabled: {wandb}\n")
        assert run.arguments["report_to"] == expected


class TestNames:
    @pytest.mark.parametrize(
        ("training", "name", "folder"),
        [
            ("", "my.recipe", "models/my.recipe"),
            ("  run_name: named\n", "named", "models/named"),
            ("  output_dir: out/there/\n", "there", "out/there"),
            ("  output_dir: out/there\n  run_name: named\n", "named", "out/there"),
            ("  output_dir: .\n", "my.recipe", "."),
            ("  output_dir: ..\n", "my.recipe", ".."),
        ],
    )
    def test_the_run_is_named_by_the_recipe_its_folder_or_its_file(self, training: str, name: str, folder: str) -> None:
        run = compiled(SFT + training, file="recipes/my.recipe.yaml")
        assert (run.run_name, run.output_dir) == (name, os.path.abspath(folder))
        assert (run.arguments["run_name"], run.arguments["output_dir"]) == (run.run_name, run.output_dir)
        assert run.run_dir == os.path.join(run.output_dir, "run")
        assert run.wandb.name == name

    @pytest.mark.parametrize(
        ("name", "folder"),
        [
            ("../../etc/x", "-..-etc-x"),
            ("/tmp/x", "-tmp-x"),
            ("lr=1e-5, try 2", "lr=1e-5, try 2"),
            ('$(rm -rf ~); "q" \'', "--rm -rf --- -q- -"),
            ("..", "run"),
            ("naïve 実験", "naïve 実験"),
        ],
    )
    def test_a_run_name_is_one_folder_under_models_whatever_it_holds(self, name: str, folder: str) -> None:
        assert file_name_of(name) == folder
        run = compiled(f"{SFT}  run_name: {json.dumps(name, ensure_ascii=False)}\n")
        assert (run.run_name, run.output_dir) == (name, os.path.abspath(f"models/{folder}"))

    def test_a_long_name_fits_into_a_file_name_with_the_time_added(self) -> None:
        assert len(file_name_of("験" * 200).encode()) <= 200
        assert file_name_of("験" * 200).strip("験") == ""

    def test_the_wandb_name_stays_where_it_is_given(self) -> None:
        assert compiled(SFT + "wandb:\n  name: other\n").wandb.name == "other"


class TestPaths:
    def test_relative_paths_are_made_absolute_as_seen_from_the_current_folder(self, tmp_path: Path) -> None:
        (tmp_path / "base").mkdir()
        text = SFT.replace("builtin/tiny-chat", "./base\n  tokenizer_name: ./tok").replace(
            "builtin/conversations", "rows.jsonl"
        )
        text += "  deepspeed_config: zero.json\n  resume: models/x/checkpoint-3\n"
        run = compiled(text, file="recipes/deep/recipe.yaml", options=Options(gpus=1))
        assert run.model.base_model_name == str(tmp_path / "base")
        assert run.model.tokenizer_name == str(tmp_path / "tok")
        assert run.data.datasets[0].name == str(tmp_path / "rows.jsonl")
        assert run.arguments["deepspeed"] == str(tmp_path / "zero.json")
        assert run.resume == str(tmp_path / "models/x/checkpoint-3")
        assert run.recipe_folder == str(tmp_path / "recipes/deep")

    def test_a_tilde_is_the_home_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        run = compiled(SFT.replace("builtin/conversations", "~/rows.jsonl") + "  output_dir: ~/out\n")
        assert run.output_dir == str(tmp_path / "home/out")
        assert run.data.datasets[0].name == str(tmp_path / "home/rows.jsonl")

    def test_names_that_are_no_paths_stay(self) -> None:
        text = SFT.replace("builtin/tiny-chat", "Qwen/Qwen3-4B").replace("builtin/conversations", "s3://bucket/rows")
        run = compiled(text)
        assert (run.model.base_model_name, run.data.datasets[0].name) == ("Qwen/Qwen3-4B", "s3://bucket/rows")


class TestDevices:
    def test_the_cpu_trains_in_as_many_processes_as_the_launch_block_says(self) -> None:
        run = compiled(SFT + "launch:\n  cpu_processes: 3\n")
        assert (run.gpus, run.processes, run.arguments["use_cpu"]) == (0, 3, True)
        assert run.arguments["ddp_find_unused_parameters"] is False

    def test_with_gpus_there_is_one_process_a_gpu(self) -> None:
        run = compiled(SFT + "launch:\n  cpu_processes: 3\n", options=Options(gpus=2))
        assert (run.gpus, run.processes, run.arguments["use_cpu"]) == (2, 2, False)

    def test_one_process_needs_no_word_about_unused_weights(self) -> None:
        assert "ddp_find_unused_parameters" not in compiled(SFT).arguments

    def test_what_the_command_line_allows_is_compiled(self) -> None:
        run = compiled(SFT, options=Options(0, allow_reward_code=True, allow_remote_code=True))
        assert (run.allow_reward_code, run.allow_remote_code) == (True, True)
        assert (compiled(SFT).allow_reward_code, compiled(SFT).allow_remote_code) == (False, False)


class TestArguments:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [("", True), ("  fp16: true\n", False), ("  bf16: null\n", True), ("  bf16: false\n", False)],
    )
    def test_bf16_is_on_unless_told_otherwise_and_is_said(self, given: str, expected: bool) -> None:
        assert compiled(SFT + given).arguments["bf16"] is expected

    def test_lengths_are_the_engines_business_but_for_packing(self) -> None:
        assert compiled(SFT).arguments["max_length"] is None
        assert compiled(SFT + "  packing: true\n").arguments["max_length"] == 512
        assert "max_length" not in compiled(GRPO).arguments

    def test_bars_are_the_engines_own(self) -> None:
        assert compiled(SFT).arguments["disable_tqdm"] is True

    def test_a_single_loss_of_dpo_is_a_list_as_trl_has_it(self) -> None:
        text = SFT.replace("conversations", "preferences").replace("sft", "dpo") + "  loss_type: ipo\n"
        assert compiled(text).arguments["loss_type"] == ["ipo"]

    def test_what_the_engine_decides_a_recipe_can_still_change(self) -> None:
        arguments = compiled(SFT + "  logging_first_step: false\n  logging_nan_inf_filter: true\n").arguments
        assert (arguments["logging_first_step"], arguments["logging_nan_inf_filter"]) == (False, True)


class TestModelsInSettings:
    PPO = GRPO.replace("grpo", "ppo")

    def test_a_local_folder_becomes_absolute(self) -> None:
        Path("scorer").mkdir()
        assert compiled(self.PPO + "  critic_init: ./scorer\n").settings["critic_init"] == os.path.abspath("scorer")
        assert compiled(self.PPO + "  critic_init: org/scorer\n").settings["critic_init"] == "org/scorer"
        assert compiled(self.PPO).settings["critic_init"] is None
