"""What all rewards have in common: which rows they apply to, what becomes of failures, thoughts, and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from recipe_engine.data.errors import RowError
from recipe_engine.runtime.errors import RunError
from tests.runtime.support import assistant

from .support import Rewards, scores


def function(folder: Path, body: str, **settings: Any) -> dict[str, Any]:
    (folder / "rewards.py").write_text(f"def f(prompts, completions, **columns):\n    {body}\n", encoding="utf-8")
    return {"type": "function", "path": "rewards.py", "name": "f", **settings}


class TestOnlySomeRows:
    REWARD: dict[str, Any] = {"type": "exact_match", "only": {"column": "data_source", "values": ["a", 3]}}  # noqa: RUF012

    def test_other_rows_get_no_score_which_is_not_0(self, tmp_path: Path) -> None:
        out = scores(tmp_path, self.REWARD, ["4", "4", "5", "4"], answer=["4"] * 4, data_source=["a", "b", "a", 3])
        assert out == [1, None, 0, 1]

    def test_the_reward_is_called_with_its_rows_alone(self, tmp_path: Path) -> None:
        reward = function(tmp_path, "return [float(x) for x in columns['n']]", only=self.REWARD["only"])
        assert scores(tmp_path, reward, ["x"] * 3, data_source=["b", "a", "a"], n=[1, 2, 3]) == [None, 2, 3]

    def test_it_is_not_called_without_rows(self, tmp_path: Path) -> None:
        reward = function(tmp_path, "raise ValueError", only=self.REWARD["only"])
        assert scores(tmp_path, reward, ["x"], data_source=["b"]) == [None]

    def test_a_key_inside_a_column_can_tell(self, tmp_path: Path) -> None:
        reward = {**self.REWARD, "only": {"column": "info.kind", "values": ["a"]}}
        assert scores(tmp_path, reward, ["4", "4"], answer=["4", "4"], info=[{"kind": "a"}, None]) == [1, None]

    def test_true_is_not_1(self, tmp_path: Path) -> None:
        reward = {**self.REWARD, "only": {"column": "easy", "values": [True]}}
        assert scores(tmp_path, reward, ["4", "4"], answer=["4", "4"], easy=[True, 1]) == [1, None]

    def test_a_row_that_no_reward_applies_to_is_named_before_training(self, tmp_path: Path) -> None:
        rewards = Rewards(
            tmp_path, self.REWARD, {"type": "length", "max": 3, "only": {"column": "kind", "values": ["x"]}}
        )
        rewards.check({"data_source": "a", "answer": "4"})
        rewards.check({"kind": "x"})
        with pytest.raises(RowError, match=r"nothing that a reward applies to .*'b'"):
            rewards.check({"data_source": "b", "kind": "y"})

    def test_one_reward_of_all_rows_is_enough(self, tmp_path: Path) -> None:
        Rewards(tmp_path, self.REWARD, {"type": "length", "max": 3}).check({"data_source": "b"})

    def test_what_a_reward_asks_of_rows_it_asks_of_its_own(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, self.REWARD, {"type": "length", "max": 3})
        rewards.check({"data_source": "b"})
        with pytest.raises(RowError, match="column `answer`"):
            rewards.check({"data_source": "a"})


class TestFailures:
    def test_an_error_names_the_reward_the_prompt_and_the_row(self, tmp_path: Path) -> None:
        with pytest.raises(
            RunError, match=r"reward f: returned None for the prompt 'why\?' \(row .*\"n\": 7"
        ) as caught:
            scores(tmp_path, function(tmp_path, "return [None]"), ["x"], prompts=["why?"], n=[7])
        assert "on_error" in str(caught.value.hint)

    def test_a_number_is_the_score_of_a_failure_which_is_counted(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, function(tmp_path, "return [1, None, float('nan')]", on_error=-1.0))
        assert rewards.scores(["a", "b", "c"]) == [1, -1, -1]
        assert rewards.mean("rewards/f/failed") == pytest.approx(2 / 3)

    @pytest.mark.parametrize("body", ["raise ValueError('no')", "return [1]", "return 1"])
    def test_what_fails_as_a_whole_fails_for_each(self, tmp_path: Path, body: str) -> None:
        rewards = Rewards(tmp_path, function(tmp_path, body, on_error=0))
        assert rewards.scores(["a", "b"]) == [0, 0]
        assert rewards.mean("rewards/f/failed") == 1

    def test_without_failures_the_share_is_logged_as_0(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, function(tmp_path, "return [1]", on_error=0))
        rewards.scores(["a"])
        assert rewards.logged == {"rewards/f/failed": [0.0]}

    def test_a_key_in_an_error_is_not_shown(self, tmp_path: Path) -> None:
        key = "sk-" + "a1b2c3d4" * 4
        with pytest.raises(RunError) as caught:
            scores(tmp_path, function(tmp_path, f"raise ValueError('{key}')"), ["x"])
        assert key not in caught.value.message


class TestThoughts:
    THINKING: dict[str, Any] = {"open": "<think>", "close": "</think>", "begin_completion": False}  # noqa: RUF012
    COMPLETIONS = ("<think>5?</think> 4", "4", "<think>4")

    def made(self, folder: Path, reward: dict[str, Any], **thinking: Any) -> Rewards:
        return Rewards(folder, reward, thinking={**self.THINKING, **thinking})

    def test_the_answer_alone_is_scored_and_the_malformed_share_logged(self, tmp_path: Path) -> None:
        rewards = self.made(tmp_path, {"type": "exact_match"})
        assert rewards.scores(list(self.COMPLETIONS), answer=["4"] * 3) == [1, 0, 0]
        assert rewards.mean("rewards/exact_match/malformed") == pytest.approx(2 / 3)

    def test_a_lenient_block_takes_all_for_the_answer(self, tmp_path: Path) -> None:
        rewards = self.made(tmp_path, {"type": "exact_match"}, strict=False)
        assert rewards.scores(list(self.COMPLETIONS), answer=["4"] * 3) == [1, 1, 0]
        assert rewards.mean("rewards/exact_match/malformed") == pytest.approx(2 / 3)

    def test_a_malformed_completion_may_have_a_score_of_its_own(self, tmp_path: Path) -> None:
        rewards = self.made(tmp_path, {"type": "exact_match", "malformed_score": -1})
        assert rewards.scores(list(self.COMPLETIONS), answer=["4"] * 3) == [1, -1, -1]

    def test_the_whole_completion_is_scored_where_asked(self, tmp_path: Path) -> None:
        reward = {"type": "exact_match", "part": "completion"}
        assert self.made(tmp_path, reward).scores(list(self.COMPLETIONS), answer=["4"] * 3) == [0, 1, 0]

    def test_a_function_is_given_the_whole_unless_it_asks_for_the_answer(self, tmp_path: Path) -> None:
        body = "return [float(len(one)) for one in completions]"
        whole = self.made(tmp_path, function(tmp_path, body)).scores(list(self.COMPLETIONS))
        assert whole == [len(one) for one in self.COMPLETIONS]
        answer = self.made(tmp_path, function(tmp_path, body, part="answer"))
        assert answer.scores(list(self.COMPLETIONS)) == [1, 0, 0]

    def test_chat_completions_are_split_too(self, tmp_path: Path) -> None:
        rewards = self.made(tmp_path, {"type": "exact_match"})
        assert rewards.scores([[assistant(self.COMPLETIONS[0])]], answer=["4"]) == [1]

    def test_tags_that_are_special_tokens_are_read_from_the_ids(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
        ids = [tokenizer("<think>5?</think>4<|end|><|pad|>", add_special_tokens=False)["input_ids"]]
        text = tokenizer.decode(ids[0], skip_special_tokens=True)  # what TRL gives
        assert text == "5?4"
        rewards = Rewards(tmp_path, {"type": "exact_match"}, tokenizer=tokenizer, thinking=self.THINKING)
        assert rewards.scores([text], answer=["4"], completion_ids=ids) == [1]


class TestFormatOfThoughts:
    @pytest.mark.parametrize(
        ("completion", "right"),
        [
            ("<think>a</think>b", 1),
            ("<think>a</think>", 0),
            ("a</think>b", 0),
            ("<think>a</think><think>b</think>c", 0),
            ("so <think>a</think>b", 0),
            ("b", 0),
        ],
    )
    def test_each_tag_stands_once_in_order_around_a_thought_and_an_answer(
        self, tmp_path: Path, completion: str, right: float
    ) -> None:
        rewards = Rewards(tmp_path, {"type": "format"}, thinking=TestThoughts.THINKING)
        assert rewards.scores([completion]) == [right]

    def test_the_opening_tag_may_stand_in_the_prompt(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, {"type": "format"}, thinking={})
        assert rewards.scores(["a</think>b", "a b"]) == [1, 0]
