"""A recipe and the parents it extends."""

from __future__ import annotations

import os

import pytest

from recipe_engine.source import load


def test_mappings_merge_and_everything_else_replaces(read):
    outcome = read(
        "extends: base.yaml\nt: {lr: 1, new: {a: 1}}\nl: [9]\ns: {x: 1}\nm: 5\n",
        base="t: {lr: 0, keep: 2, new: {b: 2}}\nl: [1, 2, 3]\ns: text\nm: {deep: {er: 1}}\n",
    )
    assert outcome.findings == []
    assert outcome.tree == {
        "t": {"lr": 1, "keep": 2, "new": {"b": 2, "a": 1}},
        "l": [9],
        "s": {"x": 1},
        "m": 5,
    }


def test_every_path_keeps_the_mark_of_the_file_it_came_from(read):
    outcome = read("extends: base.yaml\nt: {lr: 1}\nl: [9]\n", base="t: {lr: 0, keep: 'k'}\nl: [1, 2, 3]\np: 1\n")
    assert outcome.origin("t", "lr") == "file: recipe.yaml"
    assert outcome.origin("t", "keep") == "parent: base.yaml"
    assert outcome.value("t", "keep") == "'k'"
    assert outcome.key("t", "keep") == "keep"
    assert outcome.origin("t") == "file: recipe.yaml"
    assert outcome.origin("p") == "parent: base.yaml"
    assert outcome.origin() == "file: recipe.yaml"
    assert set(outcome.document.marks) == {(), ("t",), ("t", "lr"), ("t", "keep"), ("l",), ("l", 0), ("p",)}
    assert len(outcome.texts) == 2


def test_null_in_the_child_replaces_the_parents_value(read):
    outcome = read("extends: base.yaml\nwandb:\nt: {lr: ~}\n", base="wandb: {enabled: true}\nt: {lr: 1, x: 2}\n")
    assert outcome.tree == {"wandb": None, "t": {"lr": None, "x": 2}}
    assert ("wandb", "enabled") not in outcome.document.marks


def test_extends_itself_does_not_remain(read):
    outcome = read("extends: base.yaml\n", base="a: {extends: kept}\n")
    assert outcome.tree == {"a": {"extends": "kept"}}
    assert ("extends",) not in outcome.document.marks


def test_of_several_parents_the_later_wins_and_the_child_over_all(read):
    outcome = read("extends: [one.yaml, two.yaml]\nc: 3\n", one="a: 1\nb: 1\nc: 1\n", two="b: 2\nc: 2\n")
    assert outcome.tree == {"a": 1, "b": 2, "c": 3}
    assert outcome.origin("b") == "parent: two.yaml"


def test_a_parents_parent_counts_and_paths_are_relative_to_the_file_that_says_them(tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "shared" / "root.yaml").write_text("a: 1\nb: 1\n")
    (tmp_path / "shared" / "base.yaml").write_text("extends: root.yaml\nb: 2\n")
    (tmp_path / "mine" / "r.yaml").write_text("extends: ../shared/base.yaml\nc: 3\n")
    monkeypatch.chdir(tmp_path / "shared")
    document, findings = load("../mine/r.yaml")
    assert findings == []
    assert document.tree == {"a": 1, "b": 2, "c": 3}
    assert document.marks["a",].value.file == "../shared/root.yaml"
    assert set(document.texts) == {"../mine/r.yaml", "../shared/base.yaml", "../shared/root.yaml"}


