"""The picture of an evaluation: rewards, lengths and rates of both models, and the intervals of their differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

COLORS = {"base": "#7a7a7a", "candidate": "#1f77b4"}
_RATES = ("eos", "clipped", "well_formed", "repetition")
_MOST_DIFFERENCES = 14


def draw_evaluation(summary: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]], file: Path) -> None:
    """Draw the picture of a summary. What was not measured is left out."""
    panels = [
        panel
        for panel, there in (
            (_rewards, any(row.get("reward") is not None for of_model in rows.values() for row in of_model)),
            (_lengths, any(row.get("completion_tokens") is not None for of_model in rows.values() for row in of_model)),
            (_rates, any("eos" in summary.get(model, {}) for model in COLORS)),
            (_differences, bool(intervals_of(summary.get("difference", {})))),
        )
        if there
    ] or [_numbers]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4), squeeze=False, layout="constrained")
    for panel, axis in zip(panels, axes[0], strict=True):
        panel(axis, summary, rows)
    part = file.with_name(f".{file.name}")
    figure.savefig(part, dpi=120, format="png")
    pyplot.close(figure)
    part.replace(file)


def intervals_of(difference: Mapping[str, Any], prefix: str = "") -> dict[str, Mapping[str, float]]:
    """The values of a difference that have an interval, by their dotted names."""
    found: dict[str, Mapping[str, float]] = {}
    for name, value in difference.items():
        if isinstance(value, Mapping):
            if "low" in value:
                found[f"{prefix}{name}"] = value
            else:
                found |= intervals_of(value, f"{prefix}{name}.")
    return found


def _rewards(axis: Any, summary: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    values = {model: [row["reward"] for row in found if row.get("reward") is not None] for model, found in rows.items()}
    _histogram(axis, values)
    axis.set_title(f"reward of a completion (k = {summary['k']})")
    for model, found in values.items():
        if found:
            axis.axvline(sum(found) / len(found), color=COLORS[model], linestyle="--", linewidth=1)


def _lengths(axis: Any, summary: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    values = {
        model: [row["completion_tokens"] for row in found if row.get("completion_tokens") is not None]
        for model, found in rows.items()
    }
    _histogram(axis, values)
    axis.set_title("tokens of a completion")


def _histogram(axis: Any, values: Mapping[str, Sequence[float]]) -> None:
    everything = [value for found in values.values() for value in found]
    low, high = min(everything), max(everything)
    edges = [low + (high - low or 1.0) * place / 24 for place in range(25)]
    for model, found in values.items():
        if found:
            axis.hist(found, bins=edges, alpha=0.6, label=model, color=COLORS[model])
    axis.set_ylabel("completions")
    axis.legend()


def _rates(axis: Any, summary: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    models = [model for model in COLORS if model in summary]
    names = [name for name in _RATES if any(name in summary[model] for model in models)]
    width = 0.8 / len(models)
    for place, model in enumerate(models):
        left = [number + width * (place - (len(models) - 1) / 2) for number in range(len(names))]
        bars = axis.bar(left, [summary[model].get(name, 0) for name in names], width, label=model, color=COLORS[model])
        axis.bar_label(bars, fmt="%.2f", fontsize=8)
    axis.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
    axis.set_ylim(0, 1.12)
    axis.set_title("share of completions")
    axis.legend()


def _differences(axis: Any, summary: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    found = {
        name: value for name, value in intervals_of(summary["difference"]).items() if not name.startswith("length")
    }
    shown = list(found.items())[:_MOST_DIFFERENCES][::-1]
    for place, (_, value) in enumerate(shown):
        crosses = value["low"] <= 0 <= value["high"]
        axis.plot([value["low"], value["high"]], [place, place], color="#7a7a7a" if crosses else COLORS["candidate"])
        axis.plot([value["value"]], [place], "o", color="#7a7a7a" if crosses else COLORS["candidate"])
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(shown)), [name for name, _ in shown], fontsize=8)
    left = len(found) - len(shown)
    axis.set_title(f"candidate less base, {summary['confidence']:.0%} interval")
    if left > 0:
        axis.set_xlabel(f"{left} more are in the summary")


def _numbers(axis: Any, summary: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Bars of what has no interval: a likelihood or tasks of one model."""
    values = {
        f"{model} {name}": value["mean"] if name == "nll" else next(iter(value.values()))
        for model in COLORS
        for name, value in {
            **({"nll": summary[model]["nll"]} if "nll" in summary.get(model, {}) else {}),
            **summary.get(model, {}).get("tasks", {}),
        }.items()
    }
    bars = axis.barh(list(values), list(values.values()), color=COLORS["candidate"])
    axis.bar_label(bars, fmt="%.3f", padding=3)
    axis.margins(x=0.15)
    axis.set_title("mean negative log-likelihood and tasks")
