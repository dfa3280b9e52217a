"""The rules of distillation and online DPO beyond their examples, and other programs' names of their settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .support import check_overlay, check_text, codes, only

DISTILL = """
model:
  base_model_name: {student}
data:
  datasets:
    - name: builtin/conversations
training:
  algorithm: distill
  teacher_model: {teacher}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tokenizer(folder: Path, vocabulary: dict[str, int], **added: int) -> str:
    folder.mkdir()
    tokens = [{"content": token, "id": number} for token, number in added.items()]
    content = {"model": {"vocab": vocabulary}, "added_tokens": tokens}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return f"./{folder.name}"


class TestVocabularyOfLocalFolders:
    def test_the_same_tokens_with_the_same_ids_pass(self, tmp_path: Path) -> None:
        student = tokenizer(tmp_path / "student", {"a": 0, "b": 1}, end=2)
        teacher = tokenizer(tmp_path / "teacher", {"b": 1, "a": 0, "end": 2})
        assert codes(check_text(tmp_path, DISTILL.format(student=student, teacher=teacher))) == []

    def test_another_id_is_an_error_that_names_the_token(self, tmp_path: Path) -> None:
        student = tokenizer(tmp_path / "student", {"a": 0, "b": 1})
        teacher = tokenizer(tmp_path / "teacher", {"a": 0, "b": 7})
        found = only(check_text(tmp_path, DISTILL.format(student=student, teacher=teacher)), "L391")
        assert found.severity == "error"
        assert "'b', for one, has the ids 1 and 7" in found.message

    def test_a_further_token_is_one_too(self, tmp_path: Path) -> None:
        student = tokenizer(tmp_path / "student", {"a": 0})
        teacher = tokenizer(tmp_path / "teacher", {"a": 0}, end=1)
        found = only(check_text(tmp_path, DISTILL.format(student=student, teacher=teacher)), "L391")
        assert "2 tokens against 1; 'end', for one, has the ids none and 1" in found.message

    @pytest.mark.parametrize("content", ["not JSON", "[]", '{"model": {"vocab": [["a", -1.5]]}}', '{"model": {}}'])
    def test_what_cannot_be_read_is_left_to_the_training(self, tmp_path: Path, content: str) -> None:
        student = tokenizer(tmp_path / "student", {"a": 0})
        tokenizer(tmp_path / "teacher", {})
        (tmp_path / "teacher/tokenizer.json").write_text(content, encoding="utf-8")
        text = DISTILL.format(student=student, teacher="./teacher")
        assert set(codes(check_text(tmp_path, text))) <= {"L391"}


@pytest.mark.parametrize(
    ("student", "teacher", "differ"),
    [
        ("meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-2-13b-chat-hf", False),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-72B-Instruct", False),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen3-32B", True),
        ("google/gemma-2-2b-it", "google/gemma-3-27b-it", True),
        ("my/student", "meta-llama/Llama-3.1-8B-Instruct", False),
        ("my/llama-3-like", "my/qwen3-like", False),
    ],
)
def test_families_are_told_by_name(tmp_path: Path, student: str, teacher: str, differ: bool) -> None:
    checked = check_text(tmp_path, DISTILL.format(student=student, teacher=teacher))
    assert ("L391" in codes(checked)) == differ


def test_a_tokenizer_of_its_own_decides_and_not_the_students_name(tmp_path: Path) -> None:
    text = DISTILL.format(student="Qwen/Qwen2.5-7B-Instruct\n  tokenizer_name: my/tokenizer", teacher="Qwen/Qwen3-32B")
    assert "L391" not in codes(check_text(tmp_path, text))


@pytest.mark.parametrize(
    ("algorithm", "old", "new"),
    [
        ("distill", "teacher_model_name_or_path: a/b", "teacher_model"),
        ("distill", "kd_ratio: 0.5", "kd_coef"),
        ("gkd", "lambda: 0.5", "lmbda"),
        ("gkd", "max_new_tokens: 8", "max_completion_length"),
        ("minillm", "length_norm: true", "length_normalization"),
        ("minillm", "single_step_reg: true", "single_step_decomposition"),
    ],
)
def test_names_of_other_programs_are_understood(tmp_path: Path, algorithm: str, old: str, new: str) -> None:
    base = "" if "teacher_model" in old else "  teacher_model: models/teacher\n"
    text = DISTILL.format(student="builtin/tiny-chat", teacher="").replace("  teacher_model: \n", base)
    text = text.replace("distill", algorithm).replace("conversations", "alpaca") + f"  {old}\n"
    found = only(check_text(tmp_path, text), "R206")
    assert f"`training.{new}`" in found.message


@pytest.mark.parametrize("setting", ["seq_kd: true", "teacher_model_init_kwargs: {dtype: bfloat16}"])
def test_what_has_another_form_here_is_an_error_that_says_which(tmp_path: Path, setting: str) -> None:
    found = only(check_overlay(tmp_path, f"training:\n  algorithm: gkd\n  {setting}\n"), "R207")
    assert found.severity == "error"
    assert found.hint


@pytest.mark.parametrize("setting", ["teacher_model: a/b", "teacher_offload: true", "kd_coef: 0.4"])
def test_a_teacher_without_distillation_is_an_error(tmp_path: Path, setting: str) -> None:
    found = only(check_overlay(tmp_path, f"training:\n  algorithm: sft\n  {setting}\n"), "R208")
    assert found.severity == "error"
    assert "distill" in found.message


@pytest.mark.parametrize("setting", ["temperature: 0.7", "top_p: 0.9", "beta: 0.1", "scale_rewards: none"])
def test_minillm_takes_nothing_that_would_bend_what_it_samples_from(tmp_path: Path, setting: str) -> None:
    assert "R208" in codes(check_overlay(tmp_path, f"training:\n  algorithm: minillm\n  {setting}\n"))


@pytest.mark.parametrize("name", ["kd", "distillation"])
def test_other_names_of_distillation_say_which_one_is_meant(tmp_path: Path, name: str) -> None:
    text = DISTILL.format(student="builtin/tiny-chat", teacher="a/b").replace(
        "algorithm: distill", f"algorithm: {name}"
    )
    assert "gkd" in only(check_text(tmp_path, text), "R204").message


def test_an_evaluation_batch_must_hold_whole_groups_too(tmp_path: Path) -> None:
    text = """
data:
  eval_holdout: 8
training:
  algorithm: online_dpo
  num_generations: 4
  per_device_train_batch_size: 8
  per_device_eval_batch_size: 6
  eval_strategy: steps
  eval_steps: 5
"""
    assert "per_device_eval_batch_size: 8" in str(only(check_overlay(tmp_path, text), "L393").hint)
