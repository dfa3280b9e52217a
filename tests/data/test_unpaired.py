from __future__ import annotations

from typing import Any

import pytest

from recipe_engine.data.errors import DataError, RowError
from tests.data.support import DPO, SFT, Row, assistant, convert, converter, problem, system, user

KTO = ("unpaired",)
CHAT = {"prompt": [user("q")], "completion": [assistant("a")], "label": True}


@pytest.mark.parametrize(
    "row",
    [
        CHAT,
        {"prompt": "q", "completion": [assistant("a")], "label": True},
        {"messages": [user("q"), assistant("a")], "label": True},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "label": True},
        {"instruction": "q", "input": "", "output": "a", "label": True},
    ],
)
def test_every_way_of_writing_a_labelled_answer_becomes_the_same_row(row: Row) -> None:
    assert convert(row, KTO) == CHAT


def test_plain_strings_stay_strings() -> None:
    row = {"prompt": "q", "completion": "a", "label": False}
    assert convert(row, KTO) == row


def test_the_answer_is_all_that_follows_the_last_thing_said_to_the_assistant() -> None:
    made = convert({"messages": [system("s"), user("q"), assistant("a"), user("r"), assistant("b")], "label": 1}, KTO)
    assert made == {
        "prompt": [system("s"), user("q"), assistant("a"), user("r")],
        "completion": [assistant("b")],
        "label": True,
    }


@pytest.mark.parametrize(
    ("value", "label"), [(True, True), (False, False), (1, True), (0, False), (1.0, True), (0.0, False)]
)
def test_labels_are_booleans_or_one_and_zero(value: Any, label: bool) -> None:
    assert convert({"prompt": "q", "completion": "a", "label": value}, KTO)["label"] is label


@pytest.mark.parametrize(
    ("score", "label"), [(5, True), (5.5, True), (4.99, False), (-3, False), (1, False), (0, False)]
)
def test_a_score_is_held_against_the_threshold(score: float, label: bool) -> None:
    row = {"instruction": "q", "response": "a", "score": score}
    entry = {
        "prompt_column": "instruction",
        "completion_column": "response",
        "label_column": "score",
        "label_threshold": 5.0,
    }
    assert convert(row, KTO, entry) == {"prompt": "q", "completion": "a", "label": label}


@pytest.mark.parametrize("score", [8.5, -1, 2])
def test_a_score_without_a_threshold_is_an_error_of_the_dataset_not_of_the_row(score: float) -> None:
    """Otherwise ``invalid_rows: drop`` would leave out all scores but 0 and 1."""
    row = {"prompt": "q", "completion": "a", "label": score}
    with pytest.raises(DataError, match="from which score on") as caught:
        convert(row, KTO)
    assert caught.value.code == "D415"
    assert not isinstance(caught.value, RowError)
    assert "label_threshold" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("value", "said"), [(None, "is missing"), ("yes", "'yes'"), (float("nan"), "nan"), ([True], "not a label")]
)
def test_what_is_no_label_is_named(value: Any, said: str) -> None:
    assert said in problem({"prompt": "q", "completion": "a", "label": value}, KTO)


def test_a_threshold_for_booleans_is_a_mistake() -> None:
    assert "label_threshold" in problem(
        {"prompt": "q", "completion": "a", "label": True}, KTO, {"label_threshold": 0.5}
    )


def test_a_conversation_that_ends_with_a_question_has_no_answer_to_judge() -> None:
    assert "ends with the role user" in problem(
        {"messages": [user("q"), assistant("a"), user("r")], "label": True}, KTO
    )


def test_rows_without_a_label_cannot_be_used() -> None:
    with pytest.raises(DataError, match="none of the formats") as caught:
        convert({"prompt": "q", "completion": "a"}, KTO)
    assert "label" in str(caught.value.hint)


@pytest.mark.parametrize(("entry", "shapes"), [({"label_column": "label"}, SFT), ({"label_threshold": 1.0}, SFT)])
def test_settings_for_labels_are_of_no_use_elsewhere(entry: Row, shapes: Any) -> None:
    with pytest.raises(DataError) as caught:
        converter(["prompt", "completion", "label"], shapes, entry)
    assert caught.value.code == "D404"


PAIR: Row = {"prompt": "q", "chosen": "a", "rejected": "b"}
REWARD = ("preference_margin",)


class TestMargins:
    def test_a_row_has_the_margin_of_its_column_or_none(self) -> None:
        assert convert(PAIR, REWARD) == {**PAIR, "margin": None}
        assert convert({**PAIR, "margin": 2}, REWARD)["margin"] == 2
        assert convert({**PAIR, "gap": 0.5}, REWARD, {"margin_column": "gap"})["margin"] == 0.5

    @pytest.mark.parametrize("margin", [None, "wide", True, float("inf")])
    def test_a_margin_that_is_no_number_is_named(self, margin: Any) -> None:
        assert "`margin`" in problem({**PAIR, "margin": margin}, REWARD)

    def test_direct_preference_optimization_leaves_it_alone(self) -> None:
        assert convert({**PAIR, "margin": "wide"}, DPO) == PAIR
        with pytest.raises(DataError, match="no use for `margin_column`"):
            converter([*PAIR, "margin"], DPO, {"margin_column": "margin"})