def test_an_absolute_path_is_taken_as_it_is(read, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.yaml").write_text("a: 1")
    assert read(f"extends: {tmp_path}/elsewhere/b.yaml\n").tree == {"a": 1}


@pytest.mark.parametrize("flag", ["", ", merge_datasets_by_name: false"])
def test_dataset_lists_replace_unless_asked_to_merge(read, flag):
    outcome = read(
        f"extends: {{from: base.yaml{flag}}}\ndata: {{datasets: [{{name: b}}]}}\n",
        base="data: {datasets: [{name: a}, {name: b, split: x}]}\n",
    )
    assert outcome.tree == {"data": {"datasets": [{"name": "b"}]}}


def test_dataset_lists_merge_by_name_when_asked(read):
    outcome = read(
        "extends: {from: [base.yaml], merge_datasets_by_name: true}\n"
        "data:\n  datasets:\n  - {name: c}\n  - {name: b, weight: 2, columns: {p: q}}\n  - 5\n"
        "  eval_datasets:\n  - {name: e, split: test}\n  other: [{name: o}]\n",
        base="data:\n  datasets: [{name: a, weight: 1}, {name: b, weight: 1, columns: {r: s}}]\n"
        "  eval_datasets: [{name: e, subset: x}]\n  other: [{name: o, x: 1}]\n",
    )
    assert outcome.findings == []
    assert outcome.tree["data"] == {
        "datasets": [
            {"name": "a", "weight": 1},
            {"name": "b", "weight": 2, "columns": {"r": "s", "p": "q"}},
            {"name": "c"},
            5,
        ],
        "eval_datasets": [{"name": "e", "subset": "x", "split": "test"}],
        "other": [{"name": "o"}],
    }
    assert outcome.origin("data", "datasets", 0, "weight") == "parent: base.yaml"
    assert outcome.origin("data", "datasets", 1, "weight") == "file: recipe.yaml"
    assert outcome.origin("data", "datasets", 1, "columns", "r") == "parent: base.yaml"
    assert outcome.origin("data", "datasets", 2) == "file: recipe.yaml"


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("[{name: a, subset: x}, {name: a, subset: y}]", "[{name: a}]"),
        ("[{name: a}]", "[{name: a}, {name: a, subset: y}]"),
    ],
)
def test_names_that_do_not_tell_datasets_apart_are_an_error(read, parent, child):
    outcome = read(
        f"extends: {{from: base.yaml, merge_datasets_by_name: true}}\ndata: {{datasets: {child}}}\n",
        base=f"data: {{datasets: {parent}}}\n",
    )
    assert set(outcome.codes) == {"S134"}
    assert outcome.findings[0].related


def test_equal_names_in_one_list_alone_are_none_of_our_business(read):
    outcome = read(
        "extends: {from: base.yaml, merge_datasets_by_name: true}\ndata: {datasets: [{name: b}]}\n",
        base="data: {datasets: [{name: a, subset: x}, {name: a, subset: y}]}\n",
    )
    assert outcome.findings == []
    assert [item["name"] for item in outcome.tree["data"]["datasets"]] == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("", "extends"),
        ("''", "''"),
        ("5", "5"),
        ("[]", "[]"),
        ("[base.yaml, 3]", "3"),
        ("[base.yaml, [x]]", "[x]"),
        ("{merge_datasets_by_name: true}", "{merge_datasets_by_name: true}"),
        ("{from: base.yaml, by_name: true}", "by_name"),
        ("{from: base.yaml, merge_datasets_by_name: yes}", "yes"),
        ("{from: }", "from"),
    ],
)
def test_extends_of_another_form_is_an_error_at_its_place(read, value, place):
    outcome = read(f"extends: {value}\na: 1\n", base="b: 1\n")
    assert outcome.document is None
    assert outcome.only.code == "S130"
    assert outcome.at(outcome.only.span) == place
    assert "base.yaml" in outcome.only.hint


def test_an_extends_that_is_an_alias_is_one_finding(read):
    outcome = read("a: 1\nextends: *x\n")
    assert outcome.codes == ["S114"]
    assert outcome.document is None


@pytest.mark.parametrize("name", ["no.yaml", ".", "nul\\0byte", "https://host/base.yaml"])
def test_a_parent_that_cannot_be_read_is_an_error_where_it_is_named(read, name):
    outcome = read(f'a: .inf\nextends: [base.yaml, "{name}"]\n', base="b: .nan\n")
    assert outcome.document is None
    assert outcome.codes == ["S124", "S124", "S131"]
    assert outcome.at(outcome.findings[-1].span) == f'"{name}"'


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [(b"\nb: [\n", "S110", 2), (b"a\0", "S105", 1), (b"\n\xff", "S106", 2), (b"", "S108", 1), (b"- a\n", "S112", 1)],
)
def test_what_is_wrong_inside_a_parent_is_placed_there(read, content, code, line):
    outcome = read("extends: base.yaml\na: 1\n", base=content)
    assert outcome.document is None
    assert outcome.only.code == code
    assert os.path.basename(outcome.only.span.file) == "base.yaml"
    assert outcome.only.span.line == line


