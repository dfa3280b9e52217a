"""GRRM's rows: the form that is taught is the form that the reward reads, and augmentation keeps texts and scores."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.pipeline.prepare.ranking import Group, analysis_of, question, verdict
from recipe_engine.runtime.rewards.ranking import score_of
from tests.pipeline.stage import Row, prepared, rows_file, start

ROW: Row = {
    "src_text": "Guten Tag",
    "src_lang": "de",
    "trg_lang": "en",
    "mt_texts": ["Good day", "Hello", "Goodbye", "Tag"],
    "scores": [9, 9, 3, 0],
    "analysis": "A is right, B too. C says the opposite.\nD is not translated.\nRanking: A, B, C, D",
}


def test_sft_rows_teach_the_analysis_and_a_verdict_that_scores_full_marks(tmp_path: Path) -> None:
    (row,) = prepared(tmp_path, [ROW], {"do": "ranking_sft"})["rows"]
    asked, answer = (turn["content"] for turn in row["messages"])
    assert "a text in German" in asked
    assert "into English" in asked
    assert "Translation D:\n```\nTag\n```" in asked
    assert answer.startswith("A is right, B too. C says the opposite.\nD is not translated.\n\n### Final Ranking:")
    assert "A = B > C > D" in answer
    assert "{A: 9, B: 9, C: 3, D: 0}" in answer
    assert score_of(answer, {"A": 9, "B": 9, "C": 3, "D": 0}).score == 2.0


def test_rl_rows_are_the_group_its_orders_and_its_subgroups(tmp_path: Path) -> None:
    """With 4 candidates and 4 and 4 an item gives up to 25 rows (verl-grrm): 5 groups in 5 orders, but 2! of pairs."""
    step = {"do": "ranking_rl", "shuffle_augment": 4, "subgroup_augment": 4}
    rows = prepared(tmp_path, [ROW], step)["rows"]
    score = dict(zip(ROW["mt_texts"], ROW["scores"], strict=True))
    sizes = []
    for row in rows:
        texts = re.findall(r"Translation ([A-H]):\n```\n(.*?)\n```", row["prompt"][0]["content"])
        truth = json.loads(row["reward_model"]["ground_truth"])
        assert truth == {letter: score[text] for letter, text in texts}
        assert list(truth) == list("ABCD"[: len(texts)])
        sizes.append(len(texts))
    assert rows[0]["prompt"][0]["content"] == question(
        Group("Guten Tag", ("German", "English"), tuple(ROW["mt_texts"]), tuple(ROW["scores"]))
    )
    contents = [row["prompt"][0]["content"] for row in rows]
    assert len(set(contents)) == len(contents)
    assert sizes.count(4) == 5
    assert sizes.count(3) in range(0, 21)
    assert [row["extra_info"]["variant"] for row in rows] == list(range(len(rows)))
    assert {row["data_source"] for row in rows} == {"ranking"}
    assert rows == prepared(tmp_path / "again", [ROW], step)["rows"]


def test_no_augmentation_is_one_row_and_a_pair_has_no_subgroups(tmp_path: Path) -> None:
    assert len(prepared(tmp_path / "a", [ROW], {"do": "ranking_rl"})["rows"]) == 1
    pair = {**ROW, "mt_texts": ["a", "b"], "scores": [1, 2]}
    step = {"do": "ranking_rl", "shuffle_augment": 9, "subgroup_augment": 9}
    assert len(prepared(tmp_path / "b", [pair], step)["rows"]) == 2


@given(st.lists(st.integers(0, 10), min_size=2, max_size=8))
def test_every_verdict_is_read_back_as_the_truth(scores: list[int]) -> None:
    group = Group("s", ("German", "English"), tuple(map(str, range(len(scores)))), tuple(scores))
    truth = dict(zip("ABCDEFGH", scores, strict=False))
    assert score_of(f"Because of this and that.\n\n{verdict(group)}", truth).score == 2.0
    wrong = dict(zip("ABCDEFGH", reversed(scores), strict=False))
    agree = all((truth[a] - truth[b]) == (wrong[a] - wrong[b]) for a, b in combinations(truth, 2))
    assert (score_of(f"Reasons.\n\n{verdict(group)}", wrong).score == 2.0) == agree


def test_an_analysis_loses_its_last_line_only_where_that_is_the_verdict() -> None:
    assert analysis_of("Good.\nFinal scores: 1 2") == "Good."
    assert analysis_of(" Good.\nBad. ") == "Good.\nBad."


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"scores": [1, 2]}, "holds 2 scores of 4 translations"),
        ({"scores": [1, 2, 3, 11]}, "holds 11, which is not a whole number from 0 to 10"),
        ({"scores": [1, 2, 3, 2.5]}, "holds 2.5"),
        ({"scores": [1, 2, 3, True]}, "holds True"),
        ({"mt_texts": ["a"], "scores": [1]}, "holds 1 translations; 2 to 8 are ranked"),
        ({"mt_texts": ["a", " ", "c", "d"]}, "mt_texts[1]` is empty"),
        ({"src_lang": None}, "src_lang` is missing"),
    ],
)
def test_a_row_that_cannot_be_ranked_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Row, why: str
) -> None:
    source = rows_file(tmp_path, [ROW, {**ROW, **change}])
    assert start(tmp_path / "out", "prepare", {"rows": source, "steps": [{"do": "ranking_rl"}]}) == 1
    said = capsys.readouterr().err
    assert "row 2" in said
    assert why in said
