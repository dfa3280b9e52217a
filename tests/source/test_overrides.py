"""Values from the command line."""

from __future__ import annotations

import pytest

from recipe_engine.source import COMMAND_LINE

RECIPE = "t: {lr: 1, name: x}\nd:\n  sets:\n  - {name: a}\n  - {name: b}\nempty:\n"


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("t.lr=1e-5", ("t", "lr"), 1e-5),
        ("t.lr=010", ("t", "lr"), 10),
        ("t.name=no", ("t", "name"), "no"),
        ("t.on=true", ("t", "on"), True),
        ("t.lr=", ("t", "lr"), None),
        ("t.lr=~", ("t", "lr"), None),
        ("d.sets[1].name=c", ("d", "sets", 1, "name"), "c"),
        ("d.sets.1.name=c", ("d", "sets", 1, "name"), "c"),
        ("d.sets[2].name=c", ("d", "sets", 2, "name"), "c"),
        ("d.sets.2=c", ("d", "sets", 2), "c"),
        ("d.sets[b].name=c", ("d", "sets", 1, "name"), "c"),
        ("d.sets[b].more[0]=c", ("d", "sets", 1, "more", 0), "c"),
        ("d.sets[b]=c", ("d", "sets", 1), "c"),
        ("d.sets=[a, 'b', {c: 1e-5}]", ("d", "sets"), ["a", "b", {"c": 1e-5}]),
        ("t={lr: 5}", ("t",), {"lr": 5}),
        ('t.name="a # b"', ("t", "name"), "a # b"),
        ("t.name='1'", ("t", "name"), "1"),
        ("w.enabled=true", ("w", "enabled"), True),
        ("empty.x=1", ("empty", "x"), 1),
        ("new[0].x=1", ("new", 0, "x"), 1),
        ("new.0=1", ("new", 0), 1),
        ("t.0=1", ("t", "0"), 1),
        ("t.name=C:\\models\\x", ("t", "name"), "C:\\models\\x"),
        ("t.name=s3://bucket/key?a=b", ("t", "name"), "s3://bucket/key?a=b"),
        ("t.name=a=b", ("t", "name"), "a=b"),
        ("t.name=Q: {q} # A: *x", ("t", "name"), "Q: {q} # A: *x"),
        ("t.name=*.json", ("t", "name"), "*.json"),
        ("t.name=!x", ("t", "name"), "!x"),
        ("t.name=- a", ("t", "name"), "- a"),
        ("t.name=two\nlines", ("t", "name"), "two\nlines"),
        ("  t.name  =  x y  ", ("t", "name"), "x y"),
        ("t.größe=ü", ("t", "größe"), "ü"),
    ],
)
def test_the_value_is_set(read, override, path, value):
    outcome = read(RECIPE, override)
    assert not [finding for finding in outcome.findings if finding.severity == "error"]
    got = outcome.tree
    for step in path:
        got = got[step]
    assert got == value
    assert type(got) is type(value)
    assert outcome.document.marks[path].origin == "command line"


PIPELINE = """\
stages:
  - {id: raft, kind: loop, stages: [{id: sample, name: other, n: 1}, {id: 7, n: 1}]}
  - {id: other, rewards: [{type: length}, {type: length, name: short}], data: {datasets: [{name: org/my.data}]}}
  - {id: twice}
  - {id: twice}
"""


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("stages[raft].stages[sample].n=2", ("stages", 0, "stages", 0, "n")),
        ("stages[0].stages[sample].n=2", ("stages", 0, "stages", 0, "n")),
        ("stages[other].rewards[short].n=2", ("stages", 1, "rewards", 1, "n")),
        ("stages[other].data.datasets[org/my.data].n=2", ("stages", 1, "data", "datasets", 0, "n")),
        ("stages[0].stages[1].n=2", ("stages", 0, "stages", 1, "n")),
    ],
)
def test_an_item_is_found_by_its_id_or_where_it_has_none_by_its_name(read, override, path):
    outcome = read(PIPELINE, override)
    assert outcome.findings == []
    got = outcome.tree
    for step in path:
        got = got[step]
    assert got == 2
    assert outcome.document.marks[path].origin == "command line"


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("stages[raff].n=2", "`stages` has no item `raff`", "did you mean `stages[raft]`?"),
        ("stages[none].n=2", "`stages` has no item `none`", "there are `raft`, `other`, `twice`"),
        ("stages[sample].n=2", "`stages` has no item `sample`", "it is in another: `stages[raft].stages[sample]`"),
        ("stages[twice].n=2", "`stages` has 2 items called `twice`", "write an index: [2] or [3]"),
        ("stages[other].new[a]=2", "`stages[1].new` has no item `a`", "no item of it has an id or a name"),
        ("stages.other.n=2", "`stages` is a list, which has no key `other`", "`stages[other]`"),
    ],
)
def test_an_id_that_no_item_has_or_several_is_an_error_with_what_is_meant(read, override, message, hint):
    found = read(PIPELINE, override).only
    assert found.message == message
    assert hint in found.hint


