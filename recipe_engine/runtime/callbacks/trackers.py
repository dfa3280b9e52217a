"""Trackers are told of a run; one that fails is left out, and training goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

Say = Callable[[str], None]

_TRACKERS = tuple(set(INTEGRATION_TO_CALLBACK.values()))


def survive_trackers(trainer: Any, say: Say) -> None:
    """Have a trainer go on without a tracker that raises: its server is gone, its disk full, its process killed.

    What was to be tracked is in metrics.jsonl all the same.
    """
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, _TRACKERS):
            guard = _Guard(type(callback).__name__.removesuffix("Callback"), say)
            for event in [name for name in dir(callback) if name.startswith("on_")]:
                setattr(callback, event, guard.around(getattr(callback, event)))
    wandb: Any = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:  # TRL logs tables of completions by itself
        wandb.log = _Guard("wandb", say).around(wandb.log)
        # TRL asks wandb for the run's address in the middle of each save.
        trainer.create_model_card = _Guard("the model card", say).around(trainer.create_model_card)


class _Guard:
    """One tracker, until it fails."""

    def __init__(self, name: str, say: Say) -> None:
        self.name = name
        self.say = say
        self.failed = False

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **keywords: Any) -> Any:
            if self.failed:
                return None
            try:
                return call(*arguments, **keywords)
            except Exception as error:  # noqa: BLE001 # a tracker may raise anything
                self.failed = True
                reason = str(error).strip().split("\n", 1)[0]
                failed = f"{self.name} failed ({type(error).__name__}: {reason})"
                self.say(f"{failed}: training goes on without it; see metrics.jsonl")
                return None

        return guarded
