"""Every flag of OpenRLHF's documentation is understood, or answered with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.diagnostics.text import render_text
from recipe_engine.lint.dialects.openrlhf import REMOVED, RENAMES
from recipe_engine.lint.dialects.spelling import EACH
from recipe_engine.recipe.data import DataBlock, DatasetEntry
from recipe_engine.recipe.root import BLOCKS
from recipe_engine.recipe.training import TrainingBlock
from tests.lint.support import check_overlay, check_text, codes, marked, only

TRAIN_DPO = """\
model:
  pretrain: OpenRLHF/Llama-3-8b-sft-mixture
  attn_implementation: flash_attention_2
data:
  max_len: 8192
  datasets:
    - name: OpenRLHF/preference_dataset_mixture2_and_safe_pku
      chosen_key: chosen
      rejected_key: rejected
training:
  algorithm: dpo
  save_path: ./checkpoint/llama3-8b-dpo
  logging_steps: 1
  micro_train_batch_size: 1
  gradient_accumulation_steps: 32
  bf16: true
  max_epochs: 1
  learning_rate: 5e-7
  beta: 0.1
  gradient_checkpointing: true
  ref_offload: true
  nll_loss_coef: 0.2
  wandb_group: dpo
"""


def test_the_dpo_command_as_a_recipe_means_what_it_meant(tmp_path: Path) -> None:
    checked = check_text(tmp_path, TRAIN_DPO)
    assert set(codes(checked)) == {"R206"}
    recipe = checked.recipe
    assert recipe is not None
    assert recipe.model.base_model_name == "OpenRLHF/Llama-3-8b-sft-mixture"
    assert recipe.data.max_length == 8192
    (entry,) = recipe.data.datasets
    assert (entry.chosen_column, entry.rejected_column) == ("chosen", "rejected")
    assert recipe.training.output_dir == "./checkpoint/llama3-8b-dpo"
    assert (recipe.argument("per_device_train_batch_size"), recipe.argument("num_train_epochs")) == (1, 1)
    assert (recipe.argument("ref_offload"), recipe.argument("nll_loss_coef")) == (True, 0.2)
    assert recipe.wandb.group == "dpo"


def test_a_key_of_an_entry_is_renamed_where_it_stands(tmp_path: Path) -> None:
    text = "data: {datasets: [{name: a/b}, {name: c/d, output_key: response}]}"
    checked = check_overlay(tmp_path, text)
    note = only(checked, "R206")
    assert marked(checked, note) == "output_key"
    assert note.message == (
        "`data.datasets[1].output_key` (OpenRLHF) is called `data.datasets[1].completion_column` here"
    )
    assert note.fix is not None
    assert [edit.replacement for edit in note.fix.edits] == ["completion_column"]


def test_an_entry_that_says_a_column_twice_is_an_error(tmp_path: Path) -> None:
    text = "data: {datasets: [{name: a/b, output_key: x, completion_column: y}]}"
    assert "data.datasets[0].completion_column" in str(only(check_overlay(tmp_path, text), "R207").hint)


@pytest.mark.parametrize("text", ["data: {datasets: {output_key: x}}", "data: {datasets: [output_key]}", "data: []"])
def test_a_list_of_another_shape_is_left_to_the_readers_own_error(text: str, tmp_path: Path) -> None:
    assert "R203" in codes(check_overlay(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "key", "instead"),
    [
        ("training: {ipo: true}", "ipo", "loss_type: ipo_sum"),
        ("training: {train_batch_size: 256}", "train_batch_size", "gradient_accumulation_steps"),
        ("training: {packing_samples: true}", "packing_samples", "leave it out"),
        ("training: {use_wandb: my-token}", "use_wandb", "WANDB_API_KEY"),
        ("training: {pretrain: a/b}", "pretrain", "model.base_model_name"),
        ("training: {multiturn: true}", "multiturn", "assistant_only_loss"),
        ("training: {pretrain_mode: true}", "pretrain_mode", "algorithm: cpt"),
        ("data: {apply_chat_template: true}", "apply_chat_template", "wrap_in_chat"),
        ("data: {tokenizer_chat_template: x}", "tokenizer_chat_template", "model.chat_template"),
        ("data: {chosen_key: chosen}", "chosen_key", "chosen_column in the entry"),
        ("data: {dataset_probs: '0.3,0.7'}", "dataset_probs", "mixing: interleave_over"),
        ("data: {max_samples: 5}", "max_samples", "each entry"),
        ("data: {input_template: 'User: {}'}", "input_template", "data.user_prompt"),
        ("data: {datasets: [{name: a/b, input_key: q}]}", "input_key", "prompt_column"),
        ("max_len: 2048", "max_len", "write data.max_length"),
        ("ref_offload: true", "ref_offload", "training.ref_offload"),
    ],
)
def test_a_flag_without_an_equal_here_is_an_error_that_says_what_to_write(
    text: str, key: str, instead: str, tmp_path: Path
) -> None:
    checked = check_overlay(tmp_path, text)
    found = only(checked, "R207")
    assert marked(checked, found) == key
    assert instead in str(found.hint)


def test_a_key_given_to_use_wandb_is_a_secret_and_is_not_shown(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, f"training: {{use_wandb: {'0a' * 20}}}")
    assert "R211" in codes(checked)
    assert "0a0a" not in render_text(checked.diagnostics, checked.texts)


def test_every_new_name_exists() -> None:
    for rename in RENAMES:
        known = DatasetEntry if EACH in rename.old else BLOCKS[rename.new[0]]
        if known is not TrainingBlock or rename.new[-1] in TrainingBlock.model_fields:
            assert rename.new[-1] in known.model_fields, rename


def test_no_flag_hides_a_setting() -> None:
    for removed in REMOVED:
        if EACH in removed.key:
            assert removed.key[-1] not in DatasetEntry.model_fields
        elif len(removed.key) == 2:
            assert removed.key[-1] not in BLOCKS[removed.key[0]].model_fields, removed
    assert not {rename.old[-1] for rename in RENAMES if rename.old[0] == "data"} & DataBlock.model_fields.keys()
