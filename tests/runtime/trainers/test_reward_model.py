"""What becomes of a reward model's head when training starts from a checkpoint, and what is saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.worker import train
from tests.runtime.support import Row, assistant, compiled, logged, user, write_rows

ROWS = [
    {"prompt": [user(f"Reverse: {n}")], "chosen": [assistant(f"{n}"[::-1])], "rejected": [assistant(f"{n}")]}
    for n in (123, 456, 789, 321)
]


@pytest.fixture(scope="module")
def judge() -> Path:
    return builtin_model.ensure("builtin/tiny-reward")


def changed(source: Path, folder: Path, **config: Any) -> Path:
    """A copy of the judge with its head under OpenRLHF's name."""
    shutil.copytree(source, folder)
    weights = load_file(folder / "model.safetensors")
    weights["value_head.weight"] = weights.pop("score.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**known, **config}), encoding="utf-8")
    return folder


def run_on(folder: Path, model: str, training: Row | None = None, **blocks: Any) -> Any:
    rows = {"name": write_rows(folder / "rows.jsonl", ROWS)}
    settings = {"max_steps": 1, "per_device_train_batch_size": 4, "learning_rate": 1e-12, **(training or {})}
    return compiled(folder, "reward_model", rows, model=model, training=settings, **blocks)


def test_a_reward_model_is_trained_on_with_the_head_it_has(
    judge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_on(tmp_path, "builtin/tiny-reward")
    train(run)
    assert "reward head: new" not in capsys.readouterr().out
    saved, before = (
        load_file(folder / "model.safetensors")["score.weight"] for folder in (Path(run.output_dir), judge)
    )
    assert torch.allclose(saved, before, atol=1e-6)
    assert logged(run, "accuracy")[0] > 0.5


def test_a_language_model_gets_a_new_head_and_the_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_on(tmp_path, "builtin/tiny-chat")
    train(run)
    assert "reward head: new, 128 random weights" in capsys.readouterr().out
    saved = AutoModelForSequenceClassification.from_pretrained(run.output_dir)
    assert saved.config.num_labels == 1
    assert (Path(run.output_dir) / "chat_template.jinja").is_file()


def test_openrlhfs_head_is_loaded_by_its_name_and_saved_as_score(judge: Path, tmp_path: Path) -> None:
    theirs = changed(judge, tmp_path / "theirs")
    run = run_on(tmp_path, str(theirs), {"value_head_prefix": "value_head"})
    train(run)
    saved = load_file(Path(run.output_dir) / "model.safetensors")
    assert "value_head.weight" not in saved
    assert torch.allclose(
        saved["score.weight"], load_file(theirs / "model.safetensors")["value_head.weight"], atol=1e-6
    )


def test_a_head_under_another_name_is_an_error_that_names_it(judge: Path, tmp_path: Path) -> None:
    theirs = changed(judge, tmp_path / "theirs", architectures=["Qwen3ForCausalLM"])
    with pytest.raises(RunError, match=r"value_head\.weight") as caught:
        train(run_on(tmp_path, str(theirs)))
    assert caught.value.hint is not None
    assert "training.value_head_prefix: value_head" in caught.value.hint


def test_a_prefix_that_the_checkpoint_does_not_have_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no weights named v_head"):
        train(run_on(tmp_path, "builtin/tiny-chat", {"value_head_prefix": "v_head"}))


def test_a_classifier_that_lost_its_head_is_an_error(judge: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(judge, broken)
    weights = load_file(broken / "model.safetensors")
    del weights["score.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match="no weights of a head"):
        train(run_on(tmp_path, str(broken)))


def test_a_head_of_several_numbers_is_an_error(judge: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide"
    shutil.copytree(judge, wide)
    weights = load_file(wide / "model.safetensors")
    save_file({**weights, "score.weight": torch.zeros(3, 128)}, wide / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match="another shape"):
        train(run_on(tmp_path, str(wide)))


def test_an_adapter_brings_its_head_along(tmp_path: Path) -> None:
    run = run_on(tmp_path, "builtin/tiny-chat", model_settings={"use_lora": True})
    train(run)
    saved = load_file(Path(run.output_dir) / "adapter_model.safetensors")
    assert any(name.endswith("score.weight") for name in saved)
