"""The shape of a language model and its number of weights, from its ``config.json`` alone: without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXACT = frozenset(
    {"llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"}
    | {"gemma", "gemma2", "gemma3_text", "phi", "phi3"}
)
"""Values of ``model_type`` whose weights are counted exactly. Others are counted as a llama of their sizes."""

_TIED = frozenset({"gemma", "gemma2", "gemma3_text"})
"""Architectures that share input and output embeddings unless their config says otherwise, as transformers has it."""
_FOUR_NORMS = frozenset({"gemma2", "gemma3_text"})
_NORMED_HEADS = frozenset({"qwen3", "qwen3_moe", "gemma3_text"})


class UnknownShapeError(ValueError):
    """A configuration lacks a size, or is of a model that generates no text token by token."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: ``inputs`` x ``outputs`` weights, and ``outputs`` more where it has a bias."""

    name: str
    inputs: int
    outputs: int
    bias: bool = False

    @property
    def weights(self) -> int:
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)


@dataclass(frozen=True, slots=True)
class Architecture:
    """What memory depends on. Sizes are numbers of elements; ``linears`` are those of one layer."""

    model_type: str
    hidden: int
    layers: int
    vocabulary: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    """Width of what a token passes through in the feed-forward network: of all experts that it is sent to."""
    linears: tuple[Linear, ...]
    dense_layers: int
    """Layers whose feed-forward network has no experts."""
    dense_linears: tuple[Linear, ...]
    """Linear layers of such a layer; in a model without experts these are ``linears``."""
    expert_weights: int
    """Weights of the experts of one layer and of what chooses them, which are no linear layers in transformers 5."""
    experts: int
    """Experts of one layer; 0 where there are none."""
    expert_width: int
    """Width of one expert's feed-forward network."""
    norm_weights: int
    """Weights of one layer's norms."""
    head_weights: int
    """Weights of input and output embeddings and of the last norm."""
    dtype: str | None
    """Type that the weights were saved in, where the configuration says."""

    @property
    def exact(self) -> bool:
        """Whether the weights are counted exactly."""
        return self.model_type in EXACT

    @property
    def layer(self) -> int:
        """Weights of the largest layer."""
        dense = sum(one.weights for one in self.dense_linears)
        return max(dense, sum(one.weights for one in self.linears) + self.expert_weights) + self.norm_weights

    @property
    def parameters(self) -> int:
        """Weights of the whole model."""
        dense = sum(one.weights for one in self.dense_linears)
        sparse = sum(one.weights for one in self.linears) + self.expert_weights
        layers = self.dense_layers * dense + (self.layers - self.dense_layers) * sparse
        return layers + self.layers * self.norm_weights + self.head_weights


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a ``config.json`` describes. Of a model with a part for images, the language part alone.

    Raises:
        UnknownShapeError: a size is missing.
    """
    if isinstance(config.get("text_config"), Mapping):
        config = {**config["text_config"], "dtype": config.get("dtype") or config["text_config"].get("dtype")}
    kind = str(config.get("model_type", ""))
    hidden, layers = _size(config, "hidden_size"), _size(config, "num_hidden_layers")
    vocabulary, heads = _size(config, "vocab_size"), _size(config, "num_attention_heads")
    wide = _size(config, "intermediate_size")
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head_dim = int(config.get("head_dim") or hidden // heads)
    attention = _attention(kind, config, hidden, heads * head_dim, kv_heads * head_dim)
    dense = (*attention, *_feed_forward(kind, config, hidden, wide))
    experts = int(config.get("num_experts") or config.get("num_local_experts") or 0)
    sparse, expert_weights, passed = dense, 0, wide
    narrow = int(config.get("moe_intermediate_size") or wide)
    dense_layers = layers
    if experts:
        shared = int(config.get("shared_expert_intermediate_size") or 0) if kind == "qwen2_moe" else 0
        # The router and the experts are plain weights in transformers 5; a shared expert is made of linear layers.
        sparse = (*attention, *_feed_forward(kind, config, hidden, shared)) if shared else attention
        expert_weights = experts * 3 * hidden * narrow + experts * hidden + (hidden if shared else 0)
        passed = narrow * int(config.get("num_experts_per_tok") or 2) + shared
        dense_layers = _dense_layers(config, layers)
    tied = bool(config.get("tie_word_embeddings", kind in _TIED))
    norm = 2 * hidden if kind == "phi" else hidden
    output = 0 if tied else vocabulary * hidden + (vocabulary if kind == "phi" else 0)
    norms = norm * (1 if kind == "phi" else 4 if kind in _FOUR_NORMS else 2)
    return Architecture(
        model_type=kind,
        hidden=hidden,
        layers=layers,
        vocabulary=vocabulary,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=passed,
        linears=sparse,
        dense_layers=dense_layers,
        dense_linears=dense,
        expert_weights=expert_weights,
        experts=experts,
        expert_width=narrow,
        norm_weights=norms + (2 * head_dim if kind in _NORMED_HEADS else 0),
        head_weights=vocabulary * hidden + output + norm,
        dtype=config.get("dtype") or config.get("torch_dtype"),
    )


def adapter_weights(shape: Architecture, rank: int, targets: str | list[str] | None) -> int:
    """Weights of LoRA adapters (arXiv 2106.09685): rank x (inputs + outputs) for each linear layer that has one.

    ``targets`` are names of layers. None of them, or a regular expression, counts as every linear layer: PEFT then
    adapts each expert too, the two matrices that transformers joins in one with twice the rank, and the router.
    """
    named = set(targets) if isinstance(targets, list) else {targets} if targets else set()
    sparse = shape.layers - shape.dense_layers
    total = 0
    for linears, count in ((shape.dense_linears, shape.dense_layers), (shape.linears, sparse)):
        known = {one.name for one in linears}
        for one in linears:
            if not named & known or one.name in named:
                total += count * rank * (one.inputs + one.outputs)
    if shape.experts and not named & {one.name for one in (*shape.linears, *shape.dense_linears)}:
        if shape.model_type == "qwen2_moe":  # whose experts PEFT 0.21 leaves out; the shared one has a gate of its own
            return total + sparse * rank * (shape.hidden + 1)
        expert = 2 * (shape.hidden + 2 * shape.expert_width) + shape.expert_width + shape.hidden
        total += sparse * rank * (shape.experts * expert + shape.hidden + shape.experts)
    return total


def _attention(kind: str, config: Mapping[str, Any], hidden: int, queries: int, keys: int) -> tuple[Linear, ...]:
    bias = bool(config.get("attention_bias", False))
    of_inputs = bias or kind in {"qwen2", "phi"} or (kind == "qwen2_moe" and bool(config.get("qkv_bias", True)))
    of_output = bias or kind == "phi"
    if kind == "phi3":
        return (Linear("qkv_proj", hidden, queries + 2 * keys), Linear("o_proj", queries, hidden))
    return (
        Linear("q_proj", hidden, queries, of_inputs),
        Linear("k_proj", hidden, keys, of_inputs),
        Linear("v_proj", hidden, keys, of_inputs),
        Linear("dense" if kind == "phi" else "o_proj", queries, hidden, of_output),
    )


def _feed_forward(kind: str, config: Mapping[str, Any], hidden: int, wide: int) -> tuple[Linear, ...]:
    bias = bool(config.get("mlp_bias", False))
    if kind == "phi":
        return (Linear("fc1", hidden, wide, bias=True), Linear("fc2", wide, hidden, bias=True))
    if kind == "phi3":
        return (Linear("gate_up_proj", hidden, 2 * wide), Linear("down_proj", wide, hidden))
    return (
        Linear("gate_proj", hidden, wide, bias),
        Linear("up_proj", hidden, wide, bias),
        Linear("down_proj", wide, hidden, bias),
    )


def _dense_layers(config: Mapping[str, Any], layers: int) -> int:
    """Layers without experts: those that are named, and all but each n-th."""
    named = set(config.get("mlp_only_layers") or ())
    step = int(config.get("decoder_sparse_step") or 1)
    return sum(index in named or (index + 1) % step != 0 for index in range(layers))


def _size(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UnknownShapeError(f"its config.json has no {name}")
    return value