def test_what_an_override_replaces_leaves_no_marks(read):
    outcome = read(RECIPE, "d.sets=[x]", "t=1")
    assert outcome.tree == {"t": 1, "d": {"sets": ["x"]}, "empty": None}
    assert set(outcome.document.marks) == {(), ("t",), ("d",), ("d", "sets"), ("d", "sets", 0), ("empty",)}


def test_what_an_override_does_not_touch_keeps_its_marks(read):
    outcome = read(RECIPE, "d.sets[0].split=x")
    assert outcome.tree["d"]["sets"] == [{"name": "a", "split": "x"}, {"name": "b"}]
    assert outcome.origin("d", "sets", 0) == "file: recipe.yaml"
    assert outcome.value("d", "sets", 0, "name") == "a"


def test_each_override_is_a_line_with_places_for_its_keys_and_values(read):
    outcome = read(RECIPE, "t.lr=5", " d.sets[2].names = [u, 'v']", 't.x= "two\nlines" ', "a.b.c=😀z")
    assert outcome.texts[COMMAND_LINE].split("\n") == [
        "t.lr=5",
        " d.sets[2].names = [u, 'v']",
        't.x= "two\ufffdlines" ',
        "a.b.c=😀z",
    ]
    assert (outcome.key("t", "lr"), outcome.value("t", "lr")) == ("lr", "5")
    assert (outcome.key("d", "sets", 2, "names"), outcome.value("d", "sets", 2, "names")) == ("names", "[u, 'v']")
    assert outcome.value("d", "sets", 2, "names", 1) == "'v'"
    assert outcome.document.marks["d", "sets", 2].key is None
    assert outcome.value("t", "x") == '"two\ufffdlines"'
    assert (outcome.key("a"), outcome.key("a", "b"), outcome.value("a", "b", "c")) == ("a", "b", "😀z")
    assert outcome.document.marks["d", "sets", 2, "names", 0].value.line == 2


def test_later_overrides_win(read):
    outcome = read(RECIPE, "t={a: 1}", "t.b=2", "t.a=3")
    assert outcome.tree["t"] == {"a": 3, "b": 2}


def test_an_override_reaches_what_a_parent_gave(read):
    outcome = read("extends: base.yaml\n", "t.lr=2", base="t: {lr: 1, x: 1}\n")
    assert outcome.tree == {"t": {"lr": 2, "x": 1}}
    assert outcome.origin("t", "x") == "parent: base.yaml"


def test_an_override_of_one_item_leaves_its_twin_alone(read):
    outcome = read(
        "extends: {from: [base.yaml, base.yaml], merge_datasets_by_name: true}\n",
        "data.datasets[0].split=x",
        base="data: {datasets: [{path: a}]}\n",
    )
    assert outcome.tree["data"]["datasets"] == [{"path": "a", "split": "x"}, {"path": "a"}]


