"""The same questions in every shape that a dataset can have: one function a shape."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from recipe_engine.data.builtin.world import Question

Row = dict[str, Any]

SYSTEM_PROMPT = "You answer in digits."
_LINES_PER_DOCUMENT = 3
_STEPS = 3
STEP_END = "#"
"""Stands at the end of each step in ``step_labels``."""


def text(questions: Sequence[Question]) -> list[Row]:
    """Documents of a few lines, such as ``Reverse: 372 is 273.``"""
    lines = [f"{question.text} is {question.answer}." for question in questions]
    return [
        {"text": "\n".join(lines[start : start + _LINES_PER_DOCUMENT])}
        for start in range(0, len(lines), _LINES_PER_DOCUMENT)
    ]


def messages(questions: Sequence[Question]) -> list[Row]:
    """Conversations of one or two questions, some of them with a system message."""
    rows: list[Row] = []
    left = list(questions)
    while left:
        count = 2 if len(rows) % 3 == 2 else 1
        conversation = [_message("system", SYSTEM_PROMPT)] if len(rows) % 4 == 3 else []
        for question in left[:count]:
            conversation += [*_prompt(question), _message("assistant", question.answer)]
        rows.append({"messages": conversation})
        left = left[count:]
    return rows


def prompt_completion(questions: Sequence[Question]) -> list[Row]:
    """Plain text, without a chat template. The completion begins with a space, so no token spans the two."""
    return [{"prompt": f"{question.text}\nAnswer:", "completion": f" {question.answer}"} for question in questions]


def alpaca(questions: Sequence[Question]) -> list[Row]:
    """Instruction, input and output."""
    return [
        {"instruction": question.instruction, "input": question.input, "output": question.answer}
        for question in questions
    ]


def sharegpt(questions: Sequence[Question]) -> list[Row]:
    """The conversations of ``messages`` in ShareGPT's words."""
    speaker = {"system": "system", "user": "human", "assistant": "gpt"}
    return [
        {"conversations": [{"from": speaker[turn["role"]], "value": turn["content"]} for turn in row["messages"]]}
        for row in messages(questions)
    ]


def thought_response(questions: Sequence[Question]) -> list[Row]:
    """A question, a thought that leads to its answer, such as ``digits 3,7,2; last is 2``, and the answer."""
    return [
        {
            "id": f"digits-{number}",
            "messages": _prompt(question),
            "thought": question.thought,
            "response": question.answer,
            "source": "builtin",
        }
        for number, question in enumerate(questions)
    ]


def preference(questions: Sequence[Question]) -> list[Row]:
    """A prompt with a right and a wrong answer."""
    return [
        {
            "prompt": _prompt(question),
            "chosen": [_message("assistant", question.answer)],
            "rejected": [_message("assistant", question.wrong)],
        }
        for question in questions
    ]


def preference_implicit(questions: Sequence[Question]) -> list[Row]:
    """Two whole conversations that differ in their last message: the prompt is what they share."""
    return [
        {
            "chosen": [*_prompt(question), _message("assistant", question.answer)],
            "rejected": [*_prompt(question), _message("assistant", question.wrong)],
        }
        for question in questions
    ]


def unpaired(questions: Sequence[Question]) -> list[Row]:
    """A prompt with one answer, right in every other row, and a label that says whether it is."""
    return [
        {
            "prompt": _prompt(question),
            "completion": [_message("assistant", question.answer if number % 2 == 0 else question.wrong)],
            "label": number % 2 == 0,
        }
        for number, question in enumerate(questions)
    ]


def stepwise(questions: Sequence[Question]) -> list[Row]:
    """Solutions of three steps, each an answer to a question of its own, and for each step whether it is right.

    Only of the two tasks that a model of this size learns fastest to judge; each question is answered rightly once, and
    wrongly once.
    """
    steps = [
        (f"{question.text} is {answer}", answer == question.answer)
        for question in questions
        if question.instruction in {"Largest digit", "Smallest digit"}
        for answer in (question.answer, question.wrong)
    ]
    random.Random("right and wrong steps").shuffle(steps)
    return [
        {
            "prompt": "Look at the digits.",
            "completions": [text for text, _ in steps[start : start + _STEPS]],
            "labels": [right for _, right in steps[start : start + _STEPS]],
        }
        for start in range(0, len(steps), _STEPS)
    ]


def step_labels(questions: Sequence[Question]) -> list[Row]:
    """The solutions of ``stepwise`` as Math-Shepherd writes its own: with ``#`` at the end of each step, and once more
    with ``+`` or ``-`` there."""
    rows: list[Row] = []
    for row in stepwise(questions):
        lines = [[row["prompt"]], [row["prompt"]]]
        for step, right in zip(row["completions"], row["labels"], strict=True):
            lines[0].append(f"{step} {STEP_END}")
            lines[1].append(f"{step} {'+' if right else '-'}")
        rows.append({"input": "\n".join(lines[0]), "label": "\n".join(lines[1])})
    return rows


def rankings(questions: Sequence[Question]) -> list[Row]:
    """Translations of digits into digits, of which a bad one has lost some: annotated as TowerBlocks-MT-Ranking is.

    A translation that has lost nothing scores 10; each lost digit, of the last ones, is written as 0 and costs 4. All
    translations have as many tokens, so that a tiny model finds them at once.
    """
    rng = random.Random("rankings")
    rows: list[Row] = []
    for question in questions:
        if question.instruction not in {"Repeat", "Reverse"} or "0" in question.input:
            continue
        losses = rng.choices(range(3), k=2)
        texts = [question.input[: 3 - lost] + "0" * lost for lost in losses]
        rows.append(
            {
                "src_text": question.input,
                "src_lang": "en",
                "trg_lang": "de",
                "mt_texts": texts,
                "scores": [10 - 4 * lost for lost in losses],
                "analysis": f"A lost {losses[0]}, B lost {losses[1]}.",
            }
        )
    return rows


def prompt_only(questions: Sequence[Question]) -> list[Row]:
    """A prompt to be answered by the model, the right answer for the reward, and the task. Answers are one digit."""
    return [
        {
            "prompt": _prompt(question),
            "answer": question.answer,
            "data_source": question.instruction.lower().replace(" ", "_"),
        }
        for question in questions
        if len(question.answer) == 1
    ]


def _prompt(question: Question) -> list[dict[str, str]]:
    return [_message("user", question.text)]


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
