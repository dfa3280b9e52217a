"""What an evaluation measures, against small references."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.stages.bootstrap import interval, ratio
from recipe_engine.runtime.stages.measures import Group, groups_of, measures, percentile, repetition


def row(completion: str = "a", reward: float | None = 0.0, **more: Any) -> dict[str, Any]:
    made = {"prompt_id": "p", "completion": completion, "finish_reason": "stop", "reward": reward, **more}
    return {"completion_tokens": len(completion), **made}


class TestRepetition:
    @pytest.mark.parametrize(
        ("text", "share"),
        [
            ("", 0.0),
            ("one two three", 0.0),
            ("one two three four", 0.0),
            ("a b c d a b c d", 1 / 5),  # five 4-grams, of which "a b c d" stands twice
            ("no no no no no no", 2 / 3),
            ("同同同同同同", 2 / 3),  # without white space, characters are counted
            ("7", 0.0),
        ],
    )
    def test_is_the_share_of_four_grams_that_were_there_before(self, text: str, share: float) -> None:
        assert repetition(text) == pytest.approx(share)


class TestMeasuresOfAPrompt:
    def test_rates(self) -> None:
        rows = [row("<think>a</think>b"), row("<think>a", finish_reason="length"), row(), row("<think></think>b")]
        made = measures(Group("p", None, rows), ThinkingBlock(), 0.0)
        assert made["eos"] == (3, 4)
        assert made["clipped"] == (1, 4)
        assert made["well_formed"] == (2, 4)
        assert made["length.mean"] == (17 + 8 + 1 + 16, 4)

    def test_mean_and_best_of_those_that_a_reward_applied_to(self) -> None:
        scores = [{"right": 1.0, "short": None}, {"right": 0.0, "short": None}, {"right": 0.5, "short": 0.25}]
        rows = [row(reward=reward, rewards=one) for reward, one in zip((1.0, None, 0.75), scores, strict=True)]
        made = measures(Group("p", None, rows), None, 1.0)
        assert made["reward.mean"] == (0.875, 1.0)
        assert made["reward.best"] == (1.0, 1.0)
        assert made["rewards.right.mean"] == (0.5, 1.0)
        assert made["rewards.short.mean"] == made["rewards.short.best"] == (0.25, 1.0)
        assert "reward.mean" not in measures(Group("p", None, [row(reward=None)]), None, None)

    @pytest.mark.parametrize(
        ("rewards", "differ", "zero", "maximal"),
        [([0, 1], 1, 0, 0), ([0, 0], 0, 1, 0), ([1, 1], 0, 0, 1), ([0.5, 0.5], 0, 0, 0)],
    )
    def test_whether_a_group_has_something_to_learn(
        self, rewards: list[float], differ: int, zero: int, maximal: int
    ) -> None:
        made = measures(Group("p", None, [row(reward=float(reward)) for reward in rewards]), None, 1.0)
        names = ("groups.differ", "groups.all_zero", "groups.all_maximal")
        assert [made[name][0] for name in names] == [differ, zero, maximal]


def test_rows_are_grouped_by_prompt_and_source() -> None:
    rows = [row(prompt_id="a", data_source="x"), row(prompt_id="b"), row(prompt_id="a", data_source="x")]
    groups = groups_of(rows, "data_source")
    assert [(key, one.source, len(one.rows)) for key, one in groups.items()] == [("a", "x", 2), ("b", None, 1)]


def test_percentiles_are_values_that_are_there() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 1.0)] == [50, 95, 100]
    assert percentile([3.0], 0.5) == 3


class TestTheInterval:
    def parts(self, prompts: int = 40) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """A base and a candidate that is better by about 0.1, on prompts that differ by far more."""
        rng = random.Random(1)
        hardness = [rng.random() * 5 for _ in range(prompts)]
        base = [(hard + rng.gauss(0, 0.05), 1.0) for hard in hardness]
        return base, [(hard + 0.1 + rng.gauss(0, 0.05), 1.0) for hard in hardness]

    def test_is_that_of_a_plain_loop(self) -> None:
        base, candidate = self.parts()
        rng = random.Random(2)
        values = []
        for _ in range(4000):
            drawn = [rng.randrange(40) for _ in range(40)]
            values.append(ratio([candidate[n] for n in drawn]) - ratio([base[n] for n in drawn]))
        values.sort()
        low, high = interval(base, candidate, 4000, 0.95, seed=0)
        assert low == pytest.approx(values[100], abs=3e-3)
        assert high == pytest.approx(values[3900], abs=3e-3)
        assert low == interval(base, candidate, 4000, 0.95, seed=0)[0]
        assert low != interval(base, candidate, 4000, 0.95, seed=1)[0]

    def test_is_paired(self) -> None:
        base, candidate = self.parts()
        low, high = interval(base, candidate, 2000, 0.95, seed=0)
        assert 0 < low < 0.1 < high < 0.2
        mixed = candidate[20:] + candidate[:20]  # the same answers, of other prompts
        wide_low, wide_high = interval(base, mixed, 2000, 0.95, seed=0)
        assert wide_high - wide_low > 5 * (high - low)

    def test_weighs_prompts_by_their_denominators(self) -> None:
        base = [(1.0, 1.0), (90.0, 9.0)]
        low, high = interval(base, base, 500, 0.9, seed=0)
        assert (low, high) == (0.0, 0.0)
        assert ratio(base) == pytest.approx(9.1)

    def test_covers_the_truth_as_often_as_it_says(self) -> None:
        rng = random.Random(3)
        covered = 0
        for seed in range(200):
            base = [(rng.gauss(0, 1), 1.0) for _ in range(60)]
            candidate = [(value + rng.gauss(0.3, 1), 1.0) for value, _ in base]
            low, high = interval(base, candidate, 300, 0.9, seed)
            covered += low <= 0.3 <= high
        assert math.isclose(covered / 200, 0.9, abs_tol=0.07)
