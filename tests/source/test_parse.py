"""The tree and its marks."""

from __future__ import annotations

import pytest

from recipe_engine.diagnostics import Span
from recipe_engine.source import Mark

RECIPE = """\
# a comment
model:
  name: "quoted" # why
  empty:
data:
  datasets:
    - name: a
      split: train
    - {name: b, columns: [x, 'y']}
  text: |
    two
    lines

  folded: one
    more
last: 1e-5
"""


@pytest.mark.usefixtures("either_parser")
def test_every_key_and_value_is_marked_where_it_is_written(read):
    outcome = read(RECIPE)
    assert outcome.tree == {
        "model": {"name": "quoted", "empty": None},
        "data": {
            "datasets": [{"name": "a", "split": "train"}, {"name": "b", "columns": ["x", "y"]}],
            "text": "two\nlines\n",
            "folded": "one more",
        },
        "last": 1e-5,
    }
    assert outcome.findings == []
    assert outcome.key("model", "name") == "name"
    assert outcome.value("model", "name") == '"quoted"'
    assert outcome.value("model", "empty") == ""
    assert outcome.value("model") == 'name: "quoted" # why\n  empty:'
    assert outcome.value("data", "datasets", 0) == "name: a\n      split: train"
    assert outcome.value("data", "datasets", 1, "columns", 1) == "'y'"
    assert outcome.value("data", "datasets", 1) == "{name: b, columns: [x, 'y']}"
    assert outcome.value("data", "datasets").startswith("- name: a")
    assert outcome.value("data", "datasets").endswith("'y']}")
    assert outcome.value("data", "text") == "|\n    two\n    lines"
    assert outcome.value("data", "folded") == "one\n    more"
    assert outcome.value().startswith("model:")
    assert outcome.value().endswith("1e-5")
    assert outcome.document.marks["data", "datasets", 0].key is None
    assert outcome.document.marks[()].key is None
    file = outcome.document.file
    assert outcome.document.marks["last",] == Mark(Span(file, 16, 7, 16, 11), Span(file, 16, 1, 16, 5), "file")


def test_the_marks_are_those_of_the_tree_and_no_others(read):
    def paths(value, path=()):
        yield path
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            yield from paths(child, (*path, key))

    outcome = read(RECIPE)
    assert set(outcome.document.marks) == set(paths(outcome.tree))


@pytest.mark.usefixtures("either_parser")
def test_columns_count_characters_outside_the_basic_plane_once(read):
    outcome = read("😀: {ключ: 'é😀', after: 1}\n")
    assert outcome.document.marks["😀", "after"].key.column == 17
    assert outcome.value("😀", "ключ") == "'é😀'"


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize("line_break", ["\r\n", "\r"])
def test_other_line_breaks_give_the_same_tree_and_places(read, line_break):
    expected, got = read(RECIPE), read(RECIPE.replace("\n", line_break))
    assert got.tree == expected.tree
    assert got.document.marks == expected.document.marks
    assert "\r" not in got.texts[got.document.file]


def test_json_is_a_recipe_too(read):
    outcome = read('{\n\t"a": {"b": [1, 1e-5, true, null, "x"]}\n}')
    assert outcome.tree == {"a": {"b": [1, 1e-5, True, None, "x"]}}
    assert outcome.value("a", "b", 4) == '"x"'


def test_the_span_of_something_missing_is_that_of_what_would_hold_it(read):
    document = read(RECIPE).document
    assert document.value_span(("model", "lora", "r")) == document.marks["model",].value
    assert document.value_span(("data", "datasets", 7, "name")) == document.marks["data", "datasets"].value
    assert document.value_span(("nothing",)) == document.marks[()].value
    assert document.key_span(("model", "name")) == document.marks["model", "name"].key
    assert document.key_span(("data", "datasets", 0)) == document.marks["data", "datasets", 0].value
    assert document.key_span(("model", "lora")) == document.marks["model",].value


@pytest.mark.parametrize(
    "content", ["%YAML 1.2\n---\na: 1\n", "# c\n%YAML 1.2 # c\n---\na: 1\n...\n", "--- # c\na: 1\n"]
)
@pytest.mark.usefixtures("either_parser")
def test_one_document_may_be_marked_as_such(read, content):
    outcome = read(content)
    assert outcome.tree == {"a": 1}
    assert outcome.findings == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [("- a\n- b\n", "a list"), ("[a]", "a list"), ("just text", "a single value"), ("7", "a single value")],
)
def test_a_root_that_is_no_mapping_is_an_error(read, content, kind):
    outcome = read(content)
    assert outcome.document is None
    assert outcome.only.code == "S112"
    assert kind in outcome.only.message


@pytest.mark.usefixtures("either_parser")
def test_sixty_four_levels_are_read_and_one_more_is_not(read):
    assert read("a: " + "[" * 63 + "]" * 63).findings == []
    outcome = read("a: " + "[" * 64 + "]" * 64)
    assert outcome.document is None
    assert outcome.only.code == "S121"
    assert outcome.only.span.column == 3 + 64


@pytest.mark.parametrize(
    "content",
    [
        "[" * 20_000,
        "a: " + "[" * 20_000,
        "a: " + "{b: " * 20_000,
        "- " * 20_000,
        "".join(" " * i + "a:\n" for i in range(1400)),
    ],
)
def test_twenty_thousand_levels_are_refused_at_once(read, content, either_parser):
    assert read(content).codes == ["S121"]


@pytest.mark.parametrize("content", ["{" * 20_000, "? " * 20_000])
def test_twenty_thousand_keys_inside_keys_are_refused_at_once(read, content):
    assert read(content).codes[-1] == "S121"


def test_more_values_than_any_recipe_has_are_refused(read):
    assert read("a: [" + "1, " * 19_990 + "]").findings == []
    assert read("a: [" + "1, " * 20_000 + "]").codes == ["S122"]
    assert read("".join(f"k{i}: {i}\n" for i in range(20_000))).codes == ["S122"]
    assert read("a: [" + "*a, " * 20_000 + "]").codes[-1] == "S122"
