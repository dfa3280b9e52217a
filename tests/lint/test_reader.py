"""The shape of a recipe: unknown keys, wrong types, old spellings. Each finding at its place, with what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recipe_engine.algorithms import NAMES
from recipe_engine.lint import Checked, check

from .support import FIXTURES, check_overlay, check_text, codes, fixed, marked, only


def found_in(folder: Path, text: str, code: str) -> tuple[str, str, str | None]:
    """The only finding of ``text``: where it points, its message, and its hint."""
    checked = check_overlay(folder, text)
    assert codes(checked) == [code], checked.diagnostics
    found = only(checked, code)
    return marked(checked, found), found.message, found.hint


def repaired(folder: Path, text: str) -> tuple[str, Checked]:
    """``text`` after the one fix that is offered for it, and what a second check says."""
    checked = check_overlay(folder, text)
    fixes = [found.fix for found in checked.diagnostics if found.fix is not None]
    assert len(fixes) == 1, checked.diagnostics
    after = fixed((folder / "recipe.yaml").read_text(encoding="utf-8"), fixes[0])
    return after.partition("\n")[2], check_text(folder, after)


# Unknown keys


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("training: {lerning_rate: 1e-5}", "lerning_rate", "learning_rate"),
        ("training: {gradient_acumulation_steps: 4}", "gradient_acumulation_steps", "gradient_accumulation_steps"),
        ("training: {output_dri: x}", "output_dri", "output_dir"),
        ("training: {algorithm: grpo, num_generation: 4}", "num_generation", "num_generations"),
        ("model: {use-lora: true}", "use-lora", "use_lora"),
        ("model: {Lora_R: 8}", "Lora_R", "lora_r"),
        ("data: {datasets: [{name: builtin/x, splt: train}]}", "splt", "split"),
        ("data: {eval_datasets: [{name: builtin/x, chosen_colum: a}]}", "chosen_colum", "chosen_column"),
        ("wandb: {enable: true}", "enable", "enabled"),
        ("s3: {buckt: x}", "buckt", "bucket"),
        ("launch: {cpu_process: 2}", "cpu_process", "cpu_processes"),
        ("rewards: [{type: format, patern: x}]", "patern", "pattern"),
        ("lunch: {cpu_processes: 2}", "lunch", "launch"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest_known_one(
    tmp_path: Path, text: str, key: str, meant: str
) -> None:
    checked = check_overlay(tmp_path, text)
    found = next(found for found in checked.diagnostics if found.code == "R201")
    assert found.severity == "error"
    assert marked(checked, found) == key
    assert found.hint == f"did you mean `{meant}`?"
    assert found.fix is not None
    assert [edit.replacement for edit in found.fix.edits] == [meant]
    assert checked.recipe is None


def test_the_fix_of_an_unknown_key_leaves_a_valid_recipe(tmp_path: Path) -> None:
    after, checked = repaired(tmp_path, "training:\n  lerning_rate: 1e-5  # small\n")
    assert after == "training:\n  learning_rate: 1e-5  # small\n"
    assert checked.diagnostics == ()


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("model: {learning_rate: 1e-5}", "the training block"),
        ("training: {load_in_4bit: true}", "the model block"),
        ("training: {overlong_rows: drop}", "the data block"),
        ("data: {packing_strategy: bfd}", "the training block"),
        ("data: {split: train}", "an entry of data.datasets"),
        ("num_train_epochs: 3", "the training block"),
        ("max_length: 512", "the data block"),
    ],
)
def test_a_key_in_the_wrong_block_is_told_where_it_belongs(tmp_path: Path, text: str, home: str) -> None:
    checked = check_overlay(tmp_path, text)
    found = only(checked, "R201")
    assert found.hint == f"it belongs in {home}"
    assert found.fix is None


def test_a_common_word_is_not_sent_to_another_block(tmp_path: Path) -> None:
    for text in ("model: {name: x}", "training: {enabled: true}", "name: x"):
        assert "it belongs" not in str(only(check_overlay(tmp_path, text), "R201").hint)


def test_a_key_like_no_other_is_answered_with_what_there_is(tmp_path: Path) -> None:
    assert found_in(tmp_path, "zzz: 1", "R201")[1] == "unknown key `zzz` at the top level"
    _, message, hint = found_in(tmp_path, "launch: {zzz: 1}", "R201")
    assert message == "unknown key `zzz` in launch"
    assert hint is not None
    assert hint.startswith("known keys: cpu_processes, environment, gpu_memory_gib, ")
    _, _, hint = found_in(tmp_path, "training: {zzz: 1}", "R201")
    assert hint == "`recipe schema --algorithm sft` lists what it takes"


def test_every_mistake_is_found_at_once_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "model: {base_model_name: 7, lora_r: '8', zzz: 1}\n"
        "data: {datasets: [{nam: a}], max_length: 1}\n"
        "training: {algorithm: dpo, lerning_rate: 1, beta: '0.1', max_steps: ten}\n"
        "rewards: [{type: exact_mach}]\n"
        "modle: {}\n"
    )
    checked = check_text(tmp_path, text)
    found = [(found.span.line, found.code) for found in checked.diagnostics]
    assert [code for line, code in found if line == 1] == ["R203", "R203", "R201"]
    assert sorted(code for line, code in found if line == 2) == ["R201", "R202", "R205"]
    assert [code for line, code in found if line == 3] == ["R201", "R203", "R203"]
    assert found[-2:] == [(4, "R204"), (5, "R201")]
    assert found == sorted(found, key=lambda entry: entry[0])


# Wrong types


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ('training: {learning_rate: "1e-4"}', '"1e-4"', "it must be a number", "write 1e-4, without quotes"),
        ('training: {max_steps: "10"}', '"10"', "it must be an integer", "write 10, without quotes"),
        ("training: {max_steps: 10.0}", "10.0", "it must be an integer", "write 10"),
        ('training: {eval_steps: "50"}', '"50"', "it must be a number or null", "write 50, without quotes"),
        ("model: {lora_r: 8.0}", "8.0", "it must be an integer", "write 8"),
        ("model: {use_lora: no}", "no", "it must be true or false", "in YAML 1.2 `no` is text: write false"),
        ("model: {use_lora: On}", "On", "it must be true or false", "in YAML 1.2 `On` is text: write true"),
        ('model: {use_lora: "True"}', '"True"', "it must be true or false", "write true, without quotes"),
        ("training: {bf16: yes}", "yes", "it must be true or false or null", "in YAML 1.2 `yes` is text: write true"),
        ("training: {run_name: 7}", "7", "it must be text", "put it in quotes"),
        ("wandb: {tags: [a, 2]}", "2", "wandb.tags[1] is 2; it must be text", "put it in quotes"),
        (
            "model: {lora_target_modules: [q_proj, 3]}",
            "3",
            "model.lora_target_modules[1] is 3; it must be text",
            "put it in quotes",
        ),
    ],
)
def test_a_value_of_the_wrong_type_that_only_needs_other_quotes_has_a_fix(
    tmp_path: Path, text: str, place: str, message: str, hint: str
) -> None:
    where, said, advice = found_in(tmp_path, text, "R203")
    assert (where, advice) == (place, hint)
    assert message in said
    _, checked = repaired(tmp_path, text)
    assert "R203" not in codes(checked)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("training: {learning_rate: banana}", "banana", "training.learning_rate is 'banana'; it must be a number"),
        ("training: {max_steps: 10.5}", "10.5", "training.max_steps is 10.5; it must be an integer"),
        ("training: {max_steps: true}", "true", "training.max_steps is true; it must be an integer"),
        ("model: {lora_r: true}", "true", "model.lora_r is true; it must be an integer"),
        ("model: {lora_target_modules: 3}", "3", "model.lora_target_modules is 3; it must be text or a list"),
        ("training: {report_to: 5}", "5", "it must be null or text or a list, each text"),
        ("model: []", "[]", "model is []; it must be a mapping"),
        ("training: [sft]", "[sft]", "training is ['sft']; it must be a mapping"),
        ("training: sft", "sft", "training is 'sft'; it must be a mapping"),
        ("wandb: true", "true", "wandb is true; it must be a mapping"),
        ("rewards: {type: exact_match}", "{type: exact_match}", "it must be a list"),
        ("data: {datasets: {name: x}}", "{name: x}", "it must be a list"),
        ("data: {datasets: [builtin/x]}", "builtin/x", "data.datasets[0] is 'builtin/x'; it must be a mapping"),
        (
            "rewards: [{type: function, path: r.py, name: f, kwargs: [1]}]",
            "[1]",
            "rewards[0].kwargs is [1]; it must be a mapping",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error_at_the_value(
    tmp_path: Path, text: str, place: str, message: str
) -> None:
    where, said, _ = found_in(tmp_path, text, "R203")
    assert where == place
    assert message in said


def test_null_for_a_key_with_a_default_may_be_left_out(tmp_path: Path) -> None:
    for text in ("model: {lora_r: null}", "training: {seed: null}", "model: {lora_r: }"):
        assert only(check_overlay(tmp_path, text), "R203").hint == "leave the key out to use its default"
    assert only(check_overlay(tmp_path, "model: {base_model_name: null}"), "R203").hint is None


@pytest.mark.parametrize(
    "text",
    [
        "model: {use_lora: maybe}",
        "model: {use_lora: 1.0}",
        "model: {use_lora: 1}",
        "training: {learning_rate: yes}",
        "training: {max_steps: 10.5}",
        "training: {run_name: true}",
        "wandb: {tags: [null]}",
    ],
)
def test_there_is_no_hint_where_it_would_be_a_guess(tmp_path: Path, text: str) -> None:
    found = only(check_overlay(tmp_path, text), "R203")
    assert (found.hint, found.fix) == (None, None)


def test_an_integer_is_a_number(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "model: {lora_alpha: 32, use_lora: true}\ntraining: {weight_decay: 0}")
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.recipe.model.lora_alpha == 32


def test_a_value_that_could_not_be_read_has_one_finding(tmp_path: Path) -> None:
    assert codes(check_overlay(tmp_path, "training: {learning_rate: .nan}")) == ["S124"]
    assert codes(check_overlay(tmp_path, "training: {lr: .inf}")) == ["S124", "R206"] or codes(
        check_overlay(tmp_path, "training: {lr: .inf}")
    ) == ["R206", "S124"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("model: {lora_r: 0}", "0", "model.lora_r is 0: it should be greater than or equal to 1"),
        ("training: {learning_rate: -1}", "-1", "training.learning_rate is -1: it should be greater than 0"),
        ("training: {algorithm: dpo, beta: -1}", "-1", "training.beta is -1: it should be greater than 0"),
        ("data: {max_length: 1}", "1", "data.max_length is 1: it should be greater than or equal to 2"),
        ("launch: {cpu_processes: 65}", "65", "launch.cpu_processes is 65: it should be less than or equal to 64"),
        ('training: {run_name: ""}', '""', "training.run_name is empty"),
        (f"training: {{run_name: {'x' * 201}}}", "x" * 201, "it should have at most 200 characters"),
        ("data: {datasets: []}", "[]", "data.datasets is empty"),
    ],
)
def test_a_value_out_of_bounds_is_an_error_at_the_value(tmp_path: Path, text: str, place: str, message: str) -> None:
    where, said, _ = found_in(tmp_path, text, "R205")
    assert where == place
    assert said.endswith(message)


# Choices


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [
        ("model: {torch_dtype: float61}", "float61", "float16"),
        ("model: {torch_dtype: bf16}", "bf16", "bfloat16"),
        ("training: {algorithm: gpro}", "gpro", "grpo"),
        ("training: {algorithm: pdo}", "pdo", "dpo"),
        ("training: {loss_type: nlll}", "nlll", "nll"),
        ("training: {eval_strategy: No}", "No", "no"),
        ("training: {optim: adamw_tourch}", "adamw_tourch", "adamw_torch"),
        ("training: {debug: [underflow_overflo]}", "underflow_overflo", "underflow_overflow"),
        ("training: {algorithm: dpo, loss_type: [sigmoid, hinje]}", "hinje", "hinge"),
        ("training: {algorithm: grpo, scale_rewards: 'true'}", "'true'", "true"),
        ("data: {overlong_rows: drpo}", "drpo", "drop"),
        ("data: {datasets: [{name: a, format: sharegtp}]}", "sharegtp", "sharegpt"),
        ("rewards: [{type: exact_mach}]", "exact_mach", "exact_match"),
        ("rewards: [{type: format, pattern: x, match: ful}]", "ful", "full"),
    ],
)
def test_a_misspelt_choice_is_an_error_with_the_nearest_one_as_a_fix(
    tmp_path: Path, text: str, place: str, meant: str
) -> None:
    where, message, hint = found_in(tmp_path, text, "R204")
    assert where == place
    assert "it must be one of" in message
    assert hint == f"did you mean `{meant}`?"
    _, checked = repaired(tmp_path, text)
    assert "R204" not in codes(checked)


def test_a_choice_like_no_other_is_answered_with_all_of_them(tmp_path: Path) -> None:
    _, message, hint = found_in(tmp_path, "training: {algorithm: xyz}", "R204")
    assert message == f"training.algorithm is 'xyz'; it must be one of {', '.join(NAMES)}"
    assert hint is None
    _, message, _ = found_in(tmp_path, "training: {algorithm: grpo, scale_rewards: 2}", "R204")
    assert message == "training.scale_rewards is 2; it must be one of group, batch, none, true, false"


def test_a_long_list_of_choices_is_left_out_where_one_is_meant(tmp_path: Path) -> None:
    _, message, _ = found_in(tmp_path, "training: {optim: adamw_tourch}", "R204")
    assert message == "training.optim is 'adamw_tourch'; it must be one of 41 words"
    _, message, _ = found_in(tmp_path, "training: {optim: zzz}", "R204")
    assert "adamw_torch, adamw_torch_fused" in message


# What is missing


def test_an_empty_recipe_lacks_its_three_blocks(tmp_path: Path) -> None:
    messages = [found.message for found in check_text(tmp_path, "{}\n").diagnostics]
    assert messages == [f"the recipe lacks the block `{name}`" for name in ("data", "model", "training")]


def test_a_block_that_is_null_is_missing(tmp_path: Path) -> None:
    assert only(check_overlay(tmp_path, "model:\n"), "R202").message == "the recipe lacks the block `model`"
    assert check_overlay(tmp_path, "launch:\nwandb: null\n").diagnostics == ()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("data: {datasets: [{split: train}]}", "{split: train}", "data.datasets[0] lacks the key `name`"),
        ("training: {algorithm: null}", "training", "training lacks the key `algorithm`"),
        ("rewards: [{type: function, path: r.py}]", "{type: function, path: r.py}", "rewards[0] lacks the key `name`"),
        ("rewards: [{type: http}]", "{type: http}", "rewards[0] lacks the key `url`"),
        ("rewards: [{weight: 2}]", "{weight: 2}", "rewards[0] must be a mapping with a `type`"),
        ("rewards: [exact_match]", "exact_match", "rewards[0] must be a mapping with a `type`"),
        ("rewards: [prototype]", "prototype", "rewards[0] must be a mapping with a `type`"),
    ],
)
def test_a_missing_key_is_an_error_at_what_lacks_it(tmp_path: Path, text: str, place: str, message: str) -> None:
    where, said, _ = found_in(tmp_path, text, "R202")
    assert where == place
    assert said.startswith(message)


def test_a_missing_key_of_a_block_is_shown_at_the_name_of_the_block(tmp_path: Path) -> None:
    checked = check_text(tmp_path, "model:\n  torch_dtype: auto\ndata:\n  shuffle: true\ntraining:\n  seed: 1\n")
    assert [marked(checked, found) for found in checked.diagnostics] == ["model", "data", "training"]
    assert codes(checked) == ["R202", "R202", "R202"]


# Old and foreign spellings


def test_a_renamed_key_is_understood_with_a_note_and_a_fix(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "training: {algorithm: grpo, group_size: 4}")
    note = only(checked, "R206")
    assert (note.severity, marked(checked, note)) == ("note", "group_size")
    assert note.message == "`training.group_size` (earlier FAI-RL) is called `training.num_generations` here"
    assert checked.recipe is not None
    assert checked.recipe.argument("num_generations") == 4
    after, again = repaired(tmp_path, "training: {algorithm: grpo, group_size: 4}")
    assert after == "training: {algorithm: grpo, num_generations: 4}"
    assert again.diagnostics == ()


def test_a_key_that_moved_to_another_block_is_understood_and_keeps_its_place(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "training:\n  max_seq_length: 1024\n")
    note = only(checked, "R206")
    assert (note.message.split(" is called ")[1], note.fix) == ("`data.max_length` here", None)
    assert checked.recipe is not None
    assert checked.recipe.data.max_length == 1024
    checked = check_overlay(tmp_path, "training:\n  max_seq_length: long\n")
    assert marked(checked, only(checked, "R203")) == "long"


def test_a_moved_value_is_checked_by_rules_at_its_old_place(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "training: {max_steps: 10, warmup_ratio: 50}")
    assert codes(checked) == ["R206", "L313"]
    assert marked(checked, only(checked, "L313")) == "50"


def test_a_mistake_inside_a_list_that_moved_is_shown_where_it_stands(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "model: {use_lora: true}\ntraining: {lr: [1, 2]}")
    assert marked(checked, only(checked, "R203")) == "[1, 2]"


def test_two_names_of_one_setting_may_not_disagree(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "training: {warmup_ratio: 0.03, warmup_steps: 10}")
    found = only(checked, "R207")
    assert (found.severity, marked(checked, found)) == ("error", "warmup_ratio")
    assert found.message == "`training.warmup_ratio` and `training.warmup_steps` are one setting with two values"
    assert [related.span.column for related in found.related] == [32]


def test_two_names_of_one_setting_may_agree_but_renaming_would_write_it_twice(tmp_path: Path) -> None:
    note = only(check_overlay(tmp_path, "training: {warmup_ratio: 0.03, warmup_steps: 0.03}"), "R206")
    assert note.fix is None


@pytest.mark.parametrize(
    ("text", "key", "instead"),
    [
        ("training: {algorithm: dpo, rpo_alpha: 1.0}", "rpo_alpha", "loss_type: [sigmoid, sft]"),
        ("training: {use_cpu: true}", "use_cpu", "--num-gpus 0"),
        ("training: {reward_weights: [1]}", "reward_weights", "weight: in each entry of rewards"),
        ("model: {device_map: auto}", "device_map", "leave it out"),
        ("data: {image_max_pixels: 4}", "image_max_pixels", "vision models (sft_vlm) are not supported"),
        ("reward_api: {url: x}", "reward_api", "{type: http, url: ADDRESS}"),
        ("custom_reward_function: {path: x}", "custom_reward_function", "{type: function, path: FILE.py"),
        ("reward_model: {enable: true}", "reward_model", "{type: reward_model, model: NAME}"),
        ("training: {overlong_buffer_cfg: {len: 4}}", "overlong_buffer_cfg", "type: overlong_penalty"),
    ],
)
def test_a_removed_key_is_an_error_that_says_what_to_write(tmp_path: Path, text: str, key: str, instead: str) -> None:
    where, _, hint = found_in(tmp_path, text, "R207")
    assert where == key
    assert instead in str(hint)


# Settings of other algorithms


def test_a_setting_of_another_algorithm_is_an_error(tmp_path: Path) -> None:
    where, message, hint = found_in(tmp_path, "training: {label_smoothing: 0.1}", "R208")
    assert (where, hint) == ("label_smoothing", "remove it")
    assert message == "`label_smoothing` is a setting of dpo, simpo, cpo, reward_model; sft does not take it"
    _, message, _ = found_in(tmp_path, "training: {algorithm: dpo, temperature: 1.0}", "R208")
    assert re.fullmatch(r"`temperature` is a setting of .*grpo, .*; dpo does not take it", message)


def test_of_many_algorithms_that_take_a_setting_five_are_named(tmp_path: Path) -> None:
    _, message, _ = found_in(tmp_path, "training: {beta: 0.1}", "R208")
    assert message == "`beta` is a setting of dpo, orpo, simpo, cpo, kto and others; sft does not use it"


@pytest.mark.parametrize("key", ["resume_mode", "load_checkpoint"])
def test_the_key_that_a_hint_on_resuming_names_is_read(tmp_path: Path, key: str) -> None:
    _, _, hint = found_in(tmp_path, f"training: {{{key}: auto}}", "R207")
    assert "write training.resume: FOLDER" in str(hint)


def test_an_argument_of_another_trl_config_is_an_error(tmp_path: Path) -> None:
    _, message, _ = found_in(tmp_path, "training: {use_vllm: true}", "R208")
    assert re.fullmatch(r"`use_vllm` is a setting of .*grpo, .*; sft does not take it", message)


@pytest.mark.parametrize("name", ["dpo", "sft", "cpt"])
def test_group_settings_under_an_algorithm_without_groups_are_warned_of_and_left_out(tmp_path: Path, name: str) -> None:
    text = (
        f"training: {{algorithm: {name}, num_generations: 4, epsilon: 3e-4, epsilon_high: 1, steps_per_generation: 2}}"
    )
    checked = check_overlay(tmp_path, text)
    assert [(found.code, found.severity) for found in checked.diagnostics] == [("R208", "warning")] * 4
    assert checked.recipe is not None
    assert checked.recipe.arguments == {}


def test_beta_0_under_dpo_is_taken_as_unset(tmp_path: Path) -> None:
    for zero in ("0", "0.0", "-0.0"):
        checked = check_overlay(tmp_path, f"training: {{algorithm: dpo, beta: {zero}}}")
        found = only(checked, "R209")
        assert (found.severity, marked(checked, found)) == ("warning", zero)
        assert checked.recipe is not None
        assert checked.recipe.argument("beta") == 0.1
    after, again = repaired(tmp_path, "training: {algorithm: dpo, beta: 0}")
    assert after == "training: {algorithm: dpo, beta: 0.1}"
    assert again.diagnostics == ()


def test_beta_0_means_no_penalty_under_grpo_and_gspo(tmp_path: Path) -> None:
    for name in ("grpo", "gspo"):
        assert check_overlay(tmp_path, f"training: {{algorithm: {name}, beta: 0}}").diagnostics == ()


def test_beta_false_under_dpo_is_no_number(tmp_path: Path) -> None:
    assert found_in(tmp_path, "training: {algorithm: dpo, beta: false}", "R203")[0] == "false"


# Arguments of TRL's configs


def test_arguments_of_trl_are_taken_by_name_and_type(tmp_path: Path) -> None:
    text = (
        "training:\n  weight_decay: 0.1\n  optim: adamw_torch_fused\n  lr_scheduler_kwargs: {num_cycles: 1}\n"
        "  label_names: [labels]\n  torch_compile_mode: null\n  adam_beta1: 0\n"
    )
    checked = check_overlay(tmp_path, text)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.recipe.arguments == {
        "weight_decay": 0.1,
        "optim": "adamw_torch_fused",
        "lr_scheduler_kwargs": {"num_cycles": 1},
        "label_names": ["labels"],
        "torch_compile_mode": None,
        "adam_beta1": 0,
    }


def test_the_catalogue_is_that_of_the_algorithm(tmp_path: Path) -> None:
    assert check_overlay(tmp_path, "training: {algorithm: grpo, top_p: 0.9, log_completions: true}").diagnostics == ()
    assert check_overlay(tmp_path, "training: {algorithm: dpo, use_weighting: true}").diagnostics == ()
    assert codes(check_overlay(tmp_path, "training: {top_p: 0.9}")) == ["R208"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("training: {weight_decay: heavy}", "heavy", "it must be a number"),
        ("training: {label_names: [1]}", "[1]", "it must be a list, each text or null"),
        ("training: {lr_scheduler_kwargs: [1]}", "[1]", "it must be a mapping or text or null"),
        ("training: {logging_first_step: 1}", "1", "it must be true or false"),
        ("training: {adam_beta1: true}", "true", "it must be a number"),
    ],
)
def test_an_argument_of_the_wrong_type_is_an_error(tmp_path: Path, text: str, place: str, message: str) -> None:
    where, said, _ = found_in(tmp_path, text, "R203")
    assert where == place
    assert said.endswith(message)


# Rewards


def test_rewards_are_read_in_their_order_with_their_defaults(tmp_path: Path) -> None:
    text = (
        "training: {algorithm: grpo}\n"
        "rewards:\n"
        "  - {type: exact_match, pattern: '(\\d+)', weight: 2}\n"
        "  - {type: length, max: 100, slope: 10}\n"
    )
    checked = check_overlay(tmp_path, text)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert [(reward.type, reward.weight) for reward in checked.recipe.rewards] == [("exact_match", 2), ("length", 1)]


def test_a_mistake_in_one_reward_does_not_hide_one_in_the_next(tmp_path: Path) -> None:
    checked = check_overlay(
        tmp_path,
        "rewards:\n  - {type: length, max: 0}\n  - {type: http}\n  - {type: exact_match, weigth: 2}\n",
    )
    assert [(found.span.line, found.code) for found in checked.diagnostics] == [(3, "R205"), (4, "R202"), (5, "R201")]


# Whole recipes


def test_a_first_generation_template_gives_notes_and_warnings_only() -> None:
    checked = check(FIXTURES / "recipes" / "template_dpo.yaml")
    assert [(found.code, found.severity, marked(checked, found)) for found in checked.diagnostics] == [
        ("L356", "note", '"your-dataset"'),
        ("L356", "note", '"your-subset"'),
        ("L356", "note", '"your-dataset2"'),
        ("R209", "warning", "0"),
        ("R206", "note", "group_size"),
        ("R208", "warning", "group_size"),
        ("R208", "warning", "epsilon"),
        ("R208", "warning", "epsilon_high"),
        ("R208", "warning", "steps_per_generation"),
        ("L338", "note", "true"),
        ("L356", "note", '"your-project"'),
        ("L356", "note", '"your-entity"'),
        ("L356", "note", '"your-wandb-name"'),
        ("L356", "note", '"your-tags"'),
    ]
    assert checked.recipe is not None
    assert checked.recipe.argument("beta") == 0.1


# Settings of 4-bit weights, of LoRA and of evaluation, all switched off; checkpoints that cannot be resumed.
UNUSED = ("L304", "L303", "L316", "L338")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sft", ("L316", "L338")),
        ("cpt", UNUSED),
        ("dpo", UNUSED),
        ("grpo", ("L304", "L303", "L339", "L316", "L338")),
        ("gspo", ("L304", "L303", "L339", "L332", "L316", "L338")),
    ],
)
def test_a_recipe_of_the_native_dialect_has_no_errors(name: str, expected: tuple[str, ...]) -> None:
    checked = check(FIXTURES / "recipes" / f"fai_rl_{name}.yaml")
    assert tuple(codes(checked)) == expected
    assert not checked.has_errors
    assert checked.recipe is not None


def test_that_gspo_recipe_fits_2_gpus_or_more_but_not_1() -> None:
    file = FIXTURES / "recipes" / "fai_rl_gspo.yaml"
    assert [check(file, gpus=gpus).has_errors for gpus in (1, 2, 4, 8)] == [True, False, False, False]


@pytest.mark.parametrize(("name", "said"), [("ipo", "loss_type: ipo"), ("gpo", "not supported"), ("pt", "cpt")])
def test_an_algorithm_of_another_framework_is_not_taken_for_a_misspelling(name: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "model: {base_model_name: a/b}\ndata: {datasets: [{name: c/d}]}\ntraining: {algorithm: " + name + "}\n",
        encoding="utf-8",
    )
    (found,) = [diagnostic for diagnostic in check(file).diagnostics if diagnostic.code == "R204"]
    assert said in found.message
    assert found.fix is None
