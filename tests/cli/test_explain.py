from __future__ import annotations

import re

import pytest

from recipe_engine.cli.codes import documentation

from .support import ROOT, recipe

CODE = re.compile(r"\b[SRLPDT][1-5]\d{2}\b")
# Where codes are documented rather than given; a rule's docstring is both.
TABLES = ("lint/codes.py", "data/codes.py", "launch/codes.py", "pipeline/codes/", "source/codes/")


def codes_in_use() -> set[str]:
    package = ROOT / "recipe_engine"
    found: set[str] = set()
    for file in package.rglob("*.py"):
        name = file.relative_to(package).as_posix()
        if not name.startswith(TABLES):
            found |= set(re.findall(r"[\"']([SRLPDT][1-5]\d{2})[\"']", file.read_text(encoding="utf-8")))
            if name.startswith("lint/rules/"):
                found |= set(CODE.findall(file.read_text(encoding="utf-8").partition("\n")[0]))
    return found


def test_every_code_that_the_package_gives_is_documented_and_no_other() -> None:
    assert len(codes_in_use()) > 100
    assert codes_in_use() == set(documentation())


def test_no_code_is_documented_twice() -> None:
    package = ROOT / "recipe_engine"
    files = [*package.glob("*/codes.py"), *package.glob("source/codes/*.py"), *package.glob("lint/rules/*.py")]
    heading = re.compile(r'^\s*(?:"""|)([SRLPDT]\d{3}) [a-z0-9-]+ \((?:error|warning|note)\)$', re.MULTILINE)
    found = [code for file in files for code in heading.findall(file.read_text(encoding="utf-8"))]
    assert len(found) > 100
    assert sorted(found) == sorted(set(found))


def test_names_are_unique() -> None:
    names = [doc.name for doc in documentation().values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("code", sorted(documentation()))
def test_every_code_has_prose_and_an_example_that_fails_and_one_that_passes(code: str) -> None:
    doc = documentation()[code]
    assert len(doc.prose) > 40
    assert {example.passes for example in doc.examples} == {True, False}
    assert recipe("explain", code).stdout.startswith(f"{code} {doc.name} ({doc.severity})\n\n")


def test_a_page_has_heading_prose_and_examples() -> None:
    assert recipe("explain", "R209").stdout.startswith(
        "R209 beta-zero-under-dpo (warning)\n\nDPO's loss is a function of"
    )
    assert recipe("explain", "R209").stdout.endswith(
        "Fails:\n\n    training:\n      algorithm: dpo\n      beta: 0\n\n"
        "Passes:\n\n    training:\n      algorithm: dpo\n      beta: 0.1\n"
    )


def test_a_code_may_be_written_small_or_by_its_name() -> None:
    page = recipe("explain", "R201").stdout
    assert recipe("explain", "r201").stdout == page
    assert recipe("explain", "unknown-key").stdout == page


def test_without_a_code_all_are_listed_with_their_names() -> None:
    lines = recipe("explain").stdout.splitlines()
    for code, doc in documentation().items():
        assert f"  {code}  {doc.severity:<7}  {doc.name}" in lines


@pytest.mark.parametrize(("asked", "guess"), [("R2011", "R2"), ("R2O1", "R2"), ("unknown-kee", "unknown-key")])
def test_an_unknown_code_names_the_nearest_and_exits_with_2(asked: str, guess: str) -> None:
    result = recipe("explain", asked)
    assert result.exit_code == 2
    assert f"did you mean {guess}" in result.stderr


def test_a_code_unlike_any_other_points_at_the_list() -> None:
    result = recipe("explain", "banana")
    assert result.exit_code == 2
    assert "`recipe explain` lists all codes" in result.stderr
