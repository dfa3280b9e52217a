from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.data.errors import RowError
from recipe_engine.runtime.rewards.ranking import score_of

from .support import Rewards

TRUTH = {"A": 8, "B": 5, "C": 5}


def answer(scores: Mapping[str, int], ranking: str | None = None, reasoning: str = "A is the best.") -> str:
    """What a model answers that gives these scores, with the ranking that follows from them."""
    order = sorted(scores, key=lambda letter: (-scores[letter], letter))
    by_itself = order[0]
    for before, letter in pairwise(order):
        by_itself += f" {'=' if scores[before] == scores[letter] else '>'} {letter}"
    listed = ", ".join(f"{letter}: {scores[letter]}" for letter in order)
    return f"{reasoning}\n\n### Final Ranking:\n{ranking or by_itself}\n\n### Scores:\n{{{listed}}}"


def reference(given_scores: Mapping[str, int], truth: Mapping[str, int]) -> tuple[float, float]:
    """The two parts, by their definition over ordered pairs: each unordered pair is counted twice in both."""
    letters = list(truth)
    pairs = [(one, other) for one in letters for other in letters if one != other]
    relation = [
        ((given_scores[i] > given_scores[j]) - (given_scores[i] < given_scores[j]))
        == ((truth[i] > truth[j]) - (truth[i] < truth[j]))
        for i, j in pairs
    ]
    errors = [abs((given_scores[i] - given_scores[j]) - (truth[i] - truth[j])) for i, j in pairs]
    near = [1.0 if error == 0 else 0.6 if error == 1 else 0.2 if error == 2 else 0.0 for error in errors]
    return sum(relation) / len(pairs), sum(near) / len(pairs)


GROUPS = st.integers(2, 8).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 10), min_size=size, max_size=size) for _ in range(2)])
)


@given(GROUPS)
def test_a_valid_answer_scores_the_sum_of_both_parts(groups: tuple[list[int], list[int]]) -> None:
    said, truth = (dict(zip("ABCDEFGH", values, strict=False)) for values in groups)
    found = score_of(answer(said), truth)
    ranking, near = reference(said, truth)
    assert found.parts == {"valid": 1, "ranking": pytest.approx(ranking), "score": pytest.approx(near)}
    assert found.score == pytest.approx(ranking + near)
    assert 0 <= found.score <= 2


@given(GROUPS)
def test_the_truth_itself_scores_2(groups: tuple[list[int], list[int]]) -> None:
    truth = dict(zip("ABCDEFGH", groups[0], strict=False))
    assert score_of(answer(truth), truth).score == 2


@given(st.text(alphabet="AB>={}:# \n0123456789Ranking:Scores", max_size=120))
def test_no_text_breaks_it(text: str) -> None:
    assert 0 <= score_of(text, TRUTH).score <= 2


def test_worked_by_hand() -> None:
    # pairs AB, AC, BC; said A 7, B 5, C 6: the tie BC is missed; margins 2, 1, -1 against 3, 3, 0
    found = score_of(answer({"A": 7, "B": 5, "C": 6}), TRUTH)
    assert found.parts == {"valid": 1, "ranking": pytest.approx(2 / 3), "score": pytest.approx((0.6 + 0.2 + 0.6) / 3)}


def test_the_order_inside_a_tie_is_free() -> None:
    assert score_of(answer(TRUTH, "A > C = B"), TRUTH).score == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        answer(TRUTH, reasoning=""),
        answer(TRUTH, "A > B > C"),  # the scores say that B and C are equal
        answer(TRUTH, "B = C > A"),
        answer(TRUTH, "A > B"),
        answer(TRUTH, "A > B = C > A"),
        answer(TRUTH, "A, B, C"),
        answer({"A": 8, "B": 5}),
        answer({"A": 8, "B": 5, "D": 5}),
        answer({"A": 8, "B": 5, "C": 5, "D": 1}),
        answer({"A": 11, "B": 5, "C": 5}),
        answer({"A": 8, "B": -1, "C": -1}),
        answer(TRUTH).replace("B: 5, C: 5", "B: 5, C: 5, C: 5"),
        answer(TRUTH).replace("A: 8", "A: 8.5"),
        answer(TRUTH).replace("A: 8", "A: eight"),
        answer(TRUTH).replace("### Final Ranking:\n", ""),
        answer(TRUTH).replace("### Scores:\n", ""),
        answer(TRUTH) + "\nThat is all.",
    ],
)
def test_what_is_not_as_asked_for_scores_0_and_is_not_valid(text: str) -> None:
    found = score_of(text, TRUTH)
    assert (found.score, found.parts["valid"]) == (0, 0)


@pytest.mark.parametrize("truth", [TRUTH, json.dumps(TRUTH), {**TRUTH, "D": None}])
def test_verls_rows_are_read_and_the_parts_logged(tmp_path: Path, truth: Any) -> None:
    rewards = Rewards(tmp_path, {"type": "ranking_accuracy"})
    columns = {"reward_model": [{"ground_truth": truth, "style": "rule"}] * 2}
    assert rewards.scores([answer(TRUTH), "A"], **columns) == [2, 0]
    assert {name: rewards.mean(name) for name in rewards.logged} == {
        "rewards/ranking_accuracy/valid": 0.5,
        "rewards/ranking_accuracy/ranking": 0.5,
        "rewards/ranking_accuracy/score": 0.5,
    }


@pytest.mark.parametrize(
    "truth", [None, "A", "[1]", {"A": 1}, {"A": "1", "B": 2}, {"ab": 1, "B": 2}, {"A": 1.5, "B": 2}]
)
def test_a_row_without_true_scores_is_named(tmp_path: Path, truth: Any) -> None:
    rewards = Rewards(tmp_path, {"type": "ranking_accuracy", "answer_column": "truth"})
    rewards.check({"truth": TRUTH})
    with pytest.raises(RowError, match="column `truth`"):
        rewards.check({"truth": truth})
