"""What several machines make of an attempt that each saw the end of."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from recipe_engine.launch.companions import Outcome
from recipe_engine.launch.failure import EXIT_PASSING
from recipe_engine.launch.wire import Message

_STOPS = {128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)}


def is_stop(outcome: Outcome) -> bool:
    """Whether the end was asked for: the processes of every machine have agreed to it, and save."""
    return outcome.code in _STOPS and not outcome.passing


def gone(who: str) -> Outcome:
    """The outcome of a machine that nothing is heard of any more."""
    return Outcome(EXIT_PASSING, f"{who} is gone: its launcher was killed, or nothing gets through to it", passing=True)


def reason_of(outcome: Outcome, name: str) -> str:
    """Why a machine's attempt failed, with the machine's name."""
    if outcome.reason.startswith("machine "):
        return outcome.reason  # it was told by another
    return f"{name}: {outcome.reason or f'its processes ended with exit code {outcome.code}'}"


def combined(outcomes: Mapping[int, Outcome], names: Mapping[int, str]) -> Outcome:
    """The one outcome of all machines, in the order in which they came to it; the checkpoint is the first machine's.

    A finished run is finished, for machine 0 has saved the model. A stop counts before what it led to, and a fault that
    will come again before the lost connections that others see of it.
    """
    first = outcomes[0]
    if first.code == 0:
        return first
    node, chosen = min(outcomes.items(), key=lambda item: _weight(item[1]))
    reason = chosen.reason if node == 0 or is_stop(chosen) else reason_of(chosen, names[node])
    return Outcome(chosen.code, reason, chosen.passing, first.checkpoint)


def _weight(outcome: Outcome) -> int:
    """Its place among causes: what comes first caused the others."""
    if outcome.code == 0:
        return 4
    if is_stop(outcome):
        return 0
    return 1 if not outcome.passing else 2 if outcome.code != EXIT_PASSING else 3


def as_fields(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a message holds it."""
    return {
        "code": outcome.code,
        "reason": outcome.reason,
        "passing": outcome.passing,
        "checkpoint": outcome.checkpoint,
    }


def of_message(message: Message) -> Outcome:
    """The outcome that a message holds."""
    return Outcome(message["code"], message["reason"], message["passing"], message["checkpoint"])