def test_a_finding_in_a_parent_that_leaves_it_readable_leaves_the_document(read):
    outcome = read("extends: base.yaml\na: 1\n", base="b: 1\nb: 2\n")
    assert outcome.only.code == "S113"
    assert outcome.tree == {"b": 1, "a": 1}


def test_a_recipe_that_extends_itself_is_a_cycle(read):
    outcome = read("extends: ./recipe.yaml\n")
    assert outcome.document is None
    assert outcome.only.code == "S132"
    assert outcome.at(outcome.only.span) == "./recipe.yaml"


def test_a_cycle_by_way_of_others_lists_the_places_on_the_way(read, tmp_path):
    (tmp_path / "again.yaml").symlink_to("recipe.yaml")
    outcome = read("extends: b.yaml\n", b="extends: c.yaml\n", c="# c\nextends: [again.yaml]\n")
    assert outcome.only.code == "S132"
    assert os.path.basename(outcome.only.span.file) == "c.yaml"
    assert outcome.only.span.line == 2
    assert [outcome.at(related.span) for related in outcome.only.related] == ["b.yaml", "c.yaml"]


def test_a_cycle_among_the_parents_does_not_blame_the_recipe(read):
    outcome = read("extends: b.yaml\n", b="extends: c.yaml\n", c="extends: b.yaml\n")
    assert outcome.only.code == "S132"
    assert [outcome.at(related.span) for related in outcome.only.related] == ["c.yaml"]


def test_two_parents_with_the_same_parent_are_no_cycle_and_its_findings_come_once(read):
    outcome = read(
        "extends: [a.yaml, b.yaml]\n", a="extends: c.yaml\na: 1\n", b="extends: c.yaml\nb: 1\n", c="c: 010\n"
    )
    assert outcome.tree == {"c": 10, "a": 1, "b": 1}
    assert outcome.codes == ["S126"]


def test_a_parent_used_twice_is_the_same_both_times(read):
    outcome = read(
        "extends: [first.yaml, a.yaml, middle.yaml, b.yaml]\n",
        first="t: {f: 1}\n",
        a="extends: c.yaml\nt: {x: 1}\n",
        middle="t: {x: 2}\n",
        b="extends: c.yaml\n",
        c="t: {c: 1}\n",
    )
    assert outcome.tree == {"t": {"f": 1, "c": 1, "x": 2}}


def chain(length: int) -> dict[str, str]:
    links = {f"p{i}": f"extends: p{i + 1}.yaml\nk{i}: {i}\n" for i in range(1, length)}
    return links | {f"p{length}": "last: 1\n"}


def test_sixteen_parents_in_a_row_are_read_and_one_more_is_not(read):
    assert read("extends: p1.yaml\n", **chain(16)).tree["last"] == 1
    outcome = read("extends: p1.yaml\n", **chain(17))
    assert outcome.only.code == "S133"
    assert os.path.basename(outcome.only.span.file) == "p16.yaml"
    assert len(outcome.only.related) == 16


def test_more_than_sixteen_parents_side_by_side_are_an_error(read):
    assert read(f"extends: [{'a.yaml, ' * 16}]\n", a="a: 1\n").findings == []
    assert read(f"extends: [{'a.yaml, ' * 17}]\n", a="a: 1\n").only.code == "S133"


def test_lists_that_double_at_each_level_are_stopped(read):
    flag = "merge_datasets_by_name: true"
    files = {f"p{i}": f"extends: {{from: [p{i + 1}.yaml, p{i + 1}.yaml], {flag}}}\n" for i in range(1, 16)}
    files["p16"] = f"data: {{datasets: [{'x, ' * 100}]}}\n"
    outcome = read("extends: p1.yaml\n", **files)
    assert outcome.document is None
    assert outcome.codes == ["S122"]
