from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recipe_engine.compile import Options
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.launch import disk
from recipe_engine.launch import preflight as module
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.preflight import preflight
from tests.compile.support import GRPO, SFT, compiled


def refused(run: CompiledRun) -> LaunchError | DataError:
    before = sorted(Path.cwd().rglob("*"))
    with pytest.raises((LaunchError, DataError)) as caught:
        preflight(run, overwrite=False)
    assert sorted(Path.cwd().rglob("*")) == before
    return caught.value


def rows(name: str, *lines: dict[str, Any]) -> str:
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return name


def model(folder: str, *files: str) -> None:
    Path(folder).mkdir(parents=True)
    for file in files:
        (Path(folder) / file).write_text("{}")


def test_a_run_that_can_start_passes_and_nothing_is_written(run: CompiledRun) -> None:
    before = sorted(Path.cwd().rglob("*"))
    preflight(run, overwrite=False)
    assert sorted(Path.cwd().rglob("*")) == before


class TestPackages:
    @pytest.mark.parametrize(
        ("package", "text", "extra", "what"),
        [
            ("trl", SFT, "train", "training"),
            ("torch", SFT, "train", "training"),
            (
                "bitsandbytes",
                SFT.replace("data:", "  use_lora: true\n  load_in_4bit: true\ndata:"),
                "gpu",
                "load_in_4bit",
            ),
            (
                "bitsandbytes",
                SFT.replace("data:", "  use_lora: true\n  load_in_8bit: true\ndata:"),
                "gpu",
                "load_in_8bit",
            ),
            ("s3fs", SFT.replace("builtin/conversations", "s3://b/rows.jsonl"), "s3", "s3"),
            ("deepspeed", SFT + "  deepspeed_config: zero.json\n", "gpu", "training.deepspeed_config"),
        ],
    )
    def test_a_package_that_the_run_needs_and_that_is_not_there_is_named_with_its_extra(
        self, package: str, text: str, extra: str, what: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = importlib.util.find_spec
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else found("json"))
        Path("zero.json").write_text('{"zero_optimization": {"stage": 2}}')
        error = refused(compiled(text, options=Options(gpus=1)))
        assert error.code == "T510"
        assert f"{what} needs the package {package}, which is not installed" in error.message
        assert error.hint is not None
        assert f'-e ".[{extra}]" -c constraints.txt' in error.hint

    def test_packages_that_the_run_does_not_need_may_be_missing(
        self, run: CompiledRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installed = {"torch", "trl"}
        monkeypatch.setattr(module, "find_spec", lambda name: name if name in installed else None)
        preflight(run, overwrite=False)


class TestTheModel:
    def test_the_quickstart_that_has_not_been_trained_is_explained(self) -> None:
        error = refused(compiled(GRPO.replace("builtin/tiny-chat", "models/quickstart-sft")))
        assert (error.code, error.message) == ("T505", "model.base_model_name: models/quickstart-sft does not exist")
        expected = "train it first: ./scripts/run_training.sh --config recipes/quickstart/sft.yaml --num-gpus 0"
        assert error.hint == expected

    def test_the_quickstart_that_has_been_trained_passes(self) -> None:
        model("models/quickstart-sft", "config.json")
        preflight(compiled(GRPO.replace("builtin/tiny-chat", "models/quickstart-sft")), overwrite=False)

    def test_a_name_under_models_is_a_run_of_ones_own_not_a_model_of_the_hub(self) -> None:
        error = refused(compiled(SFT.replace("builtin/tiny-chat", "models/mine")))
        assert error.message == "model.base_model_name: models/mine does not exist"
        assert "relative paths count from the current folder" in str(error.hint)

    def test_a_model_of_the_hub_is_left_to_the_training(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**12))
        preflight(compiled(SFT.replace("builtin/tiny-chat", "Qwen/Qwen3-4B")), overwrite=False)

    def test_a_folder_without_a_model_is_told(self) -> None:
        model("base", "notes.txt")
        error = refused(compiled(SFT.replace("builtin/tiny-chat", "./base")))
        assert error.message == "model.base_model_name: base holds no model (config.json is missing)"

    def test_an_adapter_is_told_with_the_way_to_merge_it(self) -> None:
        model("base", "adapter_config.json")
        error = refused(compiled(SFT.replace("builtin/tiny-chat", "./base")))
        assert error.message == "model.base_model_name: base holds an adapter, not a whole model"
        assert "merge_and_unload" in str(error.hint)

    def test_a_reference_model_is_looked_for_too(self) -> None:
        text = SFT.replace("conversations", "preferences").replace("sft", "dpo")
        error = refused(compiled(f"{text}  ref_model_name: models/before\n"))
        assert (error.code, error.message) == ("T505", "training.ref_model_name: models/before does not exist")
        model("models/before", "config.json")
        preflight(compiled(f"{text}  ref_model_name: models/before\n"), overwrite=False)

    def test_a_tokenizer_is_looked_for_too(self) -> None:
        text = SFT.replace("data:", "  tokenizer_name: ./tokenizer\ndata:")
        assert refused(compiled(text)).message == "model.tokenizer_name: tokenizer does not exist"
        model("tokenizer")
        assert "holds no tokenizer" in refused(compiled(text)).message

    def test_the_embedded_models_are_known(self) -> None:
        from recipe_engine.runtime import builtin_model

        assert builtin_model.NAMES == module._BUILTIN_MODELS
        error = refused(compiled(SFT.replace("tiny-chat", "huge-chat")))
        assert error.message == "model.base_model_name: there is no model builtin/huge-chat"

    def test_so_are_those_of_rewards(self) -> None:
        text = GRPO.replace("type: exact_match", "type: reward_model\n    model: %s")
        assert refused(compiled(text % "builtin/huge")).message == "reward reward_model: there is no model builtin/huge"
        error = refused(compiled(text % "./judge"))
        assert (error.code, error.message) == ("T505", "reward reward_model: judge does not exist")


