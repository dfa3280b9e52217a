"""Scored completions in, rows to train on out: for each way to choose, what is taken, what is dropped, what is said."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.pipeline.stage import Row, rows_of, run, scored, start

REWARDS = {"a": [1.0, 3.0, 3.0], "b": [2.0, 2.0], "c": [0.0, None, -1.0]}


def rows(rewards: dict[str, list[float | None]] | None = None, **more: object) -> list[Row]:
    return [
        {
            "prompt_id": prompt,
            "prompt": f"ask {prompt}",
            "sample_idx": index,
            "completion": f"{prompt}{index}",
            "finish_reason": "stop",
            "reward": reward,
            "answer": "kept",
            **more,
        }
        for prompt, group in (rewards or REWARDS).items()
        for index, reward in enumerate(group)
    ]


def chosen(folder: Path, how: str, given: list[Row] | None = None, **settings: object) -> tuple[list[Row], Row, Row]:
    """The rows, the counts of what was dropped, and the summary."""
    source = scored(folder / "scored", given if given is not None else rows())
    result = run(folder / "out", "select", {"rows": source, "how": how, **settings})
    assert result.rows_in == len(given if given is not None else rows())
    return rows_of(folder / "out"), dict(result.dropped), result.summary


def test_best_of_n_takes_the_first_of_the_best(tmp_path: Path) -> None:
    taken, dropped, summary = chosen(tmp_path, "best_of_n")
    assert [row["completion"] for row in taken] == ["a1", "b0", "c0"]
    assert all(row["answer"] == "kept" for row in taken)
    assert dropped == {"not the best of its group": 4, "no reward": 1}
    assert summary["mean_chosen_reward"] == pytest.approx(5 / 3)
    assert summary["mean_reward"] == pytest.approx(10 / 7)


def test_best_worst_makes_pairs_and_counts_ties(tmp_path: Path) -> None:
    taken, dropped, summary = chosen(tmp_path, "best_worst")
    pairs = [(row["chosen"], row["rejected"], row["chosen_reward"], row["rejected_reward"]) for row in taken]
    assert pairs == [("a1", "a0", 3.0, 1.0), ("c0", "c2", 0.0, -1.0)]
    assert all("completion" not in row and row["answer"] == "kept" for row in taken)
    assert dropped["of a group without a difference"] == 2
    assert dropped["neither the best nor the worst"] == 1
    assert summary["groups_without_a_difference"] == 1


def test_threshold_and_top_k_choose_among_all_rows(tmp_path: Path) -> None:
    taken, dropped, _ = chosen(tmp_path / "t", "threshold", at_least=2.0)
    assert [row["completion"] for row in taken] == ["a1", "a2", "b0", "b1"]
    assert dropped["reward under 2"] == 3
    taken, dropped, _ = chosen(tmp_path / "k", "top_k", k=3)
    assert [row["completion"] for row in taken] == ["a1", "a2", "b0"]
    assert dropped["not among the best 3"] == 4


def test_conditional_puts_the_reward_into_the_prompt(tmp_path: Path) -> None:
    taken, _, _ = chosen(tmp_path / "plain", "conditional")
    assert taken[0]["prompt"] == "ask a <rm_score>: 1.00 "
    chat = [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in rows()]
    taken, _, summary = chosen(tmp_path / "chat", "conditional", chat, normalize=True, template="{reward:.3f} {prompt}")
    values = [reward for group in REWARDS.values() for reward in group if reward is not None]
    expected = (1.0 - statistics.mean(values)) / statistics.stdev(values)
    assert taken[0]["prompt"] == [{"role": "user", "content": f"{expected:.3f} ask a"}]
    assert statistics.mean(row["conditioned_on"] for row in taken) == pytest.approx(0, abs=1e-12)
    assert summary["deviation"] == pytest.approx(statistics.stdev(values))


def test_difficulty_keeps_prompts_that_are_passed_now_and_then(tmp_path: Path) -> None:
    rewards = {"easy": [1.0, 1.0, 1.0], "hard": [0.0, 0.0, 0.0], "right": [1.0, 0.0, 0.0]}
    taken, dropped, _ = chosen(tmp_path, "difficulty", rows(rewards))  # type: ignore[arg-type]
    assert [(row["prompt"], row["pass_rate"]) for row in taken] == [("ask right", 1 / 3)]
    assert "completion" not in taken[0]
    assert (dropped["too easy"], dropped["too hard"]) == (3, 3)


def test_what_is_left_out_before_is_counted_by_its_reason(tmp_path: Path) -> None:
    given = rows()
    given[0]["finish_reason"] = "length"
    given[3]["completion"] = "b" * 50
    taken, dropped, _ = chosen(tmp_path, "best_of_n", given, finished_only=True, max_chars=10, min_group=2)
    assert [row["completion"] for row in taken] == ["a1", "c0"]
    assert dropped["cut at its most tokens"] == 1
    assert dropped["longer than 10 characters"] == 1
    assert dropped["group of fewer than 2"] == 1


def test_rows_of_earlier_iterations_join_their_prompts(tmp_path: Path) -> None:
    earlier = scored(tmp_path / "earlier", rows({"a": [9.0]}))
    now = scored(tmp_path / "now", rows({"a": [1.0], "b": [2.0]}))
    settings = {"rows": now, "how": "best_of_n", "iterations": "all"}
    result = run(tmp_path / "out", "select", settings, merged_rows=[earlier])
    assert result.rows_in == 3
    assert [(row["prompt_id"], row["reward"]) for row in rows_of(tmp_path / "out")] == [("a", 9.0), ("b", 2.0)]


def test_parts_of_the_reward_can_decide(tmp_path: Path) -> None:
    given = [{**row, "rewards": {"format": -(row["reward"] or 0)}} for row in rows()]
    taken, _, _ = chosen(tmp_path, "best_of_n", given, reward_column="rewards.format")
    assert [row["completion"] for row in taken] == ["a0", "b0", "c2"]


def test_an_eval_split_has_prompts_of_its_own(tmp_path: Path) -> None:
    given = rows({str(number): [1.0, 2.0] for number in range(400)})
    taken, _, _ = chosen(tmp_path, "threshold", given, eval_share=0.25, shuffle=True)
    held_out = rows_of(tmp_path / "out", "eval")
    train, evaluation = {row["prompt_id"] for row in taken}, {row["prompt_id"] for row in held_out}
    assert not train & evaluation
    assert len(taken) + len(held_out) == 800
    assert 60 < len(evaluation) < 140


@pytest.mark.parametrize(
    ("change", "why"),
    [({"reward": "high"}, "holds 'high', which is no number"), ({"reward": True}, "holds True")],
)
def test_a_reward_that_is_no_number_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Row, why: str
) -> None:
    source = scored(tmp_path / "scored", rows(**change))
    assert start(tmp_path / "out", "select", {"rows": source, "how": "best_of_n"}) == 1
    assert why in capsys.readouterr().err


def test_rows_without_prompt_ids_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = scored(tmp_path / "scored", [{"prompt": "a", "completion": "b", "reward": 1.0}])
    assert start(tmp_path / "out", "select", {"rows": source, "how": "best_of_n"}) == 1
    assert "lacks the column `prompt_id`" in capsys.readouterr().err


def test_empty_completions_are_left_out_for_nothing_of_them_could_be_trained_on(tmp_path: Path) -> None:
    given = rows({"a": [1.0, 0.0], "b": [1.0, 0.0]})
    given[1]["completion"] = " \n"
    given[3]["completion"] = [{"role": "assistant", "content": ""}]
    taken, dropped, _ = chosen(tmp_path, "threshold", given, at_least=0)
    assert [row["completion"] for row in taken] == ["a0", "b0"]
    assert dropped == {"empty": 2}


def test_rows_that_no_generate_stage_made_are_chosen_among_one_by_one(tmp_path: Path) -> None:
    given = [{"prompt": "same", "completion": f"{number}", "reward": float(number)} for number in range(4)]
    taken, _, _ = chosen(tmp_path, "top_k", given, k=2)
    assert [row["completion"] for row in taken] == ["2", "3"]
