"""The teacher: its vocabulary is compared before any model is loaded, and it can live in the CPU's memory."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipe_engine.data.errors import DataError
from recipe_engine.runtime import teacher as module
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.teacher import Teacher, TeacherSource, demand_same_vocabulary
from recipe_engine.runtime.worker import train
from tests.runtime.support import Row, assistant, compiled, logged, user, write_rows

CHAT = [{"messages": [user(f"Say {n}"), assistant(f"{n}")]} for n in range(8)]
PROMPTS = [{"prompt": [user(f"Say {n}")]} for n in range(8)]
COMPLETED = [{"prompt": f"Say {n}:", "completion": f" {n}"} for n in range(8)]


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""

    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", load)
    monkeypatch.setattr("trl.trainer.sft_trainer.create_model_from_path", load)
    monkeypatch.setattr("trl.trainer.grpo_trainer.create_model_from_path", load)


def other_tokenizer(tiny_chat: Path, folder: Path) -> str:
    """A teacher whose tokenizer has two ids swapped, and one token more."""
    AutoTokenizer.from_pretrained(tiny_chat).save_pretrained(folder)
    (folder / "config.json").write_bytes((tiny_chat / "config.json").read_bytes())
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary["1"], vocabulary["2"] = vocabulary["2"], vocabulary["1"]
    file.write_text(json.dumps(content), encoding="utf-8")
    return str(folder)


def run_of(folder: Path, algorithm: str, rows: list[Row], **training: Any) -> Any:
    entry = {"name": write_rows(folder / "rows.jsonl", rows)}
    room = {"max_length": 64, "max_prompt_length": 32}
    settings = {"teacher_model": "builtin/tiny-chat", "max_steps": 1, "per_device_train_batch_size": 4, **training}
    return compiled(folder, algorithm, entry, data=room, training=settings)


class TestVocabulary:
    STUDENT: ClassVar = {"a": 0, "b": 1, "c": 2, "d": 3}

    def test_the_same_one_is_accepted(self) -> None:
        demand_same_vocabulary(self.STUDENT, dict(self.STUDENT), "teacher")

    @pytest.mark.parametrize(
        ("teacher", "said"),
        [
            ({"a": 0, "b": 2, "c": 1, "d": 3}, "2 tokens have another id, such as 'b' (1 and 2)"),
            ({"a": 0, "b": 1}, "the teacher lacks 2, such as 'c'"),
            ({"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}, "the student lacks 1, such as 'e'"),
        ],
    )
    def test_another_one_is_refused_with_what_differs(self, teacher: dict[str, int], said: str) -> None:
        with pytest.raises(RunError) as caught:
            demand_same_vocabulary(self.STUDENT, teacher, "my/teacher")
        assert "my/teacher" in str(caught.value)
        assert said in str(caught.value)
        assert "model.tokenizer_name" in str(caught.value.hint)

    @pytest.mark.usefixtures("no_model")
    def test_it_is_compared_before_a_model_is_loaded(self, tmp_path: Path, tiny_chat: Path) -> None:
        teacher = other_tokenizer(tiny_chat, tmp_path / "teacher")
        with pytest.raises(RunError, match="2 tokens have another id"):
            train(run_of(tmp_path, "distill", CHAT, teacher_model=teacher))


@pytest.mark.usefixtures("no_model")
class TestWhatIsSaidBeforeAModelIsLoaded:
    def test_a_teacher_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"training\.teacher_model: .*nowhere holds no model"):
            train(run_of(tmp_path, "distill", CHAT, teacher_model=str(tmp_path / "nowhere")))

    @pytest.mark.parametrize(
        ("algorithm", "settings"), [("gkd", {"lmbda": 0.5}), ("minillm", {"pt_coef": 0.1})], ids=["gkd", "minillm"]
    )
    def test_prompts_without_the_completions_that_are_trained_on(
        self, tmp_path: Path, algorithm: str, settings: Row
    ) -> None:
        with pytest.raises(RunError, match="these rows are prompts alone"):
            train(run_of(tmp_path, algorithm, PROMPTS, **settings))

    def test_rows_of_two_kinds(self, tmp_path: Path) -> None:
        names = [write_rows(tmp_path / f"{n}.jsonl", rows) for n, rows in enumerate((PROMPTS, COMPLETED))]
        training = {"teacher_model": "builtin/tiny-chat", "lmbda": 1.0}
        run = compiled(tmp_path, "gkd", [{"name": name} for name in names], data={"max_length": 64}, training=training)
        with pytest.raises(RunError, match=r"some rows are prompts alone and others have completions"):
            train(run)

    def test_rows_of_the_wrong_format(self, tmp_path: Path) -> None:
        with pytest.raises(DataError) as caught:
            train(run_of(tmp_path, "gkd", [{"text": "only text"}]))
        assert caught.value.code == "D404"


def test_vllm_cannot_mix_the_teacher_into_its_tokens(tmp_path: Path) -> None:
    run = run_of(tmp_path, "minillm", PROMPTS)
    run.arguments["use_vllm"] = True
    with pytest.raises(RunError, match="teacher_mixed_alpha mixes two models token by token"):
        train(run)


def test_pairs_that_would_be_split_over_devices_are_refused(tmp_path: Path) -> None:
    entry = {"name": write_rows(tmp_path / "rows.jsonl", PROMPTS)}
    training = {"num_generations": 4, "per_device_train_batch_size": 8}
    run = compiled(tmp_path, "online_dpo", entry, training=training, rewards=[{"type": "length", "max": 2}])
    run.arguments["per_device_train_batch_size"] = 2
    run.arguments["gradient_accumulation_steps"] = 2
    with pytest.raises(RunError, match="both completions of a pair must be on one device"):
        train(run)


def places(teacher: Teacher) -> dict[str, int]:
    """Where in memory every weight and buffer is."""
    plain = teacher.plain
    return {name: one.data_ptr() for name, one in [*plain.named_parameters(), *plain.named_buffers()]}


class TestOffload:
    def teacher(self, tiny_chat: Path, monkeypatch: pytest.MonkeyPatch, *, offload: bool) -> Teacher:
        accelerator = SimpleNamespace(
            device=torch.device("cpu"), unwrap_model=lambda model: model, prepare_model=lambda model, **_: model
        )
        # Without a GPU, a copy on the same device stands for one on another.
        monkeypatch.setattr(Teacher, "_copied", lambda self, tensor: tensor.clone())
        trainer = SimpleNamespace(accelerator=accelerator, is_deepspeed_enabled=False, is_fsdp_enabled=False)
        return Teacher(TeacherSource(str(tiny_chat), {}, offload), trainer)

    def test_it_is_on_the_device_while_it_is_present_and_at_home_after(
        self, tiny_chat: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        teacher = self.teacher(tiny_chat, monkeypatch, offload=True)
        before = places(teacher)
        with teacher.present():
            there = places(teacher)
            assert there.keys() == before.keys()
            assert not set(there.values()) & set(before.values())
            embedding, head = teacher.plain.get_input_embeddings(), teacher.plain.get_output_embeddings()
            assert embedding.weight is head.weight
        assert places(teacher) == before

    def test_it_comes_home_from_an_error_too(self, tiny_chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        teacher = self.teacher(tiny_chat, monkeypatch, offload=True)
        before = places(teacher)
        with pytest.raises(KeyError), teacher.present():
            raise KeyError
        assert places(teacher) == before

    def test_zero_3_has_a_way_of_its_own(self, tiny_chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "is_deepspeed_zero3_enabled", lambda: True)
        with pytest.raises(RunError, match="ZeRO stage 3"):
            self.teacher(tiny_chat, monkeypatch, offload=True)

    def test_on_the_cpu_it_changes_nothing(self, tmp_path: Path) -> None:
        run = run_of(tmp_path, "distill", CHAT, teacher_offload=True)
        assert not train(run).teacher.offload


@pytest.mark.parametrize(
    ("algorithm", "rows", "names"),
    [
        ("distill", CHAT, {"kl", "ce_loss", "kd_loss", "mean_token_accuracy"}),
        ("gkd", COMPLETED, {"kl/forward", "kl/reverse", "on_policy"}),
        ("minillm", PROMPTS, {"kl/reverse", "return", "importance_weight", "clip_ratio"}),
    ],
)
def test_what_is_logged(tmp_path: Path, algorithm: str, rows: list[Row], names: set[str]) -> None:
    run = run_of(tmp_path, algorithm, rows)
    train(run)
    assert all(logged(run, name) for name in names)
    assert not logged(run, "reward")


def test_an_adapter_is_distilled_into(tmp_path: Path) -> None:
    entry = {"name": write_rows(tmp_path / "rows.jsonl", CHAT)}
    training = {"teacher_model": "builtin/tiny-chat", "max_steps": 2, "kd_coef": 0.5, "learning_rate": 1e-3}
    run = compiled(tmp_path, "distill", entry, model_settings={"use_lora": True}, training=training)
    trainer = train(run)
    changed = [p for name, p in trainer.model.named_parameters() if "lora_B" in name]
    assert changed
    assert all(parameter.abs().sum() > 0 for parameter in changed)
