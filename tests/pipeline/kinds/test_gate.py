"""An evaluation's numbers in, a verdict out: intervals that a bound lies in leave it open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipeline.stage import Row, run, start

SUMMARY: Row = {
    "candidate": {"reward": {"mean": 0.7}, "clipped": 0.1},
    "difference": {"reward": {"mean": {"value": 0.2, "low": 0.05, "high": 0.35}}},
}


def verdict(folder: Path, *conditions: Row) -> tuple[str, list[str]]:
    evaluation = folder / "evaluation"
    evaluation.mkdir(parents=True, exist_ok=True)
    (evaluation / "summary.json").write_text(json.dumps(SUMMARY), encoding="utf-8")
    settings = {"evaluation": str(evaluation), "conditions": list(conditions)}
    summary = run(folder / "gate", "gate", settings).summary
    return summary["verdict"], summary["why"]


MEAN, DIFFERENCE = "candidate.reward.mean", "difference.reward.mean"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([{"metric": MEAN, "at_least": 0.7}], "ready"),
        ([{"metric": MEAN, "at_least": 0.71}], "not_ready"),
        ([{"metric": MEAN, "at_least": 0.5, "at_most": 0.6}], "not_ready"),
        ([{"metric": DIFFERENCE, "at_least": 0.0}], "ready"),
        ([{"metric": DIFFERENCE, "at_least": 0.05}], "ready"),
        ([{"metric": DIFFERENCE, "at_least": 0.1}], "inconclusive"),
        ([{"metric": DIFFERENCE, "at_least": 0.4}], "not_ready"),
        ([{"metric": DIFFERENCE, "at_most": 0.4}], "ready"),
        ([{"metric": DIFFERENCE, "at_most": 0.3}], "inconclusive"),
        ([{"metric": DIFFERENCE, "at_most": 0.01}], "not_ready"),
        ([{"metric": DIFFERENCE, "at_least": 0.1}, {"metric": "candidate.clipped", "at_most": 0.05}], "not_ready"),
        ([{"metric": DIFFERENCE, "at_least": 0.1}, {"metric": MEAN, "at_least": 0}], "inconclusive"),
    ],
)
def test_verdicts(tmp_path: Path, conditions: list[Row], expected: str) -> None:
    assert verdict(tmp_path, *conditions)[0] == expected


def test_it_says_why(tmp_path: Path) -> None:
    _, why = verdict(tmp_path, {"metric": DIFFERENCE, "at_least": 0.1}, {"metric": MEAN, "at_least": 0.9})
    assert why == [
        "difference.reward.mean is 0.2 (0.05 to 0.35): at least 0.1 is left open",
        "candidate.reward.mean is 0.7: at least 0.9 does not hold",
    ]


def test_a_number_that_the_evaluation_lacks_is_an_error_that_lists_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        verdict(tmp_path, {"metric": "candidate.rewrad.mean", "at_least": 0})
    said = capsys.readouterr().err
    assert "no number `candidate.rewrad.mean`" in said
    assert "candidate.reward.mean, candidate.clipped, difference.reward.mean" in said


def test_no_evaluation_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"evaluation": str(tmp_path), "conditions": [{"metric": MEAN, "at_least": 0}]}
    assert start(tmp_path / "gate", "gate", settings) == 1
    assert "summary.json cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "least", "goes_on"),
    [
        ({}, 0.0, True),
        ({}, 0.1, False),
        ({"inconclusive": "continue"}, 0.1, True),
        ({"inconclusive": "continue"}, 0.4, False),
        ({"not_ready": "continue"}, 0.4, True),
    ],
)
def test_whether_the_pipeline_goes_on_is_the_files_choice(
    tmp_path: Path, settings: Row, least: float, goes_on: bool
) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY), encoding="utf-8")
    conditions = [{"metric": DIFFERENCE, "at_least": least}]
    result = run(tmp_path / "gate", "gate", {"evaluation": str(tmp_path), "conditions": conditions, **settings})
    assert result.summary["goes_on"] is goes_on
