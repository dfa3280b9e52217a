from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.recipe.data import OverlongRows, RowShape
from recipe_engine.runtime.lengths import Limits, OverlongError, fit_preference, fit_prompt, fit_sequence, limits_of
from recipe_engine.runtime.tokenize import IGNORED
from tests.runtime.support import Row, compiled

_ = IGNORED
CUTS: tuple[OverlongRows, ...] = ("left", "right")


def sequence(prompt: int, completion: int) -> Row:
    """Prompt tokens 0, 1, ... and completion tokens 100, 101, ..., of which only the completion is trained."""
    ids = [*range(prompt), *range(100, 100 + completion)]
    return {"input_ids": ids, "labels": [_] * prompt + ids[prompt:], "prompt_length": prompt}


def preference(prompt: int, chosen: int, rejected: int) -> Row:
    """A prompt 0, 1, ...; responses that differ in every token."""
    return {
        "prompt_ids": list(range(prompt)),
        "chosen_ids": list(range(100, 100 + chosen)),
        "rejected_ids": list(range(200, 200 + rejected)),
    }


class TestSequences:
    @pytest.mark.parametrize(
        ("row", "prompt_limit", "overlong", "ids", "labels"),
        [
            (5, None, "left", [2, 3, 100, 101, 102], [_, _, 100, 101, 102]),
            (5, None, "right", [0, 1, 2, 3, 100], [_, _, _, _, 100]),
            (None, 2, "left", [2, 3, 100, 101, 102], [_, _, 100, 101, 102]),
            (None, 2, "right", [0, 1, 100, 101, 102], [_, _, 100, 101, 102]),
            (4, 2, "left", [3, 100, 101, 102], [_, 100, 101, 102]),
            (4, 2, "right", [0, 1, 100, 101], [_, _, 100, 101]),
            (2, None, "left", [101, 102], [101, 102]),
        ],
    )
    def test_a_cut_keeps_exactly_these_tokens(
        self, row: int | None, prompt_limit: int | None, overlong: OverlongRows, ids: list[int], labels: list[int]
    ) -> None:
        fitted = fit_sequence(sequence(4, 3), Limits(row, prompt_limit, overlong))
        assert fitted.row == {"input_ids": ids, "labels": labels}
        assert (fitted.length, fitted.cut) == (7, True)

    def test_a_cut_that_takes_every_trained_token_drops_the_row(self) -> None:
        assert fit_sequence(sequence(4, 3), Limits(4, None, "right")).row is None

    @pytest.mark.parametrize("overlong", ["drop", "error", "left", "right"])
    def test_a_row_at_the_limit_is_left_alone(self, overlong: OverlongRows) -> None:
        fitted = fit_sequence(sequence(4, 3), Limits(7, 4, overlong))
        assert fitted.row is not None
        assert (fitted.row["input_ids"], fitted.cut) == (sequence(4, 3)["input_ids"], False)

    @pytest.mark.parametrize(("row", "prompt"), [(6, None), (None, 3)])
    def test_drop_measures_the_row_before_it_goes(self, row: int | None, prompt: int | None) -> None:
        fitted = fit_sequence(sequence(4, 3), Limits(row, prompt, "drop"))
        assert (fitted.row, fitted.length, fitted.cut) == (None, 7, False)

    def test_an_error_says_which_limit_and_by_how_much(self) -> None:
        with pytest.raises(OverlongError, match=r"it has 7 tokens, over data.max_length \(6\)"):
            fit_sequence(sequence(4, 3), Limits(6, None, "error"))
        with pytest.raises(OverlongError, match=r"its prompt has 4 tokens, over data.max_prompt_length \(3\)"):
            fit_sequence(sequence(4, 3), Limits(6, 3, "error"))

    @given(
        prompt=st.integers(0, 12),
        completion=st.integers(1, 12),
        row=st.none() | st.integers(2, 20),
        prompt_limit=st.none() | st.integers(1, 10),
        overlong=st.sampled_from(["drop", "left", "right"]),
    )
    def test_whatever_the_policy_the_limits_hold_and_labels_stay_with_their_tokens(
        self, prompt: int, completion: int, row: int | None, prompt_limit: int | None, overlong: OverlongRows
    ) -> None:
        given_row = sequence(prompt, completion)
        fitted = fit_sequence(given_row, Limits(row, prompt_limit, overlong))
        over = (row is not None and prompt + completion > row) or (prompt_limit is not None and prompt > prompt_limit)
        assert fitted.length == prompt + completion
        assert over or (fitted.row is not None and fitted.row["input_ids"] == given_row["input_ids"])
        if fitted.row is None:
            assert over
            return
        assert fitted.cut == over
        ids, labels = fitted.row["input_ids"], fitted.row["labels"]
        assert row is None or len(ids) <= row
        assert prompt_limit is None or sum(token < 100 for token in ids) <= prompt_limit
        assert labels == [token if token >= 100 else IGNORED for token in ids]
        assert any(label != IGNORED for label in labels)
        trained = [token for token in ids if token >= 100]
        everything = given_row["input_ids"][prompt:]
        kept = everything[-len(trained) :] if overlong == "left" else everything[: len(trained)]
        assert trained == kept