@pytest.mark.parametrize(
    ("override", "code", "place"),
    [
        ("t.lr", "S140", "t.lr"),
        ("t.lr: 5", "S140", "t.lr: 5"),
        ("=5", "S140", "="),
        ("  =5", "S140", "  ="),
        ("--t.lr=5", "S140", "--t.lr"),
        ("t..lr=5", "S140", "..lr"),
        (".t=5", "S140", ".t"),
        ("t.=5", "S140", "."),
        ("[0].t=5", "S140", "[0].t"),
        ("d.sets[-1]=5", "S140", "[-1]"),
        ("[a].name=5", "S140", "[a].name"),
        ("d.sets[]=5", "S140", "[]"),
        ("d.sets[a", "S140", "d.sets[a"),
        ("d.sets[0]name=5", "S140", "name"),
        ("t l=5", "S140", " l"),
        ("extends=base.yaml", "S140", "extends"),
        ("d.sets[3].name=x", "S141", "3"),
        ("d.sets.99999=x", "S141", "99999"),
        ("new[1]=x", "S141", "1"),
        ("new[a]=x", "S141", "a"),
        ("d.sets[c].name=x", "S141", "c"),
        ("t[name]=5", "S142", "name"),
        ("t.lr[a]=5", "S142", "a"),
        ("t[0]=5", "S142", "0"),
        ("d.sets.name=5", "S142", "name"),
        ("d.sets." + "9" * 5000 + "=5", "S142", "9" * 5000),
        ("t.lr.x=5", "S142", "x"),
        ("t.name[0]=5", "S142", "0"),
        ("t.lr=.inf", "S124", ".inf"),
        ("t.lr=" + "1" * 5000, "S123", "1" * 5000),
        ("t.lr=[1, {a: .nan}]", "S124", ".nan"),
        ("t={a: 1, a: 2}", "S113", "a"),
        ("t=[*x]", "S114", "*x"),
        ("t=[1, 2", "S110", "["),
        ('t="x', "S110", '"'),
        ("t={q} and more", "S110", "a"),
        ('t="a": b', "S110", '"a": b'),
        ("t={a: 1}: b", "S118", "{"),
        ("t=[" + "[" * 64, "S121", "["),
        ("--a\nb=5", "S140", "--a\ufffdb"),
        ("t=x\x1b[31m", "S107", "\ufffd"),
        ("t=\udcff", "S107", "\ufffd"),
    ],
)
def test_a_bad_override_is_an_error_at_its_place_and_changes_nothing(read, override, code, place):
    outcome = read(RECIPE, "t.ok=1", override)
    finding = outcome.findings[0]
    assert (finding.code, finding.severity) == (code, "error")
    assert finding.span.file == COMMAND_LINE
    assert finding.span.line == finding.span.end_line == 2
    assert outcome.at(finding.span) == place
    assert finding.fix is None
    assert outcome.tree["d"] == {"sets": [{"name": "a"}, {"name": "b"}]}
    assert outcome.tree["empty"] is None
    assert len(finding.message) < 200
    assert (finding.message + (finding.hint or "")).isprintable()


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("--t.lr=5", "t.lr=..."),
        ("t.lr", "training.learning_rate=1e-5"),
        ("d.sets.name=5", "d.sets[0].name"),
        ("d.sets[7]=5", "2 appends"),
        ("t[0]=5", "`lr`, `name`"),
        ("t.prompt={q} and more", "quotes"),
    ],
)
def test_the_hint_says_what_to_write(read, override, word):
    assert word in read(RECIPE, override).only.hint


def test_a_path_or_value_that_makes_the_tree_too_deep_is_refused(read):
    assert read(RECIPE, ".".join("a" * 64) + "=1").findings == []
    assert read(RECIPE, ".".join("a" * 65) + "=1").only.code == "S121"
    assert read(RECIPE, "t.lr=" + "[" * 62 + "]" * 62).findings == []
    assert read(RECIPE, "t.lr=" + "[" * 63 + "]" * 63).only.code == "S121"
    assert read(RECIPE, "a.b=" + "[" * 63 + "]" * 63).only.code == "S121"


def test_overrides_that_make_the_tree_too_large_are_refused(read):
    half = "[" + "1," * 15_000 + "]"
    assert read(RECIPE, f"a={half}", f"b={half}").codes == ["S122"]


def test_an_override_mends_a_value_but_its_finding_stays(read):
    outcome = read("a: .inf\n", "a=1")
    assert outcome.codes == ["S124"]
    assert outcome.tree == {"a": 1}
    assert outcome.document.unreadable == frozenset()


def test_findings_about_overrides_come_even_where_the_file_cannot_be_read(read):
    outcome = read("a: [\n", "nothing")
    assert outcome.document is None
    assert outcome.codes == ["S110", "S140"]
    assert outcome.texts[COMMAND_LINE] == "nothing"
