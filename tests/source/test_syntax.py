"""Text that is not YAML: one finding, at the right place, in helpful words, with a fix where only one is possible."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("either_parser")

# Content with `‸` before the character that the finding must point at, and a word of the message.
CASES = {
    "a colon inside a value": ("name: foo‸: bar\n", "colon"),
    "an indented key below a value": ("a: 1\n  ‸b: 2\n", "inside the value above"),
    "an indented key below a value, after a comment": ("a: 1\n# c\n\n  ‸b: 2\n", "inside the value above"),
    "no space after a colon": ("a: 1\nlr‸:1e-5\nb: 2\n", "space after this colon"),
    "no space after the first colon": ("lr‸:1e-5\nb: 2\n", "space after this colon"),
    "no space after the only colon": ("lr‸:1e-5\n", "space after this colon"),
    "no space after the last colon": ("a: 1\nlr‸:1e-5\n", "space after this colon"),
    "a key without a colon": ("a: 1\n‸foo\nb: 2\n", "has no value"),
    "a lesser indentation that fits nothing": ("t:\n    a: 1\n  ‸b: 2\n", "indentation"),
    "a list item among keys": ("a: 1\n‸- b\n", "list item"),
    "a list item after a key": ("a: ‸- b\n", "list item"),
    "a key among list items": ("a:\n  - x\n  ‸b: 1\n", "list items"),
    "text after a quote": ('a: "x" ‸y\nb: 1\n', "more text"),
    "an apostrophe in single quotes": ("a: 1\nb: 'don'‸t'\n", "more text"),
    "an open double quote": ('a: ‸"foo\nb: 1\n', "never closed"),
    "an open single quote": ("a: ‸'foo\nb: 1\n", "never closed"),
    "a quote open at a document marker": ('a: ‸"x\n---\n"\n', "never closed"),
    "an open bracket before a key": ("a: ‸[1, 2\nb: 1\n", "never closed"),
    "an open bracket at the end": ("a: ‸[1, 2\n", "never closed"),
    "an open bracket after a comma": ("a: ‸[1,\n", "never closed"),
    "an open bracket after a comment": ("a: ‸[1, #x\nb: 2\n", "never closed"),
    "an open brace": ("a: ‸{x: 1\nb: 2\n", "never closed"),
    "a missing comma": ("a: ['x' ‸'y']\n", "comma"),
    "a missing comma between lines": ("a: [\n  'x'\n  ‸'y'\n]\n", "comma"),
    "two commas": ("a: [1,‸,2]\n", "missing"),
    "a closing bracket": ("a: ‸]\n", "missing before"),
    "text after a brace": ("a: {x} ‸y\n", "more text"),
    "an at sign": ("a: ‸@foo\n", "cannot start with `@`"),
    "a percent sign": ("a: ‸%foo\n", "cannot start with `%`"),
    "a star": ("a: ‸*.json\n", "alias"),
    "an ampersand": ("a: ‸& b\n", "anchor"),
    "text after a bar": ("a: |‸x\n b\n", "may follow `|`"),
    "text after a greater-than sign": ("a: > ‸x\n", "may follow `>`"),
    "an unknown escape": ('a: "C:‸\\models"\n', "escape"),
    "an escape without digits": ('a: "‸\\xZZ"\n', "escape"),
    "a percent sign at the start of a line": ("a: 1\n‸% b\n", "directive"),
    "text after the document": ("a: 1\n...\n‸b: 1\n", "more text after the end"),
    "a key longer than a line's limit": ("‸" + "k" * 1100 + ": 1\n", "1024"),
}


@pytest.mark.parametrize(("content", "word"), CASES.values(), ids=CASES)
def test_a_syntax_error_is_one_finding_at_its_place(read, content, word):
    before, _, after = content.partition("‸")
    outcome = read(before + after)
    assert outcome.document is None
    finding = outcome.only
    assert (finding.code, finding.severity) == ("S110", "error")
    assert word in finding.message
    assert finding.span.line == before.count("\n") + 1
    assert finding.span.column == len(before) - before.rfind("\n")
    assert finding.hint is not None or "1024" in finding.message


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("name: foo: bar  # c\n", "name: 'foo: bar'  # c\n"),
        ("- name: it's: a#1 # c\n", "- name: 'it''s: a#1' # c\n"),
        ("a: 1\nlr:1e-5\nb: 2\n", "a: 1\nlr: 1e-5\nb: 2\n"),
        ("m:\n  lr:1e-5\n  b: 2\n", "m:\n  lr: 1e-5\n  b: 2\n"),
        ("a: @foo bar\n", "a: '@foo bar'\n"),
        ("a: *.json\n", "a: '*.json'\n"),
        ('a: "C:\\models"\n', 'a: "C:\\\\models"\n'),
        ("a:\u00a01\nb: 2\n", "a: 1\nb: 2\n"),
        ("m:\n  a: 1\n\u00a0\u00a0b: 2\n", "m:\n  a: 1\n  b: 2\n"),
    ],
)
def test_the_fix_mends_the_line_and_nothing_else(read, broken, mended):
    outcome = read(broken)
    assert outcome.document is None or "S125" in outcome.codes
    assert outcome.fixed(outcome.only) == mended
    assert not {"S110", "S125"} & set(read(mended).codes)


@pytest.mark.parametrize("content", ["a: [x: y: z]\n", "a: 'b': c\n", "a: @x, y\n", "a: *[x]\n"])
def test_where_quotes_could_change_more_than_the_value_there_is_no_fix(read, content):
    assert read(content).only.fix is None


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("a:\n\tb: 1\n", "a:\n  b: 1\n"),
        ("a:\n    b:\n\t\tc: 1\n\n\t\td: 2\n    e: f\n", "a:\n    b:\n        c: 1\n\n        d: 2\n    e: f\n"),
        ("a:\n  b: 1\n\tc: 2\n", "a:\n  b: 1\n  c: 2\n"),
        ("a:\n-\tb: 1\n\tc: 2\n", "a:\n- b: 1\n  c: 2\n"),
        ("a: |\n\ttext\n", "a: |\n  text\n"),
    ],
)
def test_tabs_as_indentation_are_replaced_line_by_line(read, broken, mended):
    outcome = read(broken)
    assert outcome.only.code == "S111"
    assert outcome.at(outcome.only.span) == "\t"
    assert outcome.fixed(outcome.only) == mended
    assert read(mended).findings == []


def test_a_tab_between_words_is_a_space_and_where_the_parser_minds_it_is_replaced(read, either_parser):
    outcome = read("a:\t1\nb: [1,\t2] \t# c\n")
    if either_parser == "libyaml":
        assert outcome.tree == {"a": 1, "b": [1, 2]}
    else:
        assert outcome.only.code == "S111"
        assert outcome.fixed(outcome.only) == "a: 1\nb: [1,\t2] \t# c\n"


@pytest.mark.parametrize("value", ["!foo!bar x", "!<x", "!%", "!%zz", "!a!%"])
def test_a_tag_that_the_parser_cannot_read_is_a_tag_finding(read, value):
    assert read(f"a: {value}\n").only.code == "S116"


@pytest.mark.parametrize("escape", ["\\ud83d\\ude00", "\\UFFFFFFFF", "\\U00110000"])
def test_an_escape_that_names_no_character_is_an_error(read, escape):
    outcome = read(f'a: "{escape}"\n')
    assert outcome.only.code == "S110"
    assert outcome.document is None or outcome.document.unreadable == {("a",)}


def test_what_was_found_before_a_syntax_error_is_not_lost(read):
    assert read("a: 1\na: .inf\nb: [\n").codes == ["S113", "S124", "S110"]


def test_a_colon_at_the_end_of_a_word_in_brackets_is_ambiguous(read, either_parser):
    outcome = read("a: [b:c:, d]\n")
    if either_parser == "libyaml":
        assert outcome.only.code == "S110"
        assert "colon" in outcome.only.message


def test_the_line_above_is_shown_with_a_wrong_indentation(read):
    outcome = read("key: value\n\n   other: 1\n")
    (above,) = outcome.only.related
    assert outcome.at(above.span) == "key: value"
