"""``# lint: allow CODE`` silences a warning on its line, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.lint import check

RECIPE = """\
model:
  base_model_name: some/model-Instruct
data:
  datasets:
    - name: some/data
training:
  algorithm: sft
  learning_rate: {rate}{comment}
"""


def codes(folder: Path, rate: str, comment: str = "") -> list[str]:
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.format(rate=rate, comment=comment), encoding="utf-8")
    return [found.code for found in check(file).diagnostics]


def test_without_a_comment_the_warning_stands(tmp_path: Path) -> None:
    assert codes(tmp_path, "0.5") == ["L321"]


@pytest.mark.parametrize("comment", ["  # lint: allow L321", "  # lint: allow L301, L321", " #lint:allow L321 (tiny)"])
def test_the_warning_is_silenced_on_its_line(comment: str, tmp_path: Path) -> None:
    assert "L321" not in codes(tmp_path, "0.5", comment)


def test_another_line_is_not_reached(tmp_path: Path) -> None:
    assert codes(tmp_path, "0.5", "\n  seed: 1  # lint: allow L321") == ["L321", "R212"]


def test_an_error_cannot_be_silenced(tmp_path: Path) -> None:
    assert "R203" in codes(tmp_path, '"fast"', "  # lint: allow R203")


def test_an_allowance_that_silences_nothing_is_said(tmp_path: Path) -> None:
    assert codes(tmp_path, "1e-5", "  # lint: allow L321") == ["R212"]


def test_the_recipe_is_usable_with_an_allowance(tmp_path: Path) -> None:
    codes(tmp_path, "0.5", "  # lint: allow L321")
    assert check(tmp_path / "recipe.yaml").recipe is not None
