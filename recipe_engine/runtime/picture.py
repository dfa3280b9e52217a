"""loss.png: the curves of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PANELS = (("loss", "eval_loss"), ("reward", "eval_reward"), ("rewards/accuracies", "eval_rewards/accuracies"))
"""A panel each, with the training and the evaluation curve; a panel without numbers is left out."""


def draw(metrics: Sequence[dict[str, Any]], path: Path, title: str) -> bool:
    """Draw what was logged. Returns whether there was anything to draw."""
    panels = [panel for panel in PANELS if any(_points(metrics, name) for name in panel)]
    if not panels:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    figure, axes = pyplot.subplots(1, len(panels), figsize=(5.5 * len(panels), 3.8), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        for name in panel:
            points = _points(metrics, name)
            if points:
                steps, values = zip(*points, strict=True)
                axis.plot(steps, values, label=name, marker="o" if len(points) < 40 else None, markersize=3)
        axis.set_xlabel("optimizer step")
        axis.set_title(panel[0])
        axis.grid(alpha=0.3)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(axis.lines) > 1:
            axis.legend()
    figure.suptitle(title, parse_math=False)  # a `$` in a name is no formula
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return True


def _points(metrics: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(entry["step"], float(entry[name])) for entry in metrics if isinstance(entry.get(name), int | float)]
