"""Writing recipes, checking them, and applying the fixes that findings offer."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from recipe_engine.algorithms import NAMES
from recipe_engine.diagnostics import Diagnostic, Fix
from recipe_engine.lint import Checked, check
from recipe_engine.source import load

FIXTURES = Path(__file__).parent.parent / "fixtures"
GPUS = re.compile(r"# with --num-gpus (\d+)")
BESIDE = re.compile(r"# beside: (\S+) (.*)")


def check_text(folder: Path, text: str, gpus: int | None = None) -> Checked:
    """Check ``text`` as the recipe ``recipe.yaml`` in ``folder``."""
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return check(file, gpus=gpus)


def check_overlay(folder: Path, text: str) -> Checked:
    """Check ``text`` as a recipe that extends the least valid recipe of the algorithm that it names (default: sft).

    Comments in it may set the scene: ``# with --num-gpus 2``, and ``# beside: NAME CONTENT``, a file of one line that
    lies in the same folder.
    """
    gpus = None
    for line in text.splitlines():
        if found := GPUS.fullmatch(line):
            gpus = int(found[1])
        elif found := BESIDE.fullmatch(line):
            (folder / found[1]).write_text(f"{found[2]}\n", encoding="utf-8")
        elif line.startswith("#"):
            raise AssertionError(f"this comment means nothing to the tests: {line}")
    overlay = folder / "overlay.yaml"
    overlay.write_text(text, encoding="utf-8")
    document, _ = load(overlay)
    assert document is not None, text
    training = document.tree.get("training")
    name = training.get("algorithm") if isinstance(training, dict) else None
    shutil.copy(FIXTURES / "bases" / f"{name if name in NAMES else 'sft'}.yaml", folder / "base.yaml")
    return check_text(folder, f"extends: base.yaml\n{text}", gpus)


def codes(checked: Checked) -> list[str]:
    """The codes found, in the order of the file."""
    return [found.code for found in checked.diagnostics]


def only(checked: Checked, code: str) -> Diagnostic:
    """The one finding of ``code``; fails where there is none or there are several."""
    found = [diagnostic for diagnostic in checked.diagnostics if diagnostic.code == code]
    assert len(found) == 1, checked.diagnostics
    return found[0]


def marked(checked: Checked, found: Diagnostic) -> str:
    """The text that a finding on one line points at."""
    assert checked.document is not None
    assert found.span.line == found.span.end_line
    line = checked.document.texts[found.span.file].splitlines()[found.span.line - 1]
    return line[found.span.column - 1 : found.span.end_column - 1]


def fixed(text: str, fix: Fix) -> str:
    """``text`` after the edits of ``fix``."""
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    for edit in sorted(fix.edits, key=lambda edit: edit.span, reverse=True):
        start = starts[edit.span.line - 1] + edit.span.column - 1
        end = starts[edit.span.end_line - 1] + edit.span.end_column - 1
        text = text[:start] + edit.replacement + text[end:]
    return text
