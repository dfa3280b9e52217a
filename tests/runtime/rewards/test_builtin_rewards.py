from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import REWARDS
from recipe_engine.runtime.rewards import MAKERS, ROW_CHECKS, reward_functions, row_checks
from tests.runtime.support import assistant, compiled


def scores(folder: Path, reward: dict[str, Any], completions: list[str], **columns: Any) -> list[float]:
    run = compiled(folder, "grpo", {"name": "rows.jsonl"}, rewards=[reward])
    (function,) = reward_functions(run)
    return function(prompts=[""] * len(completions), completions=completions, trainer_state=None, **columns)


def test_every_reward_of_the_recipe_language_can_be_made() -> None:
    assert set(MAKERS) == set(REWARDS)
    assert set(ROW_CHECKS) <= set(REWARDS)


def test_a_reward_is_named_after_its_name_or_type(tmp_path: Path) -> None:
    rewards = [{"type": "length", "max": 5}, {"type": "length", "min": 1, "name": "long_enough"}]
    run = compiled(tmp_path, "grpo", {"name": "rows.jsonl"}, rewards=rewards)
    assert [function.__name__ for function in reward_functions(run)] == ["length", "long_enough"]


class TestExactMatch:
    def test_the_whole_completion_is_compared_without_surrounding_space(self, tmp_path: Path) -> None:
        assert scores(tmp_path, {"type": "exact_match"}, [" 4\n", "5", "4."], answer=["4", "4", "4"]) == [1, 0, 0]

    def test_an_answer_that_is_no_text_is_compared_as_text(self, tmp_path: Path) -> None:
        assert scores(tmp_path, {"type": "exact_match"}, ["4", "4"], answer=[4, 4.0]) == [1, 0]

    def test_chat_completions_are_read(self, tmp_path: Path) -> None:
        assert scores(tmp_path, {"type": "exact_match"}, [[assistant("4")]], answer=["4"]) == [1]  # type: ignore[list-item]

    def test_the_first_group_of_the_last_match_is_the_answer(self, tmp_path: Path) -> None:
        reward = {"type": "exact_match", "pattern": r"= (\d+)"}
        assert scores(tmp_path, reward, ["1 = 1, so = 4", "= 4, no: = 5", "4"], answer=["4"] * 3) == [1, 0, 0]

    def test_the_reference_may_have_a_pattern_of_its_own(self, tmp_path: Path) -> None:
        reward = {"type": "exact_match", "answer_pattern": "#### (.+)"}
        assert scores(tmp_path, reward, ["4"], answer=["2 + 2 makes\n#### 4"]) == [1]

    def test_a_pattern_may_span_lines(self, tmp_path: Path) -> None:
        reward = {"type": "exact_match", "pattern": "<a>(.*)</a>"}
        assert scores(tmp_path, reward, ["<a>4\n</a>"], answer=["4"]) == [1]

    def test_case_counts_unless_told_otherwise(self, tmp_path: Path) -> None:
        reward = {"type": "exact_match", "answer_column": "city"}
        assert scores(tmp_path, reward, ["PARIS", "STRASSE"], city=["Paris", "Straße"]) == [0, 0]
        assert scores(tmp_path, {**reward, "ignore_case": True}, ["PARIS", "STRASSE"], city=["Paris", "Straße"]) == [
            1,
            1,
        ]

    def test_a_completion_without_a_match_is_never_right(self, tmp_path: Path) -> None:
        reward = {"type": "exact_match", "pattern": "x(y)?"}
        assert scores(tmp_path, reward, ["None", "x", ""], answer=["None"] * 3) == [0, 0, 0]

    @pytest.mark.parametrize("row", [{}, {"answer": None}, {"answer": " "}, {"answer": "no number"}])
    def test_a_row_without_a_reference_is_named(self, tmp_path: Path, row: dict[str, Any]) -> None:
        reward = {"type": "exact_match", "answer_pattern": r"(\d+|\s)"}
        (check,) = row_checks(compiled(tmp_path, "grpo", {"name": "rows.jsonl"}, rewards=[reward]))
        check({"answer": "it is 4"})
        with pytest.raises(RowError, match="column `answer`"):
            check(row)


class TestFormat:
    def test_the_whole_completion_must_match(self, tmp_path: Path) -> None:
        reward = {"type": "format", "pattern": "<think>.*</think>.+"}
        assert scores(tmp_path, reward, ["<think>a\nb</think>4", " <think></think>4", "<think></think>"]) == [1, 0, 0]

    def test_a_part_is_enough_when_asked(self, tmp_path: Path) -> None:
        reward = {"type": "format", "pattern": r"\d", "match": "search"}
        assert scores(tmp_path, reward, ["it is 4", "four", ""]) == [1, 0, 0]


class TestLength:
    @pytest.mark.parametrize(
        ("settings", "lengths", "expected"),
        [
            ({"max": 3}, [0, 3, 4, 9], [1, 1, 0, 0]),
            ({"min": 3}, [2, 3, 9], [0, 1, 1]),
            ({"min": 2, "max": 3, "slope": 3}, [0, 1, 2, 3, 4, 6, 7], [0.5, 0.75, 1, 1, 0.75, 0.25, 0]),
        ],
    )
    def test_full_score_within_bounds_and_a_slope_outside(
        self, tmp_path: Path, settings: dict[str, int], lengths: list[int], expected: list[float]
    ) -> None:
        ids = [[0] * length for length in lengths]
        assert scores(tmp_path, {"type": "length", **settings}, [""] * len(ids), completion_ids=ids) == expected

    def test_words_and_characters_are_counted_in_the_text(self, tmp_path: Path) -> None:
        bounds = {"min": 3, "max": 3}
        assert scores(tmp_path, {"type": "length", "unit": "words", **bounds}, ["a  bc\nd", "abc"]) == [1, 0]
        assert scores(tmp_path, {"type": "length", "unit": "characters", **bounds}, ["a b", "漢字é", "ab"]) == [1, 1, 0]