class TestPreferences:
    @pytest.mark.parametrize(
        ("row", "prompt_limit", "overlong", "prompt", "chosen", "rejected"),
        [
            (6, None, "left", [2, 3], [100, 101], [200, 201, 202, 203]),
            (6, None, "right", [0, 1, 2, 3], [100, 101], [200, 201]),
            (None, 3, "left", [1, 2, 3], [100, 101], [200, 201, 202, 203]),
            (None, 3, "right", [0, 1, 2], [100, 101], [200, 201, 202, 203]),
            (5, 3, "right", [0, 1, 2], [100, 101], [200, 201]),
            (5, 3, "left", [3], [100, 101], [200, 201, 202, 203]),
        ],
    )
    def test_a_cut_keeps_exactly_these_tokens(
        self,
        row: int | None,
        prompt_limit: int | None,
        overlong: OverlongRows,
        prompt: list[int],
        chosen: list[int],
        rejected: list[int],
    ) -> None:
        fitted = fit_preference(preference(4, 2, 4), Limits(row, prompt_limit, overlong))
        assert fitted.row == {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}
        assert (fitted.length, fitted.cut) == (8, True)

    @pytest.mark.parametrize("overlong", CUTS)
    def test_a_row_that_leaves_no_room_is_dropped(self, overlong: OverlongRows) -> None:
        assert fit_preference(preference(4, 4, 4), Limits(4, None, overlong)).row is None

    def test_responses_that_a_cut_makes_the_same_are_dropped(self) -> None:
        row = {"prompt_ids": [0], "chosen_ids": [100, 101, 102], "rejected_ids": [100, 101, 202]}
        assert fit_preference(row, Limits(3, None, "right")).row is None

    def test_an_error_counts_the_longer_response(self) -> None:
        with pytest.raises(OverlongError, match="it has 8 tokens"):
            fit_preference(preference(4, 2, 4), Limits(7, None, "error"))

    @given(
        lengths=st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(1, 9)),
        row=st.none() | st.integers(2, 16),
        prompt_limit=st.none() | st.integers(1, 8),
        overlong=st.sampled_from(["drop", "left", "right"]),
    )
    def test_whatever_the_policy_the_limits_hold_for_both_responses(
        self, lengths: tuple[int, int, int], row: int | None, prompt_limit: int | None, overlong: OverlongRows
    ) -> None:
        given_row = preference(*lengths)
        fitted = fit_preference(given_row, Limits(row, prompt_limit, overlong))
        longest = lengths[0] + max(lengths[1:])
        over = (row is not None and longest > row) or (prompt_limit is not None and lengths[0] > prompt_limit)
        assert fitted.length == longest
        if fitted.row is None:
            assert over
            return
        assert fitted.cut == over
        prompt, chosen, rejected = (fitted.row[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids"))
        assert row is None or len(prompt) + max(len(chosen), len(rejected)) <= row
        assert prompt_limit is None or len(prompt) <= prompt_limit
        assert chosen
        assert rejected
        assert chosen == given_row["chosen_ids"][: len(chosen)]
        assert rejected == given_row["rejected_ids"][: len(rejected)]
        if overlong == "left":
            assert (chosen, rejected) == (given_row["chosen_ids"], given_row["rejected_ids"])
            assert prompt == given_row["prompt_ids"][len(given_row["prompt_ids"]) - len(prompt) :]
        else:
            assert prompt == given_row["prompt_ids"][: len(prompt)]


class TestPrompts:
    ROW = {"row": {"prompt": "q", "answer": 4}, "prompt_length": 5}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("overlong", "row", "cut"),
        [("drop", None, False), ("left", ROW["row"], True), ("right", ROW["row"], True)],
    )
    def test_a_prompt_over_the_limit_is_dropped_or_left_for_the_trainer_to_cut(
        self, overlong: OverlongRows, row: Any, cut: bool
    ) -> None:
        fitted = fit_prompt(self.ROW, Limits(None, 4, overlong))
        assert (fitted.row, fitted.length, fitted.cut) == (row, 5, cut)

    def test_a_prompt_at_the_limit_is_left_alone(self) -> None:
        fitted = fit_prompt(self.ROW, Limits(None, 5, "error"))
        assert (fitted.row, fitted.cut) == (self.ROW["row"], False)

    def test_an_error_names_the_limit(self) -> None:
        with pytest.raises(OverlongError, match="its prompt has 5 tokens"):
            fit_prompt(self.ROW, Limits(None, 4, "error"))


@pytest.mark.parametrize(
    ("algorithm", "shape", "data", "training", "expected"),
    [
        ("sft", "text", {"max_length": 64}, {}, Limits(64, None, "drop")),
        ("sft", "text", {"max_length": 64, "max_prompt_length": 9, "overlong_rows": "left"}, {}, Limits(64, 9, "left")),
        ("dpo", "preference", {"max_length": 64}, {}, Limits(64, None, "drop")),
        ("sft", "text", {"max_length": 64}, {"packing": True}, Limits(64, None, "drop")),
        ("cpt", "text", {"max_length": 64}, {}, Limits(None, None, "drop")),
        ("cpt", "text", {"max_length": 64, "overlong_rows": "error"}, {}, Limits(64, None, "error")),
        ("cpt", "text", {"max_length": 64}, {"packing_strategy": "bfd"}, Limits(64, None, "drop")),
        ("grpo", "prompt", {"max_length": 64}, {}, Limits(None, 32, "drop")),
        ("grpo", "prompt", {"max_length": 64, "max_prompt_length": 20}, {}, Limits(None, 20, "drop")),
        ("grpo", "prompt", {"max_length": 64}, {"max_completion_length": 50}, Limits(None, 14, "drop")),
    ],
)
def test_the_limits_follow_from_the_recipe(
    tmp_path: Path, algorithm: str, shape: RowShape, data: Row, training: Row, expected: Limits
) -> None:
    rewards = {"rewards": [{"type": "length", "max": 5}]} if algorithm == "grpo" else {}
    run = compiled(tmp_path, algorithm, {"name": "rows.jsonl"}, data=data, training=training, **rewards)
    assert limits_of(run, shape) == expected
