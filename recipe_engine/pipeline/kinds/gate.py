"""The gate stage: whether the numbers of an evaluation are within their bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from recipe_engine.compiled_stage import CompiledStage, StageResult
from recipe_engine.data.errors import DataError
from recipe_engine.recipe.stages.gate import Condition, GateStage

SUMMARY = "summary.json"
Verdict = Literal["ready", "not_ready", "inconclusive"]


def run(compiled: CompiledStage, say: Callable[[str], None]) -> StageResult:
    """Judge the summary of an evaluation. The result's summary holds the ``verdict``, ``why``, and whether the pipeline
    ``goes_on``.

    Raises:
        DataError: there is no such summary, or it lacks a number.
    """
    stage = compiled.stage
    assert isinstance(stage, GateStage)
    summary = _summary(Path(stage.evaluation))
    judged = [judge(condition, number_at(summary, condition.metric)) for condition in stage.conditions]
    for _, line in judged:
        say(line)
    verdict = _worst(one for one, _ in judged)
    goes_on = verdict == "ready" or getattr(stage, verdict) == "continue"
    say(f"{stage.id}: {verdict.replace('_', ' ')}; the pipeline {'goes on' if goes_on else 'stops'}")
    return StageResult(
        rows_in=0,
        rows_out=0,
        splits={},
        dropped={},
        summary={
            "verdict": verdict,
            "goes_on": goes_on,
            "why": [line for one, line in judged if one != "ready"] or ["all conditions hold"],
        },
    )


def judge(condition: Condition, value: tuple[float, float, float]) -> tuple[Verdict, str]:
    """Whether a number holds a condition, and the sentence that says so.

    ``value`` is the number with the ends of its interval, which are the number itself where it has none. All of an
    interval within the bounds is ready, all of it outside of one is not; one that a bound lies in leaves it open.
    """
    number, low, high = value
    shown = f"{condition.metric} is {number:.4g}" + (f" ({low:.4g} to {high:.4g})" if low != high else "")
    bounds, verdicts = [], set[Verdict]()
    if condition.at_least is not None:
        bounds.append(f"at least {condition.at_least:g}")
        verdicts.add(_within(low - condition.at_least, high - condition.at_least))
    if condition.at_most is not None:
        bounds.append(f"at most {condition.at_most:g}")
        verdicts.add(_within(condition.at_most - high, condition.at_most - low))
    verdict = _worst(verdicts)
    means = {"ready": "holds", "not_ready": "does not hold", "inconclusive": "is left open"}[verdict]
    return verdict, f"{shown}: {' and '.join(bounds)} {means}"


def _within(least: float, most: float) -> Verdict:
    """What an interval of distances to a bound says, of which those from 0 on are on its right side."""
    return "ready" if least >= 0 else "not_ready" if most < 0 else "inconclusive"


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    found = set(verdicts)
    return "not_ready" if "not_ready" in found else "inconclusive" if "inconclusive" in found else "ready"


def number_at(summary: Mapping[str, Any], metric: str) -> tuple[float, float, float]:
    """A number of a summary by its dotted name, with the ends of its interval.

    Raises:
        DataError: there is no number of that name.
    """
    found: Any = summary
    for part in metric.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping) and {"value", "low", "high"} <= found.keys():
        return float(found["value"]), float(found["low"]), float(found["high"])
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(found), float(found), float(found)
    known = ", ".join(_numbers(summary))
    raise DataError("D403", f"the evaluation has no number `{metric}`", setting="metric", hint=f"it has: {known}")


def _numbers(summary: Mapping[str, Any], before: str = "") -> list[str]:
    names = []
    for name, value in summary.items():
        if isinstance(value, Mapping) and not {"value", "low", "high"} <= value.keys():
            names += _numbers(value, f"{before}{name}.")
        elif isinstance(value, Mapping | int | float) and not isinstance(value, bool):
            names.append(f"{before}{name}")
    return names


def _summary(folder: Path) -> dict[str, Any]:
    file = folder / SUMMARY
    try:
        summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("D401", f"{file} cannot be read: {error}") from error
    return summary
