from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import pyplot

from recipe_engine.runtime.picture import draw


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of the panels that are drawn."""
    drawn: list[str] = []
    subplots = pyplot.subplots

    def remember(*arguments: object, **named: object) -> object:
        figure, axes = subplots(*arguments, **named)
        for axis in axes[0]:
            set_title = axis.set_title
            axis.set_title = lambda text, original=set_title: (drawn.append(text), original(text))
        return figure, axes

    monkeypatch.setattr(pyplot, "subplots", remember)
    return drawn


def test_a_panel_is_drawn_for_each_curve_that_was_logged(tmp_path: Path, titles: list[str]) -> None:
    metrics = [{"step": n, "loss": 1 / n, "reward": n, "eval_loss": 1 / n} for n in range(1, 5)]
    assert draw(metrics, tmp_path / "loss.png", "a run")
    assert titles == ["loss", "reward"]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    metrics = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": "nan"}, {"step": 3, "loss": None}, {"step": 4, "time": 5}]
    assert draw(metrics, tmp_path / "loss.png", "a run")


def test_without_any_number_there_is_no_picture(tmp_path: Path) -> None:
    assert not draw([{"step": 1, "train_runtime": 3.0}, {"step": 2, "loss": "nan"}], tmp_path / "loss.png", "a run")
    assert not (tmp_path / "loss.png").exists()


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    metrics = [{"step": n, "loss": 1 / n} for n in range(1, 5)]
    assert draw(metrics, tmp_path / "loss.png", "costs 3$ \\frac{ 4$")
