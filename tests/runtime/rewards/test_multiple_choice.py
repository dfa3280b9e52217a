from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.errors import RowError

from .support import Rewards, scores

CHOICES = ["Paris", "London", "Rome", "Madrid"]


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "**B**",
        "B.",
        "(B)",
        "B) London",
        "Answer: B",
        "The answer is B.",
        "the answer is (b)",
        "The correct answer is: **B**",
        "Final answer: \\boxed{B}",
        "\\boxed{\\text{B}}",
        "$\\boxed{(B)}$",
        "A is tempting. Answer: A. No, wait. Answer: B",
        "A seems right, (A) says so, but the answer is B",
        "I choose option B",
        "It is not (A) but (B)",
        "Let us see.\nB\n",
        "Answer: B: London",
        "A) is wrong.\n\nAnswer - the correct option is B",
    ],
)
def test_the_usual_forms_are_understood(tmp_path: Path, text: str) -> None:
    assert scores(tmp_path, {"type": "multiple_choice"}, [text], answer=["B"]) == [1]


@pytest.mark.parametrize("text", ["", "A", "Answer: A", "Be careful", "I do not know", "\\boxed{42}", "Answer: Both"])
def test_anything_else_is_wrong(tmp_path: Path, text: str) -> None:
    assert scores(tmp_path, {"type": "multiple_choice"}, [text], answer=["B"]) == [0]


@pytest.mark.parametrize("right", ["B", "(b)", "London", 1])
def test_the_reference_is_a_letter_a_text_or_a_number(tmp_path: Path, right: Any) -> None:
    reward = {"type": "multiple_choice", "choices_column": "choices"}
    assert scores(tmp_path, reward, ["B", "London", "A", "london."], answer=[right] * 4, choices=[CHOICES] * 4) == [
        1,
        1,
        0,
        1,
    ]


def test_arcs_choices_are_understood(tmp_path: Path) -> None:
    reward = {"type": "multiple_choice", "choices_column": "choices", "answer_column": "answerKey"}
    choices = [{"text": CHOICES, "label": ["A", "B", "C", "D"]}]
    assert scores(tmp_path, reward, ["B"], answerKey=["B"], choices=choices) == [1]


def test_letters_beyond_the_choices_are_none(tmp_path: Path) -> None:
    rewards = Rewards(tmp_path, {"type": "multiple_choice", "choices_column": "choices"})
    assert rewards.scores(["E"], answer=["A"], choices=[CHOICES]) == [0]
    assert rewards.mean("rewards/multiple_choice/found") == 0


@pytest.mark.parametrize(
    "row",
    [{}, {"answer": None}, {"answer": "Z"}, {"answer": 1}, {"answer": ""}, {"answer": "London"}, {"answer": True}],
)
def test_a_row_without_a_right_letter_is_named(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(RowError, match="column `answer`"):
        Rewards(tmp_path, {"type": "multiple_choice"}).check(row)


@pytest.mark.parametrize("row", [{"answer": "B"}, {"answer": "B", "choices": []}, {"answer": 4, "choices": CHOICES}])
def test_a_row_without_choices_or_with_too_few_is_named(tmp_path: Path, row: dict[str, Any]) -> None:
    rewards = Rewards(tmp_path, {"type": "multiple_choice", "choices_column": "choices"})
    with pytest.raises(RowError):
        rewards.check(row)
