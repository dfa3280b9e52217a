"""The examples in the documentation of P codes do what they say, checked as pipelines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recipe_engine.lint.docs import Example, parse
from recipe_engine.pipeline.check import check_pipeline
from recipe_engine.pipeline.codes import CHECKED, CODES

GPUS = re.compile(r"# with --num-gpus (\d+)\n")
EXAMPLES = [
    pytest.param(code, example, id=f"{code}-{'passes' if example.passes else 'fails'}-{number}")
    for code, text in CHECKED.items()
    for number, example in enumerate(parse(text).examples, start=1)
]


@pytest.mark.parametrize(("code", "example"), EXAMPLES)
def test_an_example_gives_the_finding_or_not_as_documented(
    code: str, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pipeline.yaml"
    file.write_text(example.text, encoding="utf-8")
    gpus = GPUS.search(example.text)
    found = check_pipeline(file, gpus=int(gpus[1]) if gpus else None).diagnostics
    given = {one.code for one in found if one.severity != "note"}
    assert given == (set() if example.passes else {code}), found
    if not example.passes:
        severity = parse(CODES[code]).severity
        assert {one.severity for one in found if one.code == code} == {severity}


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_example_that_fails_and_one_that_passes(code: str) -> None:
    assert {example.passes for example in parse(CODES[code]).examples} == {True, False}
