"""Weights counted from a config.json are those of the model that transformers makes of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from recipe_engine.parallel.architecture import EXACT, UnknownShapeError, adapter_weights, architecture_of

SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 48,
    "intermediate_size": 112,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
EXPERTS = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
CONFIGS: list[dict[str, Any]] = [
    {"model_type": "llama"},
    {"model_type": "llama", "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    {"model_type": "mistral", "head_dim": 16},
    {"model_type": "mixtral", "num_local_experts": 4},
    {"model_type": "qwen2"},
    {"model_type": "qwen2", "tie_word_embeddings": True},
    {"model_type": "qwen2_moe", "num_experts": 4, "shared_expert_intermediate_size": 40, **EXPERTS},
    {"model_type": "qwen3", "head_dim": 16},
    {"model_type": "qwen3_moe", "num_experts": 4, "head_dim": 16, **EXPERTS},
    {"model_type": "qwen3_moe", "num_experts": 4, "decoder_sparse_step": 2, "mlp_only_layers": [1], **EXPERTS},
    {"model_type": "gemma", "head_dim": 16},
    {"model_type": "gemma2", "head_dim": 16},
    {"model_type": "gemma3_text", "head_dim": 16},
    {"model_type": "phi"},
    {"model_type": "phi3"},
]


def made(config: dict[str, Any]) -> Any:
    """The model, without memory for its weights."""
    options = {key: value for key, value in config.items() if key != "model_type"}
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **options))


@pytest.mark.parametrize("given", CONFIGS, ids=lambda given: "-".join(str(value) for value in given.values()))
def test_weights_are_counted_exactly(given: dict[str, Any]) -> None:
    model = made({**SIZES, **given})
    shape = architecture_of(model.config.to_dict())
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())
    assert shape.layer == max(sum(weight.numel() for weight in layer.parameters()) for layer in model.model.layers)


def test_every_architecture_that_is_called_exact_is_compared() -> None:
    assert {given["model_type"] for given in CONFIGS} == EXACT


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"]])
@pytest.mark.parametrize("given", [CONFIGS[n] for n in (0, 3, 6, 8, 13)], ids=lambda given: str(given["model_type"]))
def test_adapters_are_counted_as_peft_makes_them(given: dict[str, Any], targets: str | list[str]) -> None:
    from peft import LoraConfig, get_peft_model

    model = made({**SIZES, **given})
    shape = architecture_of(model.config.to_dict())
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=targets))
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert adapter_weights(shape, 4, targets) == trained


def test_a_model_with_a_part_for_images_counts_by_its_language_part() -> None:
    text = {**SIZES, "model_type": "gemma3_text", "head_dim": 16}
    both = architecture_of({"model_type": "gemma3", "text_config": text, "dtype": "bfloat16"})
    assert (both.parameters, both.dtype) == (architecture_of(text).parameters, "bfloat16")


def test_an_architecture_that_is_not_known_counts_as_a_llama_and_says_so() -> None:
    other = architecture_of({**SIZES, "model_type": "newest"})
    assert (other.parameters, other.exact) == (architecture_of({**SIZES, "model_type": "llama"}).parameters, False)


@pytest.mark.parametrize("missing", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_config_without_a_size_has_no_shape(missing: str) -> None:
    with pytest.raises(UnknownShapeError, match=missing):
        architecture_of({key: value for key, value in SIZES.items() if key != missing})
