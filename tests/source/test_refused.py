"""What YAML allows and a recipe does not: each is one finding, and reading goes on."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("either_parser")


def test_all_findings_of_a_file_come_at_once(read):
    outcome = read("a: &x 1\na: 2\nb: *x\nc: !!str 3\n4: d\ne: .nan\n<<: {f: 1}\n? [g]\n: h\ni: 010\n")
    assert outcome.codes == ["S114", "S113", "S114", "S116", "S117", "S124", "S115", "S118", "S126"]
    assert [finding.span.line for finding in outcome.findings] == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert outcome.tree == {"a": 1, "b": None, "c": None, "4": "d", "e": None, "i": 10}
    assert outcome.document.unreadable == {("b",), ("c",), ("e",)}


def test_a_duplicate_key_points_at_the_first_and_leaves_it_in_the_tree(read):
    outcome = read("t:\n  lr: 1\n  x: {lr: 5}\n  'lr': {deep: [2]}\n")
    finding = outcome.only
    assert finding.code == "S113"
    assert (finding.span.line, outcome.at(finding.span)) == (4, "'lr'")
    (first,) = finding.related
    assert (first.span.line, outcome.at(first.span)) == (2, "lr")
    assert outcome.tree == {"t": {"lr": 1, "x": {"lr": 5}}}
    assert ("t", "lr", "deep") not in outcome.document.marks


def test_of_three_equal_keys_two_are_findings(read):
    assert read("a: 1\na: 2\na: 3\n").codes == ["S113", "S113"]


def test_what_is_wrong_inside_the_value_of_a_duplicate_key_is_found_too(read):
    assert read("a: 1\na: {b: .inf}\n").codes == ["S113", "S124"]


def test_the_fixes_of_an_anchor_and_its_alias_write_the_value_out(read):
    outcome = read("a: &x  'v'\nb: *x\n")
    anchor, alias = outcome.findings
    assert outcome.at(anchor.span) == "&x"
    assert outcome.at(alias.span) == "*x"
    assert outcome.fixed(anchor) == "a: 'v'\nb: *x\n"
    assert outcome.fixed(alias) == "a: &x  'v'\nb: 'v'\n"


@pytest.mark.parametrize("content", ["a: &x\n  b: 1\nc: *x\n", "a: &x [1]\nc: *x\n", "a: &x |\n  t\nc: *x\n"])
def test_an_alias_of_more_than_a_line_has_no_fix(read, content):
    outcome = read(content)
    assert outcome.codes == ["S114", "S114"]
    assert outcome.findings[1].fix is None
    assert "extends" in outcome.findings[1].hint


def test_an_alias_bomb_is_a_finding_for_each_alias(read):
    bomb = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    outcome = read(bomb)
    assert set(outcome.codes) == {"S114"}
    assert len(outcome.codes) == 9 + 8 * 3
    assert outcome.tree["i"] == [None, None, None]


def test_an_alias_as_a_key_is_a_finding_and_its_value_left_out(read):
    outcome = read("a: &x 1\n*x : {b: 1}\nc: 2\n")
    assert outcome.codes == ["S114", "S114"]
    assert outcome.tree == {"a": 1, "c": 2}


def test_a_merge_key_is_one_finding_with_what_stands_under_it(read):
    outcome = read("a: &x {b: 1}\nc:\n  <<: [*x, *x]\n  d: 1\n")
    assert outcome.codes == ["S114", "S115"]
    assert outcome.at(outcome.findings[1].span) == "<<"
    assert outcome.tree == {"a": {"b": 1}, "c": {"d": 1}}


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!str 1", "!!str"),
        ("!include x", "!include"),
        ("!<tag:x> y", "!<tag:x>"),
        ("! z", "!"),
        ("&a !!int 1", "!!int"),
    ],
)
def test_a_tag_is_a_finding_at_the_tag(read, value, tag):
    outcome = read(f"k: {value}\n")
    finding = next(finding for finding in outcome.findings if finding.code == "S116")
    assert outcome.at(finding.span) == tag


def test_a_python_tag_runs_nothing(read):
    assert read("a: !!python/object/apply:os.system ['exit 1']\n").codes == ["S116"]


@pytest.mark.parametrize("key", ["1", "-1.5", "true", "null", "~", "1e5"])
def test_a_key_that_is_not_text_is_quoted_by_its_fix(read, key):
    outcome = read(f"m: {{{key}: x}}\n")
    assert outcome.only.code == "S117"
    assert outcome.tree == {"m": {key: "x"}}
    assert outcome.fixed(outcome.only) == f"m: {{'{key}': x}}\n"


@pytest.mark.parametrize("key", ["no", "on", "2024-01-01", "'1'", '"true"', "1:30"])
def test_a_key_that_only_yaml_1_1_takes_for_something_else_is_text(read, key):
    outcome = read(f"{key}: x\n")
    assert outcome.findings == []
    assert outcome.tree == {key.strip("'\""): "x"}


def test_an_empty_key_is_a_finding(read):
    assert read("a: {? : x}\n").only.code == "S117"


@pytest.mark.parametrize(
    "content", ["? {a: 1}\n: b\nk: 1\n", "? - a\n: [b]\nk: 1\n", "{[a]: {b: c}, k: 1}", "[a, b]: c\nk: 1\n"]
)
def test_a_collection_as_a_key_is_left_out_with_its_value(read, content):
    outcome = read(content)
    assert outcome.only.code == "S118"
    assert outcome.tree == {"k": 1}


def test_a_template_without_quotes_is_told_to_be_quoted(read):
    outcome = read("p: {{question}}\n")
    assert outcome.only.code == "S118"
    assert "quotes" in outcome.only.hint


@pytest.mark.parametrize("content", ["a: 1\n---\nb: 2\n", "a: 1\n---\n", "a: 1\n...\n---\n[\n"])
def test_a_second_document_is_a_finding_and_the_first_is_kept(read, content):
    outcome = read(content)
    assert outcome.only.code == "S119"
    assert outcome.at(outcome.only.span) == "---"
    assert outcome.tree == {"a": 1}


@pytest.mark.parametrize("line", ["%YAML 1.1", "%YAML 1.3", "%YAML 2.0", "%YAML", "%TAG ! tag:x,2000:", "%FOO bar"])
def test_any_directive_but_yaml_1_2_is_a_finding(read, line):
    outcome = read(f"# c\n{line}\n---\na: 1\n")
    assert outcome.only.code == "S120"
    assert outcome.at(outcome.only.span) == line
    assert outcome.tree == {"a": 1}


def test_of_many_directives_the_first_bad_one_is_the_finding(read):
    outcome = read("%YAML 1.2\n%FOO\n%BAR\n---\na: 1\n")
    assert outcome.at(outcome.only.span) == "%FOO"


def test_a_percent_sign_at_the_start_of_a_line_of_text_is_no_directive(read):
    assert read("a: |-\n  x\n  %TAG y\n").tree == {"a": "x\n%TAG y"}


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u200b", "\u3000"])
def test_an_unusual_space_around_a_key_or_value_is_replaced_by_its_fix(read, space):
    plain = "" if space == "\u200b" else " "
    outcome = read(f"a:\n {space}b: {space * 2}c\nd: e{space}\n")
    assert outcome.codes == ["S125", "S125", "S125"]
    assert [outcome.at(finding.span) for finding in outcome.findings] == [space, space * 2, space]
    assert outcome.fixed(outcome.findings[1]) == f"a:\n {space}b: {plain * 2}c\nd: e{space}\n"


def test_a_key_indented_with_an_unusual_space_is_left_out_because_its_place_is_not_what_it_seems(read):
    outcome = read("a:\n  b: 1\n\u00a0\u00a0c: 2\n")
    assert outcome.only.code == "S125"
    assert outcome.tree == {"a": {"b": 1}}


def test_a_no_break_space_inside_text_is_text(read):
    outcome = read("a: b\u00a0c\nd: '\u00a0e'\n")
    assert outcome.findings == []
    assert outcome.tree == {"a": "b\u00a0c", "d": "\u00a0e"}
