"""PPO's critic: a language model's body with a head of one number, from the policy, a reward model or a critic."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, AutoTokenizer
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.utils import logging

from recipe_engine.runtime.trainers.companion import Companion


def load_critic(policy: str, settings: Any, model_arguments: dict[str, Any], tokenizer: Any) -> Companion:
    """The critic at the start of training.

    Raises:
        ValueError: what ``critic_init`` names reads other tokens than the policy, or has no head of one number.
    """
    source: str | None = settings.critic_init
    arguments = dict(model_arguments)
    if source is not None:
        arguments.pop("revision", None)  # of the policy
        arguments["trust_remote_code"] = False  # which was allowed for the policy's repository, at its revision
        _demand_tokenizer(source, tokenizer)
    path = source or policy
    with _quiet():  # what is missing is looked at below
        model, found = AutoModelForTokenClassification.from_pretrained(
            path, num_labels=1, output_loading_info=True, **arguments
        )
    missing = sorted(name for name in found["missing_keys"] if name.startswith("score."))
    if source is not None and "score.weight" in missing:
        raise ValueError(f"training.critic_init: {source} has no head `score` of one number: it is no reward model")
    others = sorted(set(found["missing_keys"]) - set(missing))
    if others:
        raise ValueError(f"training.critic_init: {path} lacks {', '.join(others[:3])}: a critic needs all of its body")
    head = dict(model.named_parameters())
    _make_zero([head[name] for name in missing])
    if settings.critic_trained == "head":
        model.requires_grad_(False)
        model.score.requires_grad_(True)
    return Companion(model, values_of)


def values_of(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """The value of the state in which each token but the first is chosen: it is read at the token before."""
    logits: Tensor = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    return logits[:, :-1, 0]


@contextmanager
def _quiet() -> Iterator[None]:
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _make_zero(parameters: Iterable[nn.Parameter]) -> None:
    """A head of zeros, so that the first advantages are the rewards and not the noise of a random head."""
    for parameter in parameters:
        with torch.no_grad(), _whole(parameter):
            parameter.zero_()


def _whole(parameter: nn.Parameter) -> AbstractContextManager[Any]:
    """A parameter that DeepSpeed has cut up, put together while this lasts."""
    if not is_deepspeed_zero3_enabled():
        return nullcontext()
    gathered: Any = import_module("deepspeed").zero.GatheredParameters
    whole: AbstractContextManager[Any] = gathered([parameter], modifier_rank=0)
    return whole


def _demand_tokenizer(source: str, tokenizer: Any) -> None:
    """The critic is given the policy's token ids, so they must mean the same to it."""
    if os.path.isdir(source) and not os.path.isfile(os.path.join(source, "tokenizer_config.json")):
        raise ValueError(f"training.critic_init: {source} holds no tokenizer, so that its tokens cannot be compared")
    theirs = AutoTokenizer.from_pretrained(source, trust_remote_code=False).get_vocab()
    ours = tokenizer.get_vocab()
    if theirs != ours:
        raise ValueError(
            f"training.critic_init: {source} has another tokenizer ({len(theirs)} tokens, the policy {len(ours)}): "
            "a critic must read the policy's tokens"
        )
