"""Properties that hold for every input."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipe_engine.source import COMMAND_LINE, Document, load, parse
from recipe_engine.source.codes import CODES

FAST = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
SPECIAL = st.sampled_from([*"\n\t :#-?[]{},&*!|>'\"%@`\\=<~.01eEnox\u00a0é😀ab", "<<", "---", "...", "\\ud83d"])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.lists(SPECIAL, max_size=8).map("".join)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
trees = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=20,
)
recipes = st.dictionaries(texts.filter(lambda key: key != "extends"), trees, max_size=5)


class Dumper(yaml.SafeDumper):
    """Quotes every string, because PyYAML leaves text such as 1e-5 plain, which YAML 1.2 reads as a number."""

    quoting = '"'

    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style=dumper.quoting)
)


def load_bytes(data: bytes, *overrides: str) -> tuple[Document | None, list[Any], dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "recipe.yaml")
        file.write_bytes(data)
        found: dict[str, str] = {}
        document, findings = load(file, overrides, texts=found)
    return document, findings, found


def check_places(document: Document, tree: Any) -> None:
    """Every path of the tree, and no other, has a mark that lies inside the text, and inside its parent's."""
    text = document.texts[document.file].split("\n")

    def check(value: Any, path: tuple[str | int, ...]) -> int:
        mark = document.marks[path]
        for span in (mark.value, mark.key or mark.value):
            start, end = (span.line, span.column), (span.end_line, span.end_column)
            assert (1, 1) <= start <= end
            assert span.column <= len(text[span.line - 1]) + 1
            assert span.end_column <= len(text[span.end_line - 1]) + 1
        outer = document.marks[path[:-1]].value
        assert (outer.line, outer.column) <= (mark.value.line, mark.value.column)
        assert (mark.value.end_line, mark.value.end_column) <= (outer.end_line, outer.end_column)
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return 1 + sum(check(child, (*path, key)) for key, child in children)

    assert check(tree, ()) == len(document.marks)


@FAST
@given(
    tree=recipes,
    style=st.sampled_from(['"', "'", "|", ">"]),
    flow=st.sampled_from([True, False, None]),
    width=st.sampled_from([20, 80]),
)
def test_a_tree_dumped_as_yaml_is_read_back_with_a_place_for_every_path(tree, style, flow, width):
    dumper = type("Styled", (Dumper,), {"quoting": style})
    dumped = yaml.dump(tree, Dumper=dumper, default_flow_style=flow, width=width, allow_unicode=False, sort_keys=False)
    document, findings, _ = load_bytes(dumped.encode())
    assert findings == []
    assert document.tree == tree
    assert repr(document.tree) == repr(tree)  # 1, 1.0 and True are equal, but not the same
    check_places(document, tree)


@FAST
@given(tree=recipes, indent=st.sampled_from([None, 1, "\t"]))
def test_a_tree_dumped_as_json_is_read_back_with_a_place_for_every_path(tree, indent):
    dumped = json.dumps(tree, indent=indent)
    if "\\ud" in dumped:  # JSON writes characters beyond U+FFFF as two escapes; YAML does not
        return
    document, findings, _ = load_bytes(dumped.encode())
    assert findings == []
    assert repr(document.tree) == repr(tree)
    check_places(document, tree)


RECIPE = """\
# a recipe
model: {base_model_name: "a/b", lora: {r: 8, dropout: 5e-2}}
data:
  datasets:
    - name: 'it''s'
      columns: [x, y]
    - name: b
  prompt: |
    Q: {q}
      A: *
training:
  learning_rate: 1.0e-6   # why
  tags: []
"""


def changed(cuts: list[tuple[int, int, str]]) -> bytes:
    """The recipe with some stretches replaced: mistakes such as a hand makes them."""
    text = RECIPE
    for start, length, new in cuts:
        start %= len(text) + 1
        text = text[:start] + new + text[start + length :]
    return text.encode()


cuts = st.tuples(st.integers(0, len(RECIPE)), st.integers(0, 3), SPECIAL | texts)


@FAST
@given(
    data=st.lists(cuts, max_size=3).map(changed)
    | st.binary(max_size=60)
    | st.lists(SPECIAL | texts, max_size=40).map("".join).map(str.encode)
)
@pytest.mark.parametrize("parser", ["CBaseLoader", "BaseLoader"])
def test_no_bytes_make_it_raise_and_every_finding_is_documented_and_placed(data, parser):
    if not hasattr(yaml, parser):
        pytest.skip("PyYAML is built without libyaml here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "PARSER", getattr(yaml, parser))
        document, findings, found = load_bytes(data)
    assert document is not None or any(finding.severity == "error" for finding in findings)
    for finding in findings:
        assert finding.code in CODES
        check_finding(finding, found)
    if document is not None:
        check_places(document, document.tree)
        check_plain(document.tree)


@FAST
@given(override=st.lists(SPECIAL | texts | st.sampled_from(["a.b", "[0]", "=", "c"]), max_size=12).map("".join))
def test_no_override_makes_it_raise(override):
    document, findings, found = load_bytes(b"a: {b: [1, {c: d}]}\nc: 1\n", override)
    assert document is not None
    for finding in findings:
        assert finding.code in CODES
        assert finding.span.file == COMMAND_LINE
        check_finding(finding, found)
    check_plain(document.tree)


def check_finding(finding: Any, found: dict[str, str]) -> None:
    spans = [finding.span, *(related.span for related in finding.related)]
    spans += [edit.span for edit in finding.fix.edits] if finding.fix else []
    for span in spans:
        lines = found.get(span.file, "").split("\n")
        assert (1, 1) <= (span.line, span.column) <= (span.end_line, span.end_column)
        assert span.end_line <= len(lines)
        assert span.end_column <= len(lines[span.end_line - 1]) + 1
    assert all(char.isprintable() for char in finding.message + (finding.hint or ""))


def check_plain(value: Any) -> None:
    """Only JSON's types, and only finite numbers of at most 64 bits."""
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            check_plain(child)
    else:
        assert value is None or type(value) in (str, bool, int, float)
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, int) or -(2**63) <= value < 2**63
        if isinstance(value, str):
            value.encode()


def test_loading_twice_gives_trees_that_share_nothing(read):
    first, second = read("a: {b: [1]}\n"), read("a: {b: [1]}\n")
    first.tree["a"]["b"].append(2)
    assert second.tree == {"a": {"b": [1]}}


def test_texts_given_are_the_documents_own(tmp_path):
    (tmp_path / "r.yaml").write_text("a: 1\n")
    texts: dict[str, str] = {}
    document, _ = load(tmp_path / "r.yaml", ["a=2"], texts=texts)
    assert texts == document.texts == {str(tmp_path / "r.yaml"): "a: 1\n", COMMAND_LINE: "a=2"}
