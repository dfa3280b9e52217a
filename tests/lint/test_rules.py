"""Every rule does what its documentation says: the examples in the docstrings, run as recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

import recipe_engine.lint.rules as package
from recipe_engine.algorithms import NAMES
from recipe_engine.lint import check
from recipe_engine.lint.docs import Example, parse
from recipe_engine.lint.rule import Rule
from recipe_engine.lint.rules import MODULES, RULES

from .support import FIXTURES, check_overlay, codes, fixed

EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.code}-{rule.name}-{'passes' if example.passes else 'fails'}-{number}")
    for rule in RULES
    for number, example in enumerate(parse(rule.text).examples, start=1)
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_recipes_that_examples_are_laid_over_have_no_findings(name: str) -> None:
    checked = check(FIXTURES / "bases" / f"{name}.yaml")
    assert checked.diagnostics == ()
    assert checked.recipe is not None


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_an_example_gives_the_finding_or_not_as_documented(rule: Rule, example: Example, tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, example.text)
    errors = {found.code for found in checked.diagnostics if found.severity == "error"}
    assert (rule.code in codes(checked)) == (not example.passes), checked.diagnostics
    assert errors <= (set() if example.passes else {rule.code}), checked.diagnostics


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_finding_has_a_place_and_says_what_to_write(rule: Rule, example: Example, tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, example.text)
    assert checked.document is not None
    for found in checked.diagnostics:
        if found.code == rule.code:
            assert found.span != checked.document.value_span(()), "a rule is about a key, not about the whole recipe"
            assert found.hint, found


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_fix_removes_the_finding_and_brings_no_new_one(rule: Rule, example: Example, tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, example.text)
    for found in checked.diagnostics:
        if found.code == rule.code and found.fix is not None:
            text = fixed((tmp_path / "recipe.yaml").read_text(encoding="utf-8"), found.fix)
            (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
            after = codes(check(tmp_path / "recipe.yaml"))
            assert after.count(rule.code) < codes(checked).count(rule.code)
            assert set(after) <= set(codes(checked))
            return


def test_every_rule_has_an_example_that_fails_and_one_that_passes() -> None:
    for rule in RULES:
        assert {example.passes for example in parse(rule.text).examples} == {True, False}, rule.code


def test_every_file_beside_the_rules_is_registered_under_its_name() -> None:
    files = {file.stem for file in Path(str(package.__file__)).parent.glob("*.py")} - {"__init__"}
    assert files == {module.__name__.rpartition(".")[2] for module in MODULES}
    for rule, module in zip(RULES, MODULES, strict=True):
        assert rule.name.replace("-", "_") == module.__name__.rpartition(".")[2]


def test_codes_are_unique_and_in_order() -> None:
    found = [rule.code for rule in RULES]
    assert found == sorted(set(found))
    assert all(code.startswith(("L3", "L4")) for code in found)


def test_there_are_rules_enough() -> None:
    assert len(RULES) >= 50
