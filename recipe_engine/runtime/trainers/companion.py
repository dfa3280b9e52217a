"""A second model that is trained beside the policy, in the same steps: PPO's critic, PRIME's process rewards.

It hangs in the policy as a child module. So whatever holds the policy for training (DistributedDataParallel, a
DeepSpeed engine, FSDP) holds both, averages the gradients of both and shards both; the policy's forward runs the
companion where it is asked to. Whatever reads the policy as a model of its own (saving, loading, sending weights to
vLLM) sees it without the child: see ``apart``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

Read = Callable[[Any, dict[str, Tensor]], Tensor]
"""What the companion says of each token but the first, (B, S - 1), from a forward of its model on the inputs."""


class Companion(nn.Module):
    """The second model, and how it is read."""

    def __init__(self, model: PreTrainedModel, read: Read) -> None:
        super().__init__()
        self.model = model
        self.read = read

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """``inputs`` are those of the policy: ``input_ids``, ``attention_mask``, and ``labels`` where there are any."""
        return self.read(self.model, inputs)


def attach(policy: Any, name: str, companion: Companion) -> None:
    """Make ``companion`` a child of the policy, whose forward then takes ``companion``.

    ``companion="with"`` gives the pair of the policy's outputs and what the companion says; ``"only"`` just the latter.
    """
    alone = policy.forward
    policy.add_module(name, companion)

    def forward(self: Any, *args: Any, companion: str | None = None, **inputs: Any) -> Any:
        if companion is None:
            return alone(*args, **inputs)
        beside = getattr(self, name)
        return beside(inputs) if companion == "only" else (alone(*args, **inputs), beside(inputs))

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(alone)  # `generate` checks its arguments against it
    forward.__signature__ = signature.replace(parameters=[own, *_after_own(signature)])  # type: ignore[attr-defined]
    policy.forward = MethodType(forward, policy)


def _after_own(signature: inspect.Signature) -> list[inspect.Parameter]:
    return [parameter for parameter in signature.parameters.values() if parameter.name != "self"]


@contextmanager
def apart(policy: Any, name: str) -> Iterator[Companion]:
    """The policy without its companion, while this lasts."""
    companion: Companion = policy._modules.pop(name)
    try:
        yield companion
    finally:
        policy._modules[name] = companion


class Both:
    """Stands for the wrapped policy in one forward, runs both models, and keeps what TRL's loss does not look at."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.outputs: Any = None
        self.said: Tensor

    def __call__(self, **inputs: Any) -> Any:
        self.outputs, self.said = self.model(**inputs, companion="with")
        return self.outputs
