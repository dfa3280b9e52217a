"""The same questions in every shape that a dataset can have: one function a shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recipe_engine.data.builtin.world import Question

Row = dict[str, Any]

SYSTEM_PROMPT = "You answer in digits."
_LINES_PER_DOCUMENT = 3


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


def prompt_only(questions: Sequence[Question]) -> list[Row]:
    """A prompt to be answered by the model, and the right answer for the reward. Only answers of one digit."""
    return [
        {"prompt": _prompt(question), "answer": question.answer} for question in questions if len(question.answer) == 1
    ]


def _prompt(question: Question) -> list[dict[str, str]]:
    return [_message("user", question.text)]


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
