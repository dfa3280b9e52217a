"""The reference model of preference optimization: another one than the policy's start, or one kept in host memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AutoTokenizer
from trl.trainer.utils import create_model_from_path

from recipe_engine.algorithms.dpo import DpoSettings


def load_reference(settings: DpoSettings, args: Any, tokenizer: Any, quantization: Any) -> Any | None:
    """The model that the settings name, loaded as the policy is; none where they name none.

    Code that ships with it is not run: ``model.revision`` pins the policy's alone.

    Raises:
        ValueError: its tokenizer is not the policy's, so that its log-probabilities would be those of other tokens.
    """
    name = settings.ref_model_name
    if name is None:
        return None
    _demand_same_tokens(name, settings.ref_model_revision, tokenizer)
    how = {**args.model_init_kwargs, "trust_remote_code": False, "device_map": None}
    how.pop("revision", None)
    if settings.ref_model_revision is not None:
        how["revision"] = settings.ref_model_revision
    if quantization is not None:
        how["quantization_config"] = quantization
    model = create_model_from_path(name, **how)
    rows = model.get_input_embeddings().num_embeddings
    if rows < len(tokenizer):
        raise ValueError(f"ref_model_name: {name} has {rows} embeddings, and the policy's tokenizer {len(tokenizer)}")
    return model


def _demand_same_tokens(name: str, revision: str | None, tokenizer: Any) -> None:
    theirs = AutoTokenizer.from_pretrained(name, revision=revision or "main", trust_remote_code=False).get_vocab()
    ours = tokenizer.get_vocab()
    other = next((token for token, number in ours.items() if theirs.get(token, number) != number), None)
    if other is not None:
        raise ValueError(
            f"ref_model_name: {name} has another tokenizer than the policy: the token {other!r} is number "
            f"{theirs[other]} there and {ours[other]} here"
        )


class OffloadedReference:
    """A frozen model whose weights lie in host memory but for the time of a forward.

    They are copied to the device only: nothing changes them, so nothing is copied back.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        self.device = device
        self.kept = [(tensor, _in_host_memory(tensor)) for tensor in (*model.parameters(), *model.buffers())]
        self._put_back()

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Have the weights on the device, and off it again after."""
        for tensor, host in self.kept:
            tensor.data = host.to(self.device, non_blocking=True)
        try:
            yield
        finally:
            self._put_back()

    def _put_back(self) -> None:
        for tensor, host in self.kept:
            tensor.data = host


def _in_host_memory(tensor: torch.Tensor) -> torch.Tensor:
    host = tensor.detach().cpu()
    return host.pin_memory() if tensor.device.type == "cuda" else host
