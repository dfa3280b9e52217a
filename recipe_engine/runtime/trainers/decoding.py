"""Sampling with other settings for a while: those of evaluation, or greedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import GenerationConfig

NAMES = ("temperature", "top_p", "top_k")


@contextmanager
def sampling(trainer: Any, **settings: float | None) -> Iterator[None]:
    """Let a GRPO trainer sample with another ``temperature`` (0: greedily), ``top_p`` or ``top_k``; none: as it is.

    The log-probabilities of the loss keep the temperature of training: they are of the policy that is trained.
    """
    given = {name: settings[name] for name in NAMES if settings.get(name) is not None}
    if not given:
        yield
    elif trainer.use_vllm:
        with _attributes(trainer.vllm_generation, **given):
            yield
    else:
        # A greedy decoder warns of settings that only sampling reads.
        greedy = given.get("temperature") == 0
        changed = {"do_sample": False, **dict.fromkeys(NAMES)} if greedy else given
        kwargs = {**trainer.generation_kwargs, **changed}
        config = GenerationConfig(**kwargs, disable_compile=True)
        with _attributes(trainer, generation_kwargs=kwargs, generation_config=config):
            yield


@contextmanager
def _attributes(target: Any, **values: Any) -> Iterator[None]:
    """Other values of attributes, for a while."""
    kept = {name: getattr(target, name) for name in values}
    for name, value in values.items():
        setattr(target, name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(target, name, value)
