"""What every embedded dataset is about: short tasks on a handful of digits, each with one right answer.

Small enough for a model of a million parameters to learn in seconds on a CPU, and every answer follows from its
question, so a model that has understood a task also answers questions that it was never trained on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Literal

Part = Literal["taught", "asked", "test"]
"""``taught`` questions come with their answers, ``asked`` ones are for reinforcement learning, ``test`` is held out."""

TASKS: dict[str, Callable[[str], str]] = {
    "First digit": lambda digits: digits[0],
    "Last digit": lambda digits: digits[-1],
    "Largest digit": max,
    "Smallest digit": min,
    "Repeat": str,
    "Reverse": lambda digits: digits[::-1],
}
_QUESTIONS_PER_TASK: dict[Part, int] = {"taught": 150, "asked": 150, "test": 30}


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what to do, what to do it to, its answer, and a wrong answer that looks like the right one."""

    instruction: str
    input: str
    answer: str
    wrong: str

    @property
    def text(self) -> str:
        """The question as one line, such as ``Reverse: 372``."""
        return f"{self.instruction}: {self.input}"

    @property
    def thought(self) -> str:
        """A short way to the answer, such as ``digits 3,7,2; reverse is 2,7,3``."""
        task = self.instruction.lower().removesuffix(" digit")
        return f"digits {','.join(self.input)}; {task} is {','.join(self.answer)}"


def questions(part: Part) -> tuple[Question, ...]:
    """The questions of one part, in a fixed order that mixes the tasks. No question is in two parts."""
    return _world()[part]


@cache
def _world() -> dict[Part, tuple[Question, ...]]:
    rng = random.Random("the world of digits")
    parts: dict[Part, list[Question]] = {part: [] for part in _QUESTIONS_PER_TASK}
    for instruction in TASKS:
        inputs = iter(_different_inputs(rng, sum(_QUESTIONS_PER_TASK.values())))
        for part, count in _QUESTIONS_PER_TASK.items():
            parts[part] += [_question(rng, instruction, next(inputs)) for _ in range(count)]
    for found in parts.values():
        rng.shuffle(found)
    return {part: tuple(found) for part, found in parts.items()}


def _different_inputs(rng: random.Random, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        digits = "".join(rng.choice("0123456789") for _ in range(3))
        if len(set(digits)) > 1:  # else no wrong answer could be made of its digits
            found[digits] = None
    return list(found)


def _question(rng: random.Random, instruction: str, digits: str) -> Question:
    answer = TASKS[instruction](digits)
    lookalikes = {"".join(some) for some in permutations(digits, len(answer))} - {answer}
    return Question(instruction, digits, answer, wrong=rng.choice(sorted(lookalikes)))
