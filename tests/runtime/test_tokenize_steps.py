from __future__ import annotations

from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from recipe_engine.data.errors import RowError
from recipe_engine.data.steps import StepTokens
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.lengths import Limits, OverlongError, fit_steps, fit_unpaired
from recipe_engine.runtime.tokenize import tokenize_unpaired
from recipe_engine.runtime.tokenize_steps import step_ids, tokenize_steps
from tests.runtime.support import assistant, user

TOKENS = StepTokens("#", ("+", "-"))
GOOD, BAD = [1.0, 0.0], [0.0, 1.0]


def test_positions_are_those_of_the_placeholders(tokenizer: PreTrainedTokenizerBase) -> None:
    row = {"text": "1 + 1 = 2 #\n2 + 2 = 5 #", "targets": [GOOD, BAD]}
    made = tokenize_steps(tokenizer, step_ids(tokenizer, TOKENS), row)
    assert [tokenizer.decode([made["input_ids"][position]]) for position in made["positions"]] == ["#", "#"]
    assert made["targets"] == [GOOD, BAD]
    assert tokenizer.eos_token_id not in made["input_ids"]


def test_a_step_without_a_label_is_read_and_not_judged(tokenizer: PreTrainedTokenizerBase) -> None:
    made = tokenize_steps(tokenizer, step_ids(tokenizer, TOKENS), {"text": "a # b # c #", "targets": [[], BAD, []]})
    assert made["input_ids"].count(tokenizer.convert_tokens_to_ids("#")) == 3
    assert len(made["positions"]) == 1
    assert made["targets"] == [BAD]


def test_a_chat_is_rendered_with_its_template(tokenizer: PreTrainedTokenizerBase) -> None:
    row = {"prompt": [user("q")], "completion": [assistant("a #")], "targets": [GOOD]}
    made = tokenize_steps(tokenizer, step_ids(tokenizer, TOKENS), row)
    assert tokenizer.decode(made["input_ids"]) == "<|user|>q<|end|><|assistant|>a #<|end|>"


def test_a_special_token_marks_steps_wherever_it_touches_text(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = step_ids(tokenizer, StepTokens("<|end|>", ("+", "-")))
    made = tokenize_steps(tokenizer, ids, {"text": "one<|end|>two<|end|>", "targets": [GOOD, BAD]})
    assert len(made["positions"]) == 2


def test_placeholders_that_another_text_swallows_are_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = step_ids(tokenizer, TOKENS)
    with pytest.raises(RowError, match="has 3 placeholders, of which 2"):
        tokenize_steps(tokenizer, ids, {"text": "a # b #", "targets": [GOOD, BAD, BAD]})


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (StepTokens("ки", ("+", "-")), "placeholder_token: 'ки' is 4 tokens"),
        (StepTokens("#", ("good", "-")), "reward_tokens: 'good'"),
        (StepTokens("#", ("+", "+")), "are the same token"),
    ],
)
def test_what_is_not_one_token_is_an_error(tokenizer: PreTrainedTokenizerBase, tokens: StepTokens, said: str) -> None:
    with pytest.raises(RunError, match=said):
        step_ids(tokenizer, tokens)


class TestCuts:
    @staticmethod
    def row() -> dict[str, Any]:
        return {"input_ids": [5, 1, 6, 1, 7, 1], "positions": [1, 3, 5], "targets": [GOOD, BAD, GOOD]}

    def test_a_cut_leaves_the_steps_whose_placeholders_it_leaves(self) -> None:
        right = fit_steps(self.row(), Limits(4, None, "right"))
        assert right.row == {"input_ids": [5, 1, 6, 1], "positions": [1, 3], "targets": [GOOD, BAD]}
        left = fit_steps(self.row(), Limits(4, None, "left"))
        assert left.row == {"input_ids": [6, 1, 7, 1], "positions": [1, 3], "targets": [BAD, GOOD]}

    def test_a_placeholder_with_nothing_before_it_is_not_judged(self) -> None:
        assert fit_steps(self.row(), Limits(5, None, "left")).row == {
            "input_ids": [1, 6, 1, 7, 1],
            "positions": [2, 4],
            "targets": [BAD, GOOD],
        }

    def test_a_row_without_a_step_left_is_dropped(self) -> None:
        assert fit_steps(self.row(), Limits(1, None, "right")).row is None
        assert fit_steps(self.row(), Limits(4, None, "drop")).row is None
        with pytest.raises(OverlongError):
            fit_steps(self.row(), Limits(4, None, "error"))

    @pytest.mark.parametrize(
        ("overlong", "limit", "expected"),
        [("right", 4, ([1, 2, 3], [4])), ("left", 4, ([2, 3], [4, 5])), ("left", 2, None), ("right", 3, None)],
    )
    def test_an_answer_keeps_its_border_and_its_label(self, overlong: Any, limit: int, expected: Any) -> None:
        row = {"prompt_ids": [1, 2, 3], "completion_ids": [4, 5], "label": False}
        fitted = fit_unpaired(row, Limits(limit, None, overlong)).row
        if expected is None:
            assert fitted is None
        else:
            assert fitted == {"prompt_ids": expected[0], "completion_ids": expected[1], "label": False}


def test_a_labelled_answer_is_a_prompt_and_a_completion(tokenizer: PreTrainedTokenizerBase) -> None:
    made = tokenize_unpaired(tokenizer, {"prompt": [user("q")], "completion": [assistant("a")], "label": True})
    assert tokenizer.decode(made["prompt_ids"]) == "<|user|>q<|end|><|assistant|>"
    assert tokenizer.decode(made["completion_ids"]) == "a<|end|>"
    assert made["label"] is True