class TestFiles:
    def test_a_missing_deepspeed_file_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "find_spec", lambda name: name)
        monkeypatch.setattr(module, "demand_gpus", lambda wanted: None)
        Path("conf").mkdir()
        file = Path("conf/zero.json")
        file.write_text('{"zero_optimization": {"stage": 2}}')
        run = compiled(SFT + "  deepspeed_config: conf/zero.json\n", options=Options(gpus=1))
        file.unlink()  # since lint
        error = refused(run)
        assert (error.code, error.message) == ("T504", "training.deepspeed_config: there is no file conf/zero.json")
        file.mkdir()
        assert refused(run).message == "training.deepspeed_config: conf/zero.json is a folder"

    def test_a_missing_template_counts_from_the_recipes_folder(self) -> None:
        text = SFT.replace("data:", "  chat_template: chat.jinja\ndata:")
        Path("recipes").mkdir()
        Path("recipes/chat.jinja").touch()
        run = compiled(text, file="recipes/a.yaml")
        Path("recipes/chat.jinja").unlink()  # since lint
        assert refused(run).code == "T506"
        assert refused(run).message == "model.chat_template: there is no file recipes/chat.jinja"
        Path("recipes/chat.jinja").touch()
        preflight(run, overwrite=False)

    def test_the_embedded_template_is_no_file(self) -> None:
        preflight(compiled(SFT.replace("data:", "  chat_template: chatml\ndata:")), overwrite=False)


class TestPermissions:
    REWARD = GRPO.replace("type: exact_match", "type: function\n    path: r.py\n    name: brevity")
    REMOTE = SFT.replace("tiny-chat", "tiny-chat\n  trust_remote_code: true\n  revision: " + "a" * 40)

    def test_code_of_the_recipe_needs_a_word_on_the_command_line(self) -> None:
        Path("r.py").write_text("def brevity(completions, **columns): return []\n", encoding="utf-8")
        error = refused(compiled(self.REWARD))
        assert (error.code, error.message) == ("T507", "training would run Python code of yours: r.py")
        preflight(compiled(self.REWARD, options=Options(allow_reward_code=True)), overwrite=False)

    def test_so_do_programs_that_the_model_writes(self) -> None:
        text = GRPO.replace("type: exact_match", "type: code\n    tests_column: answer")
        assert "programs that the model writes" in refused(compiled(text)).message
        preflight(compiled(text, options=Options(allow_reward_code=True)), overwrite=False)

    def test_so_does_code_of_the_model(self) -> None:
        assert refused(compiled(self.REMOTE)).code == "T508"
        preflight(compiled(self.REMOTE, options=Options(allow_remote_code=True)), overwrite=False)


