"""What each optimizer keeps of a trained weight, by the names of transformers' ``optim``."""

from __future__ import annotations

_BLOCK = 256
"""Values that share one float32 scale in bitsandbytes' 8-bit states (arXiv 2110.02861)."""
_EIGHT_BIT = 1 + 4 / _BLOCK
"""Bytes of one state of one weight in 8 bits, with its share of the scale."""

_STATES = {"ademamix": 3, "lion": 1, "rmsprop": 1, "adagrad": 1, "sgd": 0, "adafactor": 0, "stable_adamw": 2}
"""States of a weight; 2 where an optimizer is not named: AdamW's two moments (arXiv 1711.05101)."""
_SMALL = 0.01
"""Bytes a weight of adafactor's sums of rows and columns (arXiv 1804.04235)."""


def state_bytes(optim: str, width: int) -> float:
    """Bytes of optimizer state of one trained weight that is ``width`` bytes wide.

    PyTorch's optimizers keep each state in the type of the weight.
    """
    family = next((name for name in _STATES if name in optim), "adamw")
    states = _STATES.get(family, 2)
    if family == "adafactor":
        return _SMALL
    if is_8bit(optim):
        return states * _EIGHT_BIT
    if "4bit" in optim:
        return states * (0.5 + 4 / 128)
    return float(states * width)


def is_8bit(optim: str) -> bool:
    """Whether the states are held in 8 bits. ``adamw_bnb_8bit`` and ``adamw_8bit`` are one."""
    return "8bit" in optim


def is_paged(optim: str) -> bool:
    """Whether states lie in memory that the GPU pages in from the host (bitsandbytes)."""
    return optim.startswith("paged_")


def is_bitsandbytes(optim: str) -> bool:
    """Whether bitsandbytes brings the optimizer: it knows nothing of sharded tensors."""
    return is_paged(optim) or (is_8bit(optim) and "torch" not in optim) or optim in {"ademamix", "rmsprop_bnb"}
