"""Whatever a recipe holds, checking it yields findings: never an exception, never a place that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipe_engine.diagnostics.edits import apply_fixes
from recipe_engine.diagnostics.github import render_github
from recipe_engine.diagnostics.json_format import render_json
from recipe_engine.diagnostics.text import render_text
from recipe_engine.lint import Checked, check
from tests.strategies import ANYTHING, broken, plausible

many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes")


def check_tree(folder: Path, tree: Any, gpus: int | None = None) -> Checked:
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(tree, ensure_ascii=False, indent=1), encoding="utf-8")
    return check(file, gpus=gpus)


def demand_sound(checked: Checked) -> None:
    """Every finding can be shown, at a place that exists."""
    for found in checked.diagnostics:
        # A binary file has no text, so its findings are about the file as a whole.
        lines = checked.texts.get(found.span.file, "").split("\n")
        assert 1 <= found.span.line <= found.span.end_line <= len(lines)
        assert 1 <= found.span.column <= len(lines[found.span.line - 1]) + 1
        assert 1 <= found.span.end_column <= len(lines[found.span.end_line - 1]) + 1
        assert found.message
    text = render_text(checked.diagnostics, checked.texts)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(re.findall(r"^\S.*: (?:error|warning|note)\[", text, re.MULTILINE)) == len(checked.diagnostics)
    annotations = render_github(checked.diagnostics)
    assert annotations.count("\n") == max(0, len(checked.diagnostics) - 1)
    assert len(json.loads(render_json(checked.diagnostics, 1))["diagnostics"]) == len(checked.diagnostics)
    assert (checked.recipe is None) == checked.has_errors


@many
@given(tree=broken(), gpus=st.sampled_from([None, 0, 1, 8]))
def test_a_recipe_with_wrong_values_yields_findings(folder: Path, tree: Any, gpus: int | None) -> None:
    demand_sound(check_tree(folder, tree, gpus))


@many
@given(tree=plausible(), gpus=st.sampled_from([None, 0, 1, 8]))
def test_a_recipe_of_fitting_values_yields_findings_or_a_recipe(folder: Path, tree: Any, gpus: int | None) -> None:
    demand_sound(check_tree(folder, tree, gpus))


@many
@given(tree=ANYTHING)
def test_any_tree_yields_findings(folder: Path, tree: Any) -> None:
    checked = check_tree(folder, tree)
    demand_sound(checked)
    assert checked.has_errors


@many
@given(text=st.text(max_size=60) | st.text("-:{}[]\"'&*!|>%@#,? \n\tab1.e_~", max_size=40))
def test_any_text_yields_findings(folder: Path, text: str) -> None:
    file = folder / "text.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    checked = check(file)
    demand_sound(checked)
    assert checked.has_errors


@many
@given(tree=broken())
def test_the_fixes_of_a_readable_recipe_leave_it_readable_and_are_not_offered_again(folder: Path, tree: Any) -> None:
    before = check_tree(folder, tree)
    fixes = [found.fix for found in before.diagnostics if found.fix]
    if before.document is None or not fixes:
        return
    file = folder / "recipe.yaml"
    text, applied = apply_fixes(file.read_text(encoding="utf-8"), fixes)
    assert applied
    file.write_text(text, encoding="utf-8")
    after = check(file)
    assert after.document is not None, after.diagnostics
    again = [found.fix for found in after.diagnostics if found.fix]
    assert not [fix for fix in applied if fix in again]
