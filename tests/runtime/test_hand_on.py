"""What a pipeline's next stage is given: whole models, checked to load. Adapters are merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.hand_on import hand_on
from recipe_engine.runtime.worker import train
from tests.runtime.support import compiled


def trained(folder: Path, whole: Path, **blocks: object) -> CompiledRun:
    training = {"max_steps": 1, "per_device_train_batch_size": 4, "learning_rate": 1e-2}
    run = compiled(folder, "sft", {"name": "builtin/conversations"}, training=training, **blocks)
    run = run.model_copy(update={"hands_on_to": str(whole)})
    train(run)
    return run


def test_an_adapter_is_merged_and_the_whole_model_says_what_the_adapter_said(tmp_path: Path) -> None:
    whole = tmp_path / "merged"
    run = trained(tmp_path, whole, model_settings={"use_lora": True, "lora_r": 4})
    assert Path(run.run_dir, "handed_on").is_file()
    merged = AutoModelForCausalLM.from_pretrained(whole)
    base = AutoModelForCausalLM.from_pretrained(base_of(run))
    adapted = PeftModel.from_pretrained(base, run.output_dir)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        base_logits = AutoModelForCausalLM.from_pretrained(base_of(run))(ids).logits
        assert torch.allclose(merged(ids).logits, adapted(ids).logits, atol=1e-4)
        assert not torch.allclose(merged(ids).logits, base_logits, atol=1e-4)
    assert not (whole / "adapter_config.json").exists()
    assert (whole / "tokenizer_config.json").is_file()


def base_of(run: CompiledRun) -> str:
    settings = json.loads(Path(run.output_dir, "adapter_config.json").read_text(encoding="utf-8"))
    return str(settings["base_model_name_or_path"])


def test_a_model_that_lacks_weights_or_holds_none_is_not_handed_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = trained(tmp_path, out)
    weights = load_file(out / "model.safetensors")
    name = next(iter(weights))
    for change, message in (
        ({key: value for key, value in weights.items() if key != name}, "lacks weights"),
        ({**weights, name: torch.full_like(weights[name], float("nan"))}, "no numbers"),
    ):
        Path(run.run_dir, "handed_on").unlink(missing_ok=True)
        save_file(change, out / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(RunError, match=message):
            hand_on(run, out, print)
        assert not Path(run.run_dir, "handed_on").exists()
