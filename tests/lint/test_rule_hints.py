"""What examples alone do not show: the numbers in hints, the exact places, and what a rule leaves in peace."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.lint import check
from recipe_engine.lint.rules import argument_out_of_range, evaluation_without_data
from recipe_engine.lint.rules.report_to_unknown import TRACKERS
from recipe_engine.recipe.model import ModelBlock
from recipe_engine.schemas import trl_arguments

from .support import FIXTURES, check_overlay, check_text, codes, marked, only


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("gpus", [0, 1, 2, 8])
@pytest.mark.parametrize("name", NAMES)
def test_no_rule_objects_to_defaults(name: str, gpus: int) -> None:
    assert check(FIXTURES / "bases" / f"{name}.yaml", gpus=gpus).diagnostics == ()


def test_a_rule_points_at_the_command_line_where_the_value_came_from_there(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text((FIXTURES / "bases" / "sft.yaml").read_text())
    found = only(check(tmp_path / "recipe.yaml", ["model.load_in_4bit=true"]), "L301")
    assert (found.span.file, found.span.line) == ("<command line>", 1)


def test_no_fix_is_offered_for_a_value_that_a_parent_gives(tmp_path: Path) -> None:
    base = (FIXTURES / "bases" / "dpo.yaml").read_text()
    (tmp_path / "parent.yaml").write_text(f"{base}  padding_free: true\n")
    found = only(check_text(tmp_path, "extends: parent.yaml\n"), "L307")
    assert found.span.file.endswith("parent.yaml")
    assert found.fix is None


def test_unused_lora_settings_are_one_finding_at_the_first_of_them(tmp_path: Path) -> None:
    checked = check_overlay(
        tmp_path, "model:\n  lora_dropout: 0.0\n  lora_r: 8\n  use_dora: false\n  lora_bias: none\n"
    )
    found = only(checked, "L303")
    assert marked(checked, found) == "lora_dropout"
    assert found.message.endswith("lora_dropout, lora_r and lora_bias")


@pytest.mark.parametrize(
    "name",
    [
        *("meta-llama/Llama-3.2-1B-Instruct", "Qwen/Qwen3-8B", "builtin/tiny-chat", "org/fp8x-model", "org/int4ever"),
        *("TheBloke-AWQ/plain", "org/rawqualities"),
    ],
)
def test_a_name_that_only_resembles_a_quantized_one_is_left_in_peace(tmp_path: Path, name: str) -> None:
    assert "L305" not in codes(check_overlay(tmp_path, f"model: {{base_model_name: {name}}}"))


@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        ("TheBloke/Mistral-7B-GPTQ", "GPTQ"),
        ("unsloth/Llama-3.2-1B-bnb-4bit", "4bit"),
        ("neuralmagic/Llama-3.1-8B-Instruct-FP8-dynamic", "FP8"),
        ("org/model-w4a16", "w4a16"),
        ("s3://bucket/model.gguf", "gguf"),
    ],
)
def test_the_name_of_a_quantized_model_is_read_whatever_its_case(tmp_path: Path, name: str, quantization: str) -> None:
    assert quantization in only(check_overlay(tmp_path, f"model: {{base_model_name: '{name}'}}"), "L305").message


def test_a_folder_on_this_machine_is_not_judged_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "compared-with-AWQ").mkdir()
    assert "L305" not in codes(check_overlay(tmp_path, "model: {base_model_name: ./compared-with-AWQ}"))


@pytest.mark.parametrize("revision", ["main", "v1.0", "9f1c0d1", "9F1C0D1E2B3A4C5D6E7F8091A2B3C4D5E6F70819", "g" * 40])
def test_code_from_the_hub_needs_a_full_commit(tmp_path: Path, revision: str) -> None:
    checked = check_overlay(tmp_path, f"model: {{trust_remote_code: true, revision: '{revision}'}}")
    assert marked(checked, only(checked, "L306")) == f"'{revision}'"


def test_flash_attention_may_run_on_float32_weights_under_fp16(tmp_path: Path) -> None:
    text = "model: {torch_dtype: float32, use_flash_attention: true}\ntraining: {fp16: true}"
    assert codes(check_overlay(tmp_path, text)) == []


def test_bf16_set_to_null_is_on_unless_fp16_is(tmp_path: Path) -> None:
    flash = "model: {torch_dtype: float32, use_flash_attention: true}\n"
    assert codes(check_overlay(tmp_path, f"{flash}training: {{bf16: null}}")) == []
    assert codes(check_overlay(tmp_path, "training: {bf16: null, fp16: true}")) == []


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ("{max_steps: 200, warmup_steps: 500}", "write warmup_steps: 20, a tenth of max_steps"),
        ("{max_steps: 5, warmup_steps: 5}", "write warmup_steps: 0, a tenth of max_steps"),
        ("{warmup_steps: 2.7}", "write 2 for steps"),
        ("{warmup_ratio: 1.0}", "write 1 for one step"),
    ],
)
def test_the_hint_on_warmup_names_a_number(tmp_path: Path, settings: str, hint: str) -> None:
    assert hint in str(only(check_overlay(tmp_path, f"training: {settings}"), "L313").hint)


def test_a_share_of_warmup_fits_any_number_of_steps(tmp_path: Path) -> None:
    assert codes(check_overlay(tmp_path, "training: {max_steps: 1, warmup_steps: 0.9}")) == []


def test_max_steps_goes_before_epochs(tmp_path: Path) -> None:
    assert codes(check_overlay(tmp_path, "training: {max_steps: 10, num_train_epochs: 0}")) == []


@pytest.mark.parametrize(
    ("saves", "evaluates", "hint"),
    [
        (500, 200, "write save_steps: 400 or 600"),
        (100, 200, "write save_steps: 200"),
        (1000, 300, "write save_steps: 900 or 1200"),
        (0.25, 100, "write both as numbers of steps"),
    ],
)
def test_the_hint_on_the_best_model_names_the_nearest_multiples(
    tmp_path: Path, saves: float, evaluates: float, hint: str
) -> None:
    settings = f"{{load_best_model_at_end: true, eval_strategy: steps, save_steps: {saves}, eval_steps: {evaluates}}}"
    checked = check_overlay(tmp_path, f"data: {{eval_holdout: 0.1}}\ntraining: {settings}")
    found = only(checked, "L318")
    assert found.hint == hint
    assert marked(checked, found) == str(saves)


@pytest.mark.parametrize(("saves", "evaluates"), [(0.3, 0.1), (600, 200), (0.5, 0.25)])
def test_multiples_are_recognised_among_shares_too(tmp_path: Path, saves: float, evaluates: float) -> None:
    settings = f"{{load_best_model_at_end: true, eval_strategy: steps, save_steps: {saves}, eval_steps: {evaluates}}}"
    assert codes(check_overlay(tmp_path, f"data: {{eval_holdout: 0.1}}\ntraining: {settings}")) == []


def test_without_eval_steps_the_best_model_is_held_against_logging_steps(tmp_path: Path) -> None:
    settings = "{load_best_model_at_end: true, eval_strategy: steps, save_steps: 100, logging_steps: 30}"
    found = only(check_overlay(tmp_path, f"data: {{eval_holdout: 0.1}}\ntraining: {settings}"), "L318")
    assert found.hint == "write save_steps: 90 or 120"


def test_the_best_model_cannot_come_back_from_weights_alone_under_deepspeed(tmp_path: Path) -> None:
    settings = "{load_best_model_at_end: true, eval_strategy: steps, eval_steps: 100, save_only_model: true}"
    text = f"data: {{eval_holdout: 0.1}}\ntraining: {settings}"
    assert codes(check_overlay(tmp_path, text)) == ["L338"]
    (tmp_path / "z.json").write_text('{"zero_optimization": {"stage": 2}}')
    sharded = text.replace("save_only_model", "deepspeed_config: z.json, save_only_model")
    (found,) = (one for one in check_overlay(tmp_path, sharded).diagnostics if one.code != "L338")
    assert (found.code, "DeepSpeed" in found.message) == ("L318", True)


def test_evaluating_at_the_start_counts_as_evaluating(tmp_path: Path) -> None:
    text = "data: {eval_holdout: 0.1}\ntraining: {eval_on_start: true}"
    assert codes(check_overlay(tmp_path, text)) == []


@pytest.mark.parametrize("key", ["prediction_loss_only: true", "per_device_eval_batch_size: 4", "eval_on_start: false"])
def test_what_every_template_carries_needs_no_evaluation(tmp_path: Path, key: str) -> None:
    assert codes(check_overlay(tmp_path, f"training: {{{key}}}")) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_of_a_usual_range_of_learning_rates_are_usual(tmp_path: Path, name: str) -> None:
    low, high = algorithm(name).learning_rates
    for rate, unusual in ((low, False), (high, False), (low / 2, True), (high * 2, True)):
        checked = check_overlay(tmp_path, f"training: {{algorithm: {name}, learning_rate: {rate}}}")
        assert ("L321" in codes(checked)) == unusual, rate


def test_the_hint_on_a_learning_rate_names_the_range(tmp_path: Path) -> None:
    found = only(check_overlay(tmp_path, "training: {algorithm: dpo, learning_rate: 0.1}"), "L321")
    assert found.message == "learning_rate is 0.1, above the usual range for training all weights with dpo"
    assert found.hint == "the usual range is 1e-8 to 1e-5"


DEEPSPEED = "training: {deepspeed_config: ds.json, %s}"


def deepspeed_file(folder: Path, **settings: Any) -> None:
    """A file for stage 2 with further settings."""
    (folder / "ds.json").write_text(json.dumps({"zero_optimization": {"stage": 2}, **settings}))


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ('{"gradient_accumulation_steps": 4}', "seed: 1", "the recipe's gradient_accumulation_steps is 1"),
        ('{"gradient_clipping": 0.5}', "seed: 1", "the recipe's max_grad_norm is 1.0"),
        ('{"bf16": {"enabled": false}}', "seed: 1", "the recipe's bf16 is true"),
        ('{"bf16": {"enabled": true}}', "fp16: true", "the recipe's bf16 is false"),
        ('{"optimizer": {"params": {"lr": 0.1}}}', "learning_rate: 1e-5", "the recipe's learning_rate is 1e-05"),
        ('{"optimizer": {"params": {"betas": [0.9, 0.95]}}}', "seed: 1", "[adam_beta1, adam_beta2] is [0.9, 0.999]"),
        ('{"optimizer": {"params": {"weight_decay": 0.1}}}', "seed: 1", "the recipe's weight_decay is 0.0"),
        ('{"scheduler": {"params": {"warmup_num_steps": 5}}}', "warmup_steps: 9", "the recipe's warmup_steps is 9"),
        ('{"scheduler": {"params": {"total_num_steps": 5}}}', "max_steps: 9", "the recipe's max_steps is 9"),
        ("[]", "seed: 1", "ds.json holds no JSON object"),
        ("[" * 100_000, "seed: 1", "ds.json is nested too deeply"),
        (f'"{"x" * 2**20}"', "seed: 1", "ds.json is larger than 1 MiB"),
    ],
)
def test_a_deepspeed_file_is_held_against_the_recipe(tmp_path: Path, file: str, settings: str, message: str) -> None:
    (tmp_path / "ds.json").write_text(file.replace("{", '{"zero_optimization": {"stage": 2}, ', 1))
    checked = check_overlay(tmp_path, DEEPSPEED % settings)
    found = only(checked, "L325")
    assert message in found.message
    key, _, value = settings.partition(": ")
    assert marked(checked, found) == (value if f"recipe's {key} is" in message else "ds.json")


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ({"optimizer": {"type": "AdamW"}}, "optim: adafactor", "sets optimizer.type to 'AdamW'; the recipe's optim is"),
        ({"scheduler": {"type": "WarmupCosineLR"}}, "seed: 1", "the recipe's lr_scheduler_type is linear"),
        ({"optimizer": {"type": "AdamW"}}, "seed: 1", None),
        ({"scheduler": {"type": "WarmupDecayLR"}}, "lr_scheduler_type: linear", None),
    ],
)
def test_an_optimizer_or_schedule_of_the_file_must_be_the_recipes(
    tmp_path: Path, file: dict[str, Any], settings: str, message: str | None
) -> None:
    deepspeed_file(tmp_path, **file)
    checked = check_overlay(tmp_path, DEEPSPEED % settings)
    if message is None:
        assert codes(checked) == []
    else:
        assert message in only(checked, "L325").message


def test_every_disagreement_of_a_deepspeed_file_is_a_finding(tmp_path: Path) -> None:
    deepspeed_file(tmp_path, gradient_accumulation_steps=4, train_micro_batch_size_per_gpu=4)
    assert codes(check_overlay(tmp_path, DEEPSPEED % "seed: 1")) == ["L325", "L325"]


def test_a_global_batch_size_is_compared_where_the_number_of_gpus_is_known(tmp_path: Path) -> None:
    deepspeed_file(tmp_path, train_batch_size=16)
    text = DEEPSPEED % "per_device_train_batch_size: 2, gradient_accumulation_steps: 4"
    assert codes(check_overlay(tmp_path, text)) == []
    assert codes(check_overlay(tmp_path, f"# with --num-gpus 2\n{text}")) == []
    assert "is 32" in only(check_overlay(tmp_path, f"# with --num-gpus 4\n{text}"), "L325").message


def test_a_deepspeed_file_that_is_not_text_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "ds.json").write_bytes(b"\xff\xfe{}")
    assert "not UTF-8" in only(check_overlay(tmp_path, DEEPSPEED % "seed: 1"), "L325").message


@pytest.mark.parametrize(
    ("place", "message"), [("missing/ds.json", "there is no file missing/ds.json"), (".", ". is a folder")]
)
def test_a_deepspeed_file_that_is_not_there_is_a_finding_where_it_is_named(
    tmp_path: Path, place: str, message: str
) -> None:
    checked = check_overlay(tmp_path, f"# with --num-gpus 8\ntraining: {{deepspeed_config: {place}}}")
    assert codes(checked) == ["L428"]
    found = only(checked, "L428")
    assert (found.message, found.hint) == (message, "its path counts from the current folder")
    assert marked(checked, found) == place


def test_a_deepspeed_file_that_lies_beside_the_recipe_is_named_as_it_is_found_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deepspeed_file(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = only(check_overlay(tmp_path, DEEPSPEED % "seed: 1"), "L428")
    assert str(found.hint).endswith("lies beside the recipe: write ../ds.json")


@pytest.mark.parametrize(
    ("file", "message", "hint"),
    [
        ({"zero_optimisation": {"stage": 2}}, "knows no setting zero_optimisation", "did you mean zero_optimization?"),
        ({"bogus_key": 1}, "knows no setting bogus_key", "remove it there"),
        ({"elasticity": {}}, "has no elasticity any more", "remove it there"),
        (
            {"zero_optimization": {"stage": 2, "offload_optimiser": {}}},
            "knows no setting zero_optimization.offload_optimiser",
            "did you mean zero_optimization.offload_optimizer?",
        ),
        ({"fp16": "yes"}, "fp16 is 'yes'; it has to be an object", "there, as DeepSpeed documents it"),
        (
            {"scheduler": ["WarmupLR"]},
            "scheduler is ['WarmupLR']; it has to be an object",
            "there, as DeepSpeed documents it",
        ),
        (
            {"optimizer": {"type": "AdamW", "params": 3}},
            "optimizer.params is 3; it has to be an object",
            "there, as DeepSpeed documents it",
        ),
        (
            {"zero_optimization": 2},
            "zero_optimization is 2; it has to be an object",
            "there, as DeepSpeed documents it",
        ),
        (
            {"zero_optimization": {"stage": 7}},
            "zero_optimization.stage is 7; it has to be 0, 1, 2 or 3",
            "there, as DeepSpeed documents it",
        ),
        (
            {"zero_optimization": {"stage": "2"}},
            "zero_optimization.stage is '2'; it has to be",
            "there, as DeepSpeed documents it",
        ),
        (
            {"zero_optimization": {"stage": True}},
            "zero_optimization.stage is true; it has to be",
            "there, as DeepSpeed documents it",
        ),
        (
            {"zero_optimization": {"stage": 2, "offload_param": "cpu"}},
            "offload_param is 'cpu'; it has to be an",
            "there, as DeepSpeed documents it",
        ),
    ],
)
def test_a_deepspeed_file_that_deepspeed_would_not_read_so_is_a_finding(
    tmp_path: Path, file: dict[str, Any], message: str, hint: str
) -> None:
    deepspeed_file(tmp_path, **file)
    found = only(check_overlay(tmp_path, f"# with --num-gpus 8\n{DEEPSPEED % 'seed: 1'}"), "L429")
    assert found.message.startswith("ds.json: ")
    assert message in found.message
    assert str(found.hint).endswith(hint)


def test_quantized_weights_are_an_error_or_a_warning_under_zero_3(tmp_path: Path) -> None:
    (tmp_path / "ds.json").write_text('{"zero_optimization": {"stage": 3}}')
    for key, severity in (("load_in_8bit", "error"), ("load_in_4bit", "warning")):
        text = f"model: {{{key}: true, use_lora: true}}\n{DEEPSPEED % 'seed: 1'}"
        assert only(check_overlay(tmp_path, text), "L326").severity == severity


def test_a_tracker_in_a_list_is_pointed_at_by_itself(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "training:\n  report_to: [wandb, tensorbord]\n")
    found = only(checked, "L327")
    assert (marked(checked, found), found.hint) == ("tensorbord", "did you mean `tensorboard`?")


def test_the_known_trackers_are_those_of_transformers() -> None:
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).with_name("integrations") / "integration_utils.py"
    tables = [
        node.value
        for node in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INTEGRATION_TO_CALLBACK"
    ]
    assert len(tables) == 1
    assert isinstance(tables[0], ast.Dict)
    assert sorted(ast.literal_eval(key) for key in tables[0].keys if key is not None) == sorted(TRACKERS)


def test_the_tables_of_rules_name_keys_that_exist() -> None:
    arguments = {name for each in NAMES for name in trl_arguments(algorithm(each).config)}
    assert set(argument_out_of_range.RANGES) <= arguments
    own = {name for each in NAMES for name in algorithm(each).own_settings}
    assert set(evaluation_without_data.SETTINGS) <= arguments | own
    assert {"use_rslora", "use_dora", "load_in_4bit", "load_in_8bit"} <= set(ModelBlock.model_fields)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("per_device_train_batch_size", "0", "write a number at least 1"),
        ("adam_beta2", "1.0", "write a number at least 0 and below 1"),
        ("save_total_limit", "0", "write a number at least 1"),
        ("neftune_noise_alpha", "0", "write a number above 0"),
    ],
)
def test_the_hint_on_a_number_out_of_range_names_the_range(tmp_path: Path, name: str, value: str, hint: str) -> None:
    checked = check_overlay(tmp_path, f"training: {{{name}: {value}}}")
    found = only(checked, "L361")
    assert (marked(checked, found), found.hint) == (value, hint)


EVAL = "data: {eval_holdout: 0.1}\ntraining: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training: {max_steps: 0}", ["L314"]),
        ("training: {warmup_steps: 1}", []),
        ("model: {lora_target_modules: null, use_rslora: false}", []),
        ("training: {weight_decay: 0, adam_beta1: 0, dataloader_num_workers: 0}", []),
        ("training: {algorithm: grpo, top_p: 1.0, min_p: 1, top_k: 0}", []),
        ("training: {bf16: false}\nmodel: {torch_dtype: float32}", []),
        (
            '# beside: z.json {"zero_optimization": {"stage": 2}}\n'
            "training: {save_only_model: true, deepspeed_config: z.json}",
            ["L338"],
        ),
        ("training: {report_to: tensorboard}\nwandb: {enabled: false}", []),
        ("training: {report_to: wandb}\nwandb: {enabled: true}", []),
        ("training: {report_to: wandb}", []),
        ("model: {load_in_8bit: true, use_lora: true}", []),
        ("model: {load_in_8bit: true, use_lora: true}\ntraining: {fp16: true}", ["L311"]),
        ("model: {load_in_4bit: true}\ntraining: {fp16: true}", ["L301"]),
        ("model: {bnb_4bit_compute_dtype: float16}\ntraining: {bf16: true}", ["L304"]),
        ("s3: {enabled: true, bucket: ours, upload_checkpoints: false}", []),
        ("s3: {enabled: true, bucket: ours, upload_final_model: false}", []),
        (EVAL + "{eval_strategy: steps, eval_steps: 200, save_steps: 500}", []),
        (EVAL + "{eval_strategy: epoch, save_strategy: epoch, load_best_model_at_end: true}", []),
        (EVAL + "{eval_strategy: epoch, save_strategy: best, load_best_model_at_end: true}", []),
        (EVAL + "{eval_strategy: epoch, save_strategy: best, lr_scheduler_type: greedy}", []),
        (EVAL + "{eval_strategy: steps, eval_steps: 1, save_steps: 1, load_best_model_at_end: true}", []),
        (EVAL + "{eval_strategy: steps, eval_steps: 0.5, save_steps: 1, load_best_model_at_end: true}", ["L318"]),
        (EVAL + "{eval_strategy: steps, eval_steps: 9, save_steps: 0, load_best_model_at_end: true}", ["L360"]),
        (EVAL + "{eval_strategy: steps, eval_steps: -9, save_steps: 9, load_best_model_at_end: true}", ["L360"]),
        (EVAL + "{eval_strategy: epoch, save_strategy: epoch, load_best_model_at_end: true, save_total_limit: 1}", []),
    ],
)
def test_these_settings_give_exactly_these_findings(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert codes(check_overlay(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("model: {trust_remote_code: true}", "L306", "and no revision is named"),
        ("model: {trust_remote_code: true, revision: main}", "L306", "and 'main' is not a commit"),
        ("model: {use_lora: true}\ntraining: {learning_rate: 1e-9}", "L321", "1e-9, below the usual range for LoRA"),
        (
            EVAL + "{load_best_model_at_end: true, fsdp: full_shard, eval_strategy: steps, save_only_model: true}",
            "L318",
            "FSDP cannot load back",
        ),
    ],
)
def test_the_message_tells_which_case_it_is(tmp_path: Path, text: str, code: str, message: str) -> None:
    assert message in only(check_overlay(tmp_path, text), code).message


@pytest.mark.parametrize(
    ("saves", "evaluates", "hint"),
    [
        ("no", "epoch", "write save_strategy: epoch, so that each checkpoint is evaluated"),
        ("steps", "epoch", "write eval_strategy: steps, so that each checkpoint is evaluated"),
    ],
)
def test_the_hint_on_the_best_model_keeps_the_strategy_that_saves(
    tmp_path: Path, saves: str, evaluates: str, hint: str
) -> None:
    settings = f"{{load_best_model_at_end: true, save_strategy: {saves}, eval_strategy: {evaluates}}}"
    assert only(check_overlay(tmp_path, EVAL + settings), "L318").hint == hint


def test_a_tracker_like_no_other_is_answered_with_all_of_them(tmp_path: Path) -> None:
    found = only(check_overlay(tmp_path, "training: {report_to: zzz}"), "L327")
    assert found.fix is None
    assert found.hint == f"known are {', '.join((*TRACKERS, 'none', 'all'))}"


def test_the_precision_of_evaluation_counts_for_deepspeed(tmp_path: Path) -> None:
    deepspeed_file(tmp_path, bf16={"enabled": False})
    settings = "bf16: false, bf16_full_eval: true, eval_strategy: epoch"
    assert codes(check_overlay(tmp_path, f"data: {{eval_holdout: 0.1}}\n{DEEPSPEED % settings}")) == ["L325"]


def test_one_step_of_warmup_is_compared_with_deepspeeds(tmp_path: Path) -> None:
    deepspeed_file(tmp_path, scheduler={"params": {"warmup_num_steps": 5}})
    assert codes(check_overlay(tmp_path, DEEPSPEED % "warmup_steps: 1")) == ["L325"]
    assert codes(check_overlay(tmp_path, DEEPSPEED % "warmup_steps: 0.1")) == []
