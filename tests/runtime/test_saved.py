from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.saved import check_saved

Q = "model.layers.0.self_attn.q_proj.weight"


@pytest.fixture
def folder(tiny_chat: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_chat, tmp_path / "saved"))


@pytest.fixture(scope="module")
def model(tiny_chat: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_chat)


def changed(folder: Path, file: str, **tensors: torch.Tensor | None) -> None:
    held = load_file(folder / file)
    for name, tensor in tensors.items():
        held.pop(name)
        if tensor is not None:
            held[name] = tensor
    save_file(held, folder / file, metadata={"format": "pt"})


def test_a_whole_model_passes(folder: Path, model: Any) -> None:
    check_saved(folder, model)


def test_weights_that_were_not_saved_are_missed(folder: Path, model: Any) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(RunError, match="no weights were saved in"):
        check_saved(folder, model)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.empty(0), "holds nothing of model.layers.0"),  # what a process has of a weight that others share
        (torch.zeros(3, 3), "does not load"),
        (None, "has missing_keys"),
    ],
)
def test_a_tensor_that_is_empty_misshapen_or_missing_is_found(
    tensor: torch.Tensor | None, message: str, folder: Path, model: Any
) -> None:
    changed(folder, "model.safetensors", **{Q: tensor})
    with pytest.raises(RunError, match=message):
        check_saved(folder, model)


def test_a_file_that_was_cut_off_is_found(folder: Path, model: Any) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(RunError, match="cannot be read"):
        check_saved(folder, model)


def test_a_part_that_the_index_names_must_be_there(folder: Path, model: Any) -> None:
    index = {"weight_map": {Q: "a", "another": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(RunError, match="lacks another, which"):
        check_saved(folder, model)


def test_adapters_are_held_against_those_that_were_trained(tiny_chat: Path, tmp_path: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(tiny_chat)
    adapted = get_peft_model(plain, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    adapted.save_pretrained(tmp_path)
    check_saved(tmp_path, adapted)
    changed(tmp_path, "adapter_model.safetensors", **{f"base_model.model.{Q[:-7]}.lora_A.weight": None})
    with pytest.raises(RunError, match=r"should hold base_model.model.*q_proj.lora_A.weight of shape \(2, 128\)"):
        check_saved(tmp_path, adapted)
