"""Scores of whole sequences, as a reward model gives them: read at the last token that is attended to."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

HEAD = "score"
"""Name of the head that transformers' decoders have for sequence classification."""


def last_attended_scores(model: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """One score a row, shape (B,), with its gradient, from the logits at the last attended token of each row.

    transformers reads a decoder's score at the last token that is not the pad token. Where padding is done with the
    end-of-sequence token, as is usual, that is the token before the end, which no one trained. The mask knows better.

    ``model`` is a sequence classifier of one label, or a wrapper around it (PEFT, DDP, DeepSpeed, FSDP), whose forward
    runs as ever. Padding may stand on either side. A model without a head for each token (an encoder that pools its
    first token) is not read by position: its own score is returned.

    Args:
        input_ids: Tokens, shape (B, T).
        attention_mask: 1 where a token counts and 0 for padding, shape (B, T).

    Raises:
        ValueError: the model gives more than one number a row, or a row has no attended token.
    """
    if not attention_mask.any(dim=1).all():
        raise ValueError("a row without a token has no score")
    inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}
    head = head_of(model)
    if head is None:
        del inputs["use_cache"]
        return _single(model(**inputs).logits).squeeze(-1)
    inner = _innermost(model)
    if not attention_mask[:, 0].all() and "position_ids" in inspect.signature(inner.forward).parameters:
        # Else a model with absolute positions would read a row that is padded on the left as one that starts later.
        inputs["position_ids"] = (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)
    of_each_token: list[Tensor] = []
    hook = head.register_forward_hook(lambda _module, _arguments, logits: of_each_token.append(logits))
    try:
        model(**inputs)
    finally:
        hook.remove()
    logits = _single(of_each_token[-1]).squeeze(-1)
    positions = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    last = (positions * attention_mask.long()).argmax(dim=1)
    return logits.gather(1, last.to(logits.device)[:, None]).squeeze(1)


def head_of(model: nn.Module) -> nn.Module | None:
    """The module that gives a score for each token, with what wraps it; none where the model has none."""
    named = [(name, module) for name, module in model.named_modules() if name.rpartition(".")[2] == HEAD]
    return min(named, key=lambda item: item[0].count("."))[1] if named else None


def _innermost(model: nn.Module) -> nn.Module:
    """The classifier itself: the module whose direct child the head is."""
    return next(module for module in model.modules() if HEAD in dict(module.named_children()))


def _single(logits: Tensor) -> Tensor:
    if logits.shape[-1] != 1:
        raise ValueError(f"the model gives {logits.shape[-1]} numbers a row; a reward model gives one")
    return logits