class TestData:
    def text(self, name: str) -> str:
        return SFT.replace("builtin/conversations", name)

    def test_a_missing_dataset_is_named(self) -> None:
        error = refused(compiled(self.text("none.jsonl")))
        assert error.code == "D401"
        assert error.message.startswith(f"{Path.cwd()}/none.jsonl: there is no file")

    def test_an_invalid_row_among_the_first_is_named_with_its_number(self) -> None:
        name = rows("rows.jsonl", {"text": "a"}, {"text": ""})
        error = refused(compiled(self.text(name)))
        assert (error.code, error.message) == ("D405", f"{Path.cwd()}/rows.jsonl, row 2: column `text` is empty")
        preflight(compiled(self.text(name), "data.invalid_rows=drop"), overwrite=False)

    def test_settings_that_need_more_than_the_rows_have_are_told(self) -> None:
        name = rows("rows.jsonl", {"text": "a"})
        error = refused(compiled(self.text(name) + "  assistant_only_loss: true\n"))
        assert (error.code, error.message) == (
            "D404",
            f"{Path.cwd()}/rows.jsonl: training.assistant_only_loss needs conversations, and its rows are plain text",
        )
        gkd = "algorithm: gkd\n  teacher_model: builtin/tiny-chat"
        text = self.text("builtin/questions").replace("algorithm: sft", gkd)
        error = refused(compiled(text))
        assert "lmbda below 1 trains on the completions of the data, and its rows are prompts alone" in error.message
        preflight(compiled(text + "  lmbda: 1.0\n"), overwrite=False)

    def test_evaluation_rows_are_looked_at_too(self) -> None:
        name = rows("held.jsonl", {"text": ""})
        text = SFT.replace("training:", f"  eval_datasets:\n    - name: {name}\ntraining:") + "  eval_strategy: epoch\n"
        assert f"{Path.cwd()}/held.jsonl, row 1" in refused(compiled(text)).message

    def test_too_few_prompts_for_a_round_are_an_error(self) -> None:
        name = rows("few.jsonl", {"prompt": "q", "answer": "a"})
        run = compiled(GRPO.replace("builtin/questions", name) + "  gradient_accumulation_steps: 2\n")
        assert refused(run).code == "D410"


class TestOrder:
    def test_what_is_cheap_to_mend_comes_before_the_data_is_read_and_the_folder_last(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        called: list[str] = []
        for name in (
            *("_demand_packages", "demand_gpus", "_demand_model", "_demand_files", "_demand_permissions"),
            *("_demand_data", "demand_free", "demand_writable"),
        ):
            monkeypatch.setattr(module, name, lambda *_, name=name: called.append(name))
        preflight(compiled(SFT), overwrite=False)
        assert called[0] == "_demand_packages"
        assert called.index("demand_gpus") < called.index("_demand_data") < called.index("demand_free")

    def test_the_folder_in_use_is_found_as_well(self, run: CompiledRun) -> None:
        Path(run.output_dir).mkdir(parents=True)
        (Path(run.output_dir) / "mine.txt").touch()
        assert refused(run).code == "T502"

    def test_logs_need_a_folder(self, run: CompiledRun) -> None:
        Path("logs").touch()
        assert refused(run).message == f"the log: {Path.cwd()}/logs is not a folder"


def test_a_model_that_a_setting_names_must_be_there() -> None:
    text = GRPO.replace("grpo", "ppo") + "  critic_init: models/scorer\n"
    error = refused(compiled(text))
    assert error.code == "T505"
    assert "training.critic_init: models/scorer does not exist" in str(error)
    model("models/scorer", "config.json")
    preflight(compiled(text), overwrite=False)


class TestDisk:
    def test_a_disk_without_room_is_told_with_the_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        run = compiled(SFT, "model.base_model_name=org/m-1B", "training.save_total_limit=2", "training.max_steps=5000")
        assert run.planned.model == 2 * 10**9
        assert run.planned.checkpoint == (2 + 4) * 10**9
        free = 19 * 10**9
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
        with pytest.raises(LaunchError) as caught:
            disk.demand_space(run)
        assert caught.value.code == "T530"
        assert "has 17.7 GiB left, and the run needs about 18.6 GiB: a model of 1.9 GiB" in caught.value.message
        assert "at once 3 checkpoints of 5.6 GiB" in caught.value.message

    @pytest.mark.parametrize(
        ("overrides", "checkpoints"),
        [
            (["training.save_total_limit=2", "training.max_steps=5000"], 3),
            (["training.save_total_limit=2", "training.max_steps=600"], 2),
            (["training.max_steps=5000"], 10),
            (["training.save_strategy=no"], 0),
            (["training.save_strategy=epoch", "training.num_train_epochs=4"], 4),
        ],
    )
    def test_there_is_room_for_what_lies_there_at_once(
        self, overrides: list[str], checkpoints: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = compiled(SFT, "model.base_model_name=org/m-1B", *overrides)
        needed = (2 + 6 * checkpoints) * 10**9
        for free in (needed, needed - 1):
            monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder, free=free: SimpleNamespace(free=free))
            if free == needed:
                disk.demand_space(run)
            else:
                with pytest.raises(LaunchError):
                    disk.demand_space(run)

    def test_a_model_of_unknown_size_is_not_held_against_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
        disk.demand_space(compiled(SFT, "model.base_model_name=org/mine"))
