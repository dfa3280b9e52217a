from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.overlong import penalty

from .support import scores


def reference(length: int, longest: int, buffer: int, factor: Fraction) -> Fraction:
    """arXiv 2503.14476, equation 13, by its cases, but not cut off below; ``factor`` is verl's."""
    if length <= longest - buffer:
        return Fraction(0)
    return Fraction((longest - buffer) - length, buffer) * factor


@given(st.integers(0, 5000), st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 8))
def test_it_is_the_papers_penalty(length: int, longest: int, buffer: int, quarters: int) -> None:
    if buffer > longest:
        return
    factor = Fraction(quarters, 4)
    expected = reference(length, longest, buffer, factor)
    assert penalty(length, longest, buffer, float(factor), clamp=False) == pytest.approx(float(expected), abs=1e-12)
    assert penalty(length, longest, buffer, float(factor), clamp=True) == pytest.approx(
        float(max(expected, -factor)), abs=1e-12
    )


@pytest.mark.parametrize(
    ("length", "expected"), [(0, 0), (2176, 0), (2177, -1 / 1024), (2688, -0.5), (3200, -1), (4096, -1.875)]
)
def test_grrms_settings_are_not_clamped(tmp_path: Path, length: int, expected: float) -> None:
    reward = {"type": "overlong_penalty", "max_resp_len": 3200, "buffer": 1024, "factor": 1.0}
    assert scores_of(tmp_path, reward, length, max_completion_length=4096) == pytest.approx(expected)
    assert scores_of(tmp_path, {**reward, "clamp": True}, length, max_completion_length=4096) == max(expected, -1)


def test_lengths_come_from_the_run_where_none_are_given(tmp_path: Path) -> None:
    assert scores_of(tmp_path, {"type": "overlong_penalty"}, 80, max_completion_length=100) == 0
    assert scores_of(tmp_path, {"type": "overlong_penalty"}, 90, max_completion_length=100) == pytest.approx(-0.5)


def test_a_buffer_over_the_runs_length_is_told(tmp_path: Path) -> None:
    with pytest.raises((RunError, AssertionError), match="buffer is 300"):
        scores_of(tmp_path, {"type": "overlong_penalty", "buffer": 300}, 1, max_completion_length=100)


def scores_of(folder: Path, reward: dict[str, Any], length: int, **training: Any) -> float:
    from .support import Rewards

    (score,) = Rewards(folder, reward, training=training, data={"max_length": 8192}).scores(
        [""], completion_ids=[[0] * length]
    )
    assert score is not None
    return score


def test_an_empty_response_is_not_punished(tmp_path: Path) -> None:
    assert scores(tmp_path, {"type": "overlong_penalty"}, [""], completion_ids=[[]]) == [0]
