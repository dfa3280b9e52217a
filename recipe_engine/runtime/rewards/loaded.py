"""Models that rewards load for themselves: whole on every process, for scoring alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import PartialState
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.integrations import deepspeed

from recipe_engine.data.location import locate
from recipe_engine.recipe.rewards.models import PrmReward, RewardModelReward
from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.context import RewardContext

Settings = RewardModelReward | PrmReward


def load_scorer(settings: Settings, run: RewardContext, auto_class: Any, **arguments: Any) -> Any:
    """A model on the run's device, in evaluation mode, without gradients.

    Raises:
        RunError: it cannot be loaded, or weights that it needs are not in its files.
    """
    source = _source(settings)
    with _not_sharded():
        try:
            model, told = auto_class.from_pretrained(
                source,
                revision=settings.revision,
                trust_remote_code=False,  # unsaid, it would be asked for in a terminal
                dtype=getattr(torch, settings.torch_dtype),
                output_loading_info=True,
                **arguments,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise RunError(f"reward {settings.label}: {source} cannot be loaded: {_first_line(error)}") from error
    if told["missing_keys"]:
        missing = ", ".join(sorted(told["missing_keys"])[:5])
        raise RunError(
            f"reward {settings.label}: {source} lacks weights, which would be random: {missing}",
            hint="a reward model is a sequence classifier with a trained head, a process reward model a language model",
        )
    device = torch.device("cpu") if run.gpus == 0 else PartialState().device
    return model.to(device).eval().requires_grad_(False)


def load_its_tokenizer(settings: Settings, **arguments: Any) -> PreTrainedTokenizerBase:
    """The model's own tokenizer.

    Raises:
        RunError: it cannot be loaded, or has nothing to pad with.
    """
    source = _source(settings)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source, revision=settings.revision, padding_side="right", trust_remote_code=False, **arguments
        )
    except (OSError, ValueError, ImportError) as error:
        raise RunError(
            f"reward {settings.label}: the tokenizer of {source} cannot be loaded: {_first_line(error)}"
        ) from error
    # Rows are cut here, so a long one is no reason for the library's warning.
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def padded(rows: list[list[int]], device: torch.device, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of token ids as a tensor that is padded on the right, and its attention mask, both of shape (B, T)."""
    longest = max(len(ids) for ids in rows)
    ids = torch.full((len(rows), longest), pad, dtype=torch.long, device=device)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row, device=device)
        mask[place, : len(row)] = 1
    return ids, mask


def _source(settings: Settings) -> str:
    location = locate(settings.model)
    if location.kind == "builtin":
        try:
            return str(builtin_model.ensure(settings.model))
        except builtin_model.UnknownBuiltinModelError as error:
            raise RunError(f"reward {settings.label}: {error}") from error
    if location.kind == "remote":
        hint = "copy it to this machine, and name the folder"
        raise RunError(f"reward {settings.label}: {settings.model}: reward models are not read from buckets", hint)
    return settings.model


@contextmanager
def _not_sharded() -> Iterator[None]:
    """Loading that leaves the training's sharding aside.

    While ZeRO-3 is configured, transformers parts the weights of whatever it loads between the processes; under FSDP
    it fills them in the first process alone. Nothing would ever gather those of a reward's model.
    """
    told = deepspeed._hf_deepspeed_config_weak_ref
    fsdp = os.environ.pop("FSDP_CPU_RAM_EFFICIENT_LOADING", None)
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = told
        if fsdp is not None:
            os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = fsdp


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
