from __future__ import annotations

import pytest

from recipe_engine.lint.docs import Example, parse
from recipe_engine.lint.rules import RULES
from recipe_engine.source.codes import CODES

TEXT = """L399 made-up-rule (warning)

The first paragraph
goes on.

The second one.

Fails:
    # with --num-gpus 2
    model:
      load_in_4bit: true

    training:
      algorithm: dpo
Passes:
    model: {}
Fails:
    model: null
"""


def test_documentation_comes_apart_into_heading_prose_and_examples() -> None:
    parsed = parse(TEXT)
    assert (parsed.code, parsed.name, parsed.severity) == ("L399", "made-up-rule", "warning")
    assert parsed.prose == "The first paragraph\ngoes on.\n\nThe second one."
    assert parsed.examples == (
        Example(False, "# with --num-gpus 2\nmodel:\n  load_in_4bit: true\n\ntraining:\n  algorithm: dpo\n"),
        Example(True, "model: {}\n"),
        Example(False, "model: null\n"),
    )


def test_documentation_may_do_without_examples() -> None:
    assert parse("S199 no-example (error)\n\nNo text can show it.\n").examples == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "must begin with"),
        ("L399 made-up-rule\n\nProse.\n", "must begin with"),
        ("L399 made-up-rule (fatal)\n\nProse.\n", "must begin with"),
        ("L399 made-up-rule (error) and more\n\nProse.\n", "must begin with"),
        ("L399 made-up-rule (error)\n\nFails:\n    a: 1\n", "no prose"),
        ("L399 made-up-rule (error)\n\nProse.\n\nFails:\nPasses:\n    a: 1\n", "empty example"),
        ("L399 made-up-rule (error)\n\nProse.\n\nFails:\n    a: 1\nMore prose.\n", "not indented"),
    ],
)
def test_documentation_of_another_form_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse(text)


@pytest.mark.parametrize("text", [*(rule.text for rule in RULES), *CODES.values()], ids=lambda text: text[:4])
def test_what_there_is_to_explain_has_that_form(text: str) -> None:
    assert parse(text).code == text[:4]
