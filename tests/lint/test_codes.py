"""The examples in the documentation of R and D codes do what they say, run as recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.data.codes import CODES as DATA
from recipe_engine.lint.codes import CODES as SHAPE
from recipe_engine.lint.data import check_data
from recipe_engine.lint.docs import Example, parse

from .support import check_overlay

# Only training can tell: it takes the model's tokenizer.
NOT_FOUND_BY_LINT = {"D409"}
EXAMPLES = [
    pytest.param(code, example, id=f"{code}-{'passes' if example.passes else 'fails'}-{number}")
    for code, text in {**SHAPE, **DATA}.items()
    for number, example in enumerate(parse(text).examples, start=1)
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("code", "example"), EXAMPLES)
def test_an_example_gives_the_finding_or_not_as_documented(code: str, example: Example, tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, example.text)
    found = [*checked.diagnostics, *check_data(checked)]
    given = {diagnostic.code for diagnostic in found}
    if code.startswith("D"):
        assert checked.recipe is not None, found
    if code in NOT_FOUND_BY_LINT:
        assert code not in given
        return
    assert (code in given) == (not example.passes), found
    errors = {diagnostic.code for diagnostic in found if diagnostic.severity == "error"}
    assert errors <= (set() if example.passes else {code}), found


@pytest.mark.parametrize(("code", "example"), EXAMPLES)
def test_a_finding_is_as_severe_as_documented_or_milder(code: str, example: Example, tmp_path: Path) -> None:
    order = ["note", "warning", "error"]
    checked = check_overlay(tmp_path, example.text)
    documented = parse({**SHAPE, **DATA}[code]).severity
    for diagnostic in [*checked.diagnostics, *check_data(checked)]:
        if diagnostic.code == code:
            assert order.index(diagnostic.severity) <= order.index(documented)
