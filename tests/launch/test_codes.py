from __future__ import annotations

import re
from pathlib import Path

import recipe_engine.cli
import recipe_engine.launch
from recipe_engine.launch.codes import CODES
from recipe_engine.lint.docs import parse

PACKAGES = [Path(package.__file__).parent for package in (recipe_engine.launch, recipe_engine.cli)]


def test_the_documented_codes_are_those_that_can_be_given() -> None:
    sources = [file.read_text(encoding="utf-8") for folder in PACKAGES for file in folder.glob("*.py")]
    assert {code for source in sources for code in re.findall(r'"(T5\d\d)"', source)} == set(CODES)


def test_each_is_documented_with_both_examples() -> None:
    for code, text in CODES.items():
        documentation = parse(text)
        assert documentation.code == code
        assert documentation.severity == "error"
        assert {example.passes for example in documentation.examples} == {True, False}
        assert all(example.text.startswith("$ ") for example in documentation.examples)
