"""Every finding of the package is documented, and its examples do what they claim."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import recipe_engine.source
from recipe_engine.source import load
from recipe_engine.source.codes import CODES

PACKAGE = Path(recipe_engine.source.__file__).parent
EXAMPLE = re.compile(r"^(Fails|Passes):\n((?:    .*\n|\n)+)", re.MULTILINE)


def examples(code: str) -> dict[str, str]:
    return {title: re.sub("^    ", "", body, flags=re.MULTILINE) for title, body in EXAMPLE.findall(CODES[code])}


def is_yaml(code: str) -> bool:
    return not examples(code)["Fails"].startswith("$ ")


def test_the_documented_codes_are_those_that_the_package_can_give():
    sources = [file.read_text(encoding="utf-8") for file in PACKAGE.glob("*.py")]
    used = {code for source in sources for code in re.findall(r'"(S1\d\d)"', source)}
    assert used == set(CODES)
    assert len(used) > 30


@pytest.mark.parametrize("code", CODES)
def test_a_documentation_has_a_heading_a_reason_and_both_examples(code):
    heading, blank, reason, *_ = CODES[code].splitlines()
    assert re.fullmatch(rf"{code} [a-z0-9-]+ \((error|warning|note)\)", heading)
    assert blank == ""
    assert reason[0].isupper() or reason.startswith("`")
    assert set(examples(code)) == {"Fails", "Passes"}


def test_only_what_no_yaml_text_can_show_is_shown_as_a_command():
    commands = {code for code in CODES if not is_yaml(code)}
    assert commands == {"S101", "S102", "S103", "S104", "S105", "S106", "S107", "S109", "S122"}


@pytest.mark.parametrize("title", ["Fails", "Passes"])
@pytest.mark.parametrize("code", [code for code in CODES if is_yaml(code)])
def test_the_failing_example_gives_the_finding_and_the_passing_one_none(tmp_path, code, title):
    name, overrides, files = "recipe.yaml", [], {}
    for line in examples(code)[title].splitlines(keepends=True):
        if line.startswith("# file: "):
            name = line.removeprefix("# file: ").strip()
        elif line.startswith("# override: "):
            overrides.append(line.removeprefix("# override: ").strip())
        else:
            files[name] = files.get(name, "") + line
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    _, findings = load(tmp_path / name, overrides)
    if title == "Passes":
        assert findings == []
    else:
        severity = re.search(r"\((\w+)\)", CODES[code])[1]
        assert {(finding.code, finding.severity) for finding in findings} == {(code, severity)}
