from __future__ import annotations

from typing import Any

import pytest

from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.rows import converter_for
from recipe_engine.data.steps import StepTokens, step_tokens
from recipe_engine.recipe.data import DataBlock, DatasetEntry
from tests.data.support import Row, assistant, user

TOKENS = StepTokens("ки", ("+", "-"))
GOOD, BAD = [1.0, 0.0], [0.0, 1.0]
SOLUTION = "2 + 3? Step 1: 2 + 3 = 5 ки\nStep 2: The answer is 6 ки"


def convert(row: Row, tokens: StepTokens = TOKENS, data: Row | None = None, **entry: Any) -> Row:
    described = DatasetEntry(name="rows.jsonl", **entry)
    block = DataBlock(datasets=[described], **(data or {}))
    return converter_for(described, block, ("stepwise",), list(row), steps=tokens).convert(row)


def problem(row: Row, tokens: StepTokens = TOKENS) -> str:
    with pytest.raises(RowError) as caught:
        convert(row, tokens)
    return caught.value.message


class TestAlignedText:
    def test_math_shepherds_label_is_the_text_with_judgements_for_placeholders(self) -> None:
        label = "2 + 3? Step 1: 2 + 3 = 5 +\nStep 2: The answer is 6 -"
        assert convert({"input": SOLUTION, "label": label}) == {"text": SOLUTION, "targets": [GOOD, BAD]}

    def test_columns_may_have_other_names(self) -> None:
        row = {"text": SOLUTION, "told": ["+", "-"]}
        made = convert(row, format="step_labels", prompt_column="text", label_column="told")
        assert made["targets"] == [GOOD, BAD]

    @pytest.mark.parametrize(
        ("label", "said"),
        [
            ("2 + 3? Step 1: 2 + 3 = 5 +\nStep 2: The answer is 7 -", "after placeholder 1"),
            ("Step 1", "at the start"),
            (SOLUTION, "none of +, - where the text has placeholder 1"),
            ("2 + 3? Step 1: 2 + 3 = 5 +\nStep 2: The answer is 6 - and more", "goes on"),
        ],
    )
    def test_a_label_that_does_not_follow_the_text_is_named_with_the_place(self, label: str, said: str) -> None:
        assert said in problem({"input": SOLUTION, "label": label})

    def test_a_text_without_placeholders_cannot_be_judged(self) -> None:
        assert "no placeholder 'ки'" in problem({"input": "2 + 3 = 5", "label": "2 + 3 = 5"})

    def test_templates_have_nothing_to_work_on(self) -> None:
        with pytest.raises(DataError, match="wrap_in_chat"):
            convert({"input": SOLUTION, "label": ["+", "-"]}, data={"wrap_in_chat": True})


class TestLists:
    @pytest.mark.parametrize(
        ("labels", "targets"),
        [
            (["+", "-"], [GOOD, BAD]),
            ([" + ", "-"], [GOOD, BAD]),
            ([True, False], [GOOD, BAD]),
            ([1, 0], [GOOD, BAD]),
            ([0.75, 0.0], [[0.75, 0.25], BAD]),
            ([None, 1.0], [[], GOOD]),
        ],
    )
    def test_labels_are_judgements_booleans_or_probabilities(self, labels: list[Any], targets: Any) -> None:
        assert convert({"input": SOLUTION, "label": labels})["targets"] == targets

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            (["+"], "has 1 labels, and there are 2 steps"),
            (["+", "good"], "reward_tokens are +, -"),
            ([0.5, 1.5], "from 0 to 1"),
            ([float("nan"), 1.0], "from 0 to 1"),
            ([-1, 1], "from 0 to 1"),
            ([None, None], "every one of them is null"),
            ([{}, 1], "dict"),
            (None, "is missing"),
            (3, "must be a list"),
        ],
    )
    def test_what_is_no_label_is_named(self, labels: Any, said: str) -> None:
        assert said in problem({"input": SOLUTION, "label": labels})

    def test_with_three_judgements_labels_are_their_names(self) -> None:
        three = StepTokens("ки", ("good", "neutral", "bad"))
        assert convert({"input": SOLUTION, "label": ["neutral", "bad"]}, three)["targets"] == [[0, 1, 0], [0, 0, 1]]
        assert "must be their names" in problem({"input": SOLUTION, "label": [0.5, 1.0]}, three)


STEPS: Row = {"prompt": "2 + 3?", "completions": ["2 + 3 = 5", "The answer is 6 "], "labels": [True, False]}


class TestSteps:
    def test_each_step_stands_on_a_line_that_ends_with_the_placeholder(self) -> None:
        assert convert(STEPS) == {
            "prompt": "2 + 3?\n",
            "completion": "2 + 3 = 5 ки\nThe answer is 6 ки",
            "targets": [GOOD, BAD],
        }

    def test_a_chat_prompt_is_answered_by_one_message_of_all_steps(self) -> None:
        made = convert({**STEPS, "prompt": [user("2 + 3?")]})
        assert made["completion"] == [assistant("2 + 3 = 5 ки\nThe answer is 6 ки")]
        assert convert(STEPS, data={"wrap_in_chat": True})["completion"] == made["completion"]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"completions": []}, "must be a list of steps"),
            ({"completions": "one"}, "must be a list of steps"),
            ({"completions": ["a", " "]}, "completions[1]` is empty"),
            ({"completions": ["a ки", "b"]}, "holds the placeholder"),
            ({"labels": [True]}, "1 labels, and there are 2 steps"),
        ],
    )
    def test_what_is_wrong_is_named(self, change: Row, said: str) -> None:
        assert said in problem({**STEPS, **change})


def test_an_algorithm_without_step_tokens_has_none() -> None:
    assert step_tokens({"beta": 0.1}) is None
    assert step_tokens({"placeholder_token": "#", "reward_tokens": ["a", "b"]}) == StepTokens("#", ("a", "b"))
