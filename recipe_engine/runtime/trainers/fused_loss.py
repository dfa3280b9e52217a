"""A loss on the logits of two models, summed over tokens without ever holding the logits of all of them.

A vocabulary of 150,000 makes 600 kB of logits a token in float32, so that two models' logits for a batch of 16,000
tokens would be 20 GB, and their gradients again. Here the last hidden states are projected a few hundred tokens at a
time, and the gradient with respect to them and to the head is worked out at once, so no logits outlive their chunk.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor
from torch.distributed.tensor import DTensor
from trl.trainer.utils import maybe_gather_lm_head_ctx

from recipe_engine.runtime.trainers.token_losses import TokenLoss

CHUNK_ELEMENTS = 2**26
"""Logits of one model held at a time: 256 MiB in float32."""


class Head(NamedTuple):
    """How a model makes logits of its last hidden states."""

    weight: Tensor
    """(V, H)"""
    bias: Tensor | None
    scale: float
    softcap: float | None

    def logits(self, projected: Tensor) -> Tensor:
        """Logits of hidden states times the weight, at least in float32."""
        projected = projected if projected.dtype == torch.float64 else projected.float()
        if self.scale != 1:
            projected = projected * self.scale
        return projected if self.softcap is None else self.softcap * torch.tanh(projected / self.softcap)


class Read(NamedTuple):
    """The last hidden states of some tokens, (N, H), and the head that makes logits of them."""

    hidden: Tensor
    head: Head


def head_of(model: Any) -> Head:
    """The head of a causal language model, with what its architecture does to the logits afterwards."""
    layer = model.get_output_embeddings()
    config = model.config.get_text_config()
    return Head(
        _whole(layer.weight), _whole(layer.bias), _scale(config), getattr(config, "final_logit_softcapping", None)
    )


def last_hidden_states(model: Any, inputs: dict[str, Any]) -> Tensor:
    """(B, T, H): the backbone's last hidden states, adapters included."""
    backbone = (model.get_base_model() if isinstance(model, PeftModel) else model).base_model
    states: Tensor = backbone(**inputs, use_cache=False).last_hidden_state
    return states


def summed(
    loss: TokenLoss, student: Read, teacher: Read, columns: tuple[Tensor, ...], chunk: int | None = None
) -> tuple[Tensor, Tensor]:
    """The sum of a loss over tokens, and what it measures of each, (N, M).

    Gradients reach the student's hidden states and head. ``columns`` are tensors of length N that the loss reads;
    ``chunk`` is how many tokens are projected at a time.
    """
    size = chunk or max(CHUNK_ELEMENTS // max(student.head.weight.shape[0], teacher.head.weight.shape[0]), 1)
    heads = [tensor for read in (student, teacher) for tensor in (read.head.weight, read.head.bias)]
    with maybe_gather_lm_head_ctx(*heads):
        wanted = torch.is_grad_enabled()
        total, measured = _Summed.apply(
            student.hidden, student.head.weight, student.head.bias, student.head, teacher, loss, columns, size, wanted
        )
    return total, measured


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        head: Head,
        teacher: Read,
        loss: TokenLoss,
        columns: tuple[Tensor, ...],
        chunk: int,
        wanted: bool,
    ) -> tuple[Tensor, Tensor]:
        device, dtype = hidden.device.type, _computed_in(hidden)
        needed = [wanted and needs for needs in ctx.needs_input_grad[:3]]
        gradients = [
            torch.zeros_like(one) if need else None for one, need in zip((hidden, weight, bias), needed, strict=True)
        ]
        total, measured = hidden.new_zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32)), []
        with torch.autocast(device, enabled=False):
            matrix, taught = weight.to(dtype), teacher.head.weight.to(_computed_in(teacher.hidden))
            for start in range(0, max(len(hidden), 1), chunk):
                part = slice(start, start + chunk)
                states = hidden[part].to(dtype)
                projected = _projected(states, matrix, bias)
                target = teacher.head.logits(
                    _projected(teacher.hidden[part].to(taught.dtype), taught, teacher.head.bias)
                )
                with torch.set_grad_enabled(any(needed)):
                    projected.requires_grad_(any(needed))
                    values, known = loss(head.logits(projected), target, *(column[part] for column in columns))
                    subtotal = values.sum()
                total += subtotal.detach()
                measured.append(known)
                if any(needed):
                    (slope,) = torch.autograd.grad(subtotal, projected)
                    _add(gradients, part, slope, states, matrix)
        ctx.save_for_backward(*gradients)
        together = torch.cat(measured)
        ctx.mark_non_differentiable(together)
        return total, together

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> Any:
        gradients = [None if one is None else one * slope.to(one.dtype) for one in ctx.saved_tensors]
        return (*gradients, *[None] * 6)


def _add(gradients: list[Tensor | None], part: slice, slope: Tensor, states: Tensor, matrix: Tensor) -> None:
    """Add one chunk's gradients to those of hidden states, weight and bias."""
    hidden, weight, bias = gradients
    if hidden is not None:
        hidden[part] = (slope @ matrix).to(hidden.dtype)
    if weight is not None:
        weight += slope.T @ states
    if bias is not None:
        bias += slope.sum(0)


def _projected(states: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    projected = states @ matrix.T
    return projected if bias is None else projected + bias.to(projected.dtype)


def _computed_in(hidden: Tensor) -> torch.dtype:
    """The type in which mixed precision projects: autocast's where it is on, and float64 stays what it is."""
    device = hidden.device.type
    if hidden.dtype != torch.float64 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return hidden.dtype


def _whole(parameter: Tensor | None) -> Any:
    """Under FSDP2 a parameter is spread over processes: all of it, gathered once."""
    return parameter.full_tensor() if isinstance(parameter, DTensor) else parameter


def _scale(config: Any) -> float:
    """The factor on the logits: each architecture that has one has its own name for it."""
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if getattr(config, name, None) is not None:
            return float(getattr(config, name))
    divisor = getattr(config, "logits_scaling", None)
    if divisor is None:
        return 1.0
    return float(divisor) if config.model_type == "hyperclovax" else 1 / float(divisor)
