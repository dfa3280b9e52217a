"""The plan of a pipeline, and its state, as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipe_engine.diagnostics.text import counted
from recipe_engine.diagnostics.visible import visible
from recipe_engine.launch.paths import shorten

_MOST_RUNS = 40
"""Instances that are listed one by one."""


def plan_as_text(plan: dict[str, Any]) -> str:
    """Every stage on a line, those of a loop indented; then what would run, and why."""
    device = "the CPU" if plan["gpus"] == 0 else counted(plan["gpus"], "GPU")
    lines = [f"{shorten(plan['pipeline'])} on {device}, seed {plan['seed']}; writes {shorten(plan['output_dir'])}", ""]
    rows = [row for stage in plan["stages"] for row in _rows(stage, 0)]
    widths = [max(len(row[index]) for row in rows) for index in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        lines.append(visible("  ".join([*cells, row[3]]).rstrip()))
    return "\n".join([*lines, "", *_runs(plan["runs"])])


def _rows(stage: dict[str, Any], depth: int) -> Iterator[tuple[str, str, str, str]]:
    yield f"{'  ' * depth}{stage['id']}", stage["kind"], _size(stage), stage["what"]
    for inner in stage.get("stages", []):
        yield from _rows(inner, depth + 1)


def _size(stage: dict[str, Any]) -> str:
    if stage["kind"] in {"loop", "gate"}:
        return ""
    parts = []
    if stage["kind"] == "train":
        if stage["steps"] is not None:
            about = "" if stage["steps_certainty"] == "exact" else f"{stage['steps_certainty']} "
            parts.append(f"{about}{counted(stage['steps'], 'step')}")
        else:
            parts.append("steps unknown yet")
        if stage["processes"] > 1:
            parts.append(f"{stage['processes']} processes")
    elif stage["rows"] is None:
        parts.append("rows unknown yet")
    else:
        about = "" if stage["certainty"] == "exact" else f"{stage['certainty']} "
        parts.append(f"{about}{counted(stage['rows'], 'row')}")
    parts += [f"{shorten(name)} is not there yet" for name in stage["missing"]]
    if stage.get("gpus"):
        parts.append(counted(stage["gpus"], "GPU"))
    return ", ".join(parts)


def _runs(runs: list[dict[str, Any]]) -> Iterator[str]:
    words = {"skip": "complete", "begin": "to run", "go on": "to go on", "replace": "in the way", "open": "to be seen"}
    numbers = {act: sum(run["act"] == act for run in runs) for act in words}
    yield ", ".join(f"{number} {words[act]}" for act, number in numbers.items() if number)
    if numbers["begin"] == len(runs):
        return
    shown = [run for run in runs if run["act"] != "begin"] if len(runs) > _MOST_RUNS else runs
    for run in shown[:_MOST_RUNS]:
        what = "" if run["act"] in {"skip", "begin"} else f"{words[run['act']]}: "
        yield f"  {run['key']}: {what}{run['why']}"
        yield from (f"      {change}" for change in run["changed"][:5])
    if len(shown) > _MOST_RUNS:
        yield f"  and {len(shown) - _MOST_RUNS} more"
