"""What can be wrong with a file before it is YAML."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipe_engine.source import load
from recipe_engine.source.text import MAX_BYTES, Text, shown


def only(file: str | Path):
    document, findings = load(file)
    assert document is None
    assert len(findings) == 1, findings
    return findings[0]


def test_a_missing_file_is_named_and_its_neighbour_with_the_other_suffix_suggested(tmp_path):
    (tmp_path / "sft.yaml").write_text("a: 1")
    finding = only(tmp_path / "sft.yml")
    assert (finding.code, finding.severity) == ("S101", "error")
    assert "sft.yml" in finding.message
    assert finding.hint == f"there is `{tmp_path / 'sft.yaml'}`"
    assert (finding.span.file, finding.span.line, finding.span.column) == (str(tmp_path / "sft.yml"), 1, 1)


def test_of_a_missing_file_in_a_missing_folder_the_folder_is_named(tmp_path):
    assert only(tmp_path / "no" / "sft.yaml").hint == f"the folder `{tmp_path / 'no'}` does not exist"


@pytest.mark.parametrize("name", ["recipe.yaml/under", "nul\0byte.yaml", ""])
def test_a_name_that_no_file_can_have_is_a_missing_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text("a: 1")
    assert only(name).code == "S101"


def test_a_folder_is_not_a_recipe(tmp_path):
    assert only(tmp_path).code == "S102"


def test_a_pipe_that_nobody_writes_to_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert only(tmp_path / "pipe.yaml").code == "S102"


def test_a_device_is_not_a_recipe():
    assert only("/dev/zero").code == "S102"


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "circle.yaml"])
def test_what_the_system_refuses_to_read_is_told_with_its_reason(tmp_path, name):
    (tmp_path / "circle.yaml").symlink_to(tmp_path / "circle.yaml")
    finding = only(tmp_path / name)
    assert finding.code == "S103"
    assert ": " in finding.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_unreadable(tmp_path):
    (tmp_path / "a.yaml").touch(mode=0o200)
    assert only(tmp_path / "a.yaml").code == "S103"


def test_one_mebibyte_is_read_and_one_byte_more_is_not(read):
    start = "a: 1\n#"
    assert read(start + "x" * (MAX_BYTES - len(start))).tree == {"a": 1}
    assert read(start + "x" * (MAX_BYTES - len(start) + 1)).only.code == "S104"


@pytest.mark.parametrize(
    ("data", "word"),
    [(b"PK\x03\x04\x00\x00", "binary"), ("a: 1".encode("utf-16"), "UTF-16"), (b"\0", "binary")],
)
def test_bytes_that_are_no_text_are_told_from_utf_16(read, data, word):
    assert read(data).only.code == "S105"
    assert word in read(data).only.message


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r"])
def test_invalid_utf_8_is_placed_at_its_line_and_character(read, line_break):
    outcome = read(b"a: 1" + line_break + "ü€: ".encode() + b"caf\xe9" + line_break + b"b: 2")
    finding = outcome.only
    assert finding.code == "S106"
    assert (finding.span.line, finding.span.column) == (2, 8)
    assert "0xE9" in finding.message
    assert "line 2" in finding.message
    assert outcome.at(finding.span) == "\ufffd"


def test_a_byte_order_mark_is_accepted_and_counts_no_column(read):
    outcome = read(b"\xef\xbb\xbfkey: 1")
    assert outcome.tree == {"key": 1}
    assert outcome.key("key") == "key"
    assert outcome.document.marks["key",].key.column == 1


@pytest.mark.parametrize(
    "content", ["", " ", "\n\n", "# only\n  # comments", "---\n", "---\n...\n", b"\xef\xbb\xbf", "null"]
)
def test_a_file_that_says_nothing_is_empty(read, content):
    assert read(content).only.code == "S108"


@pytest.mark.parametrize(
    "char", ["\x01", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff", "\uffff"]
)
def test_a_control_character_is_placed_and_its_fix_removes_every_one(read, char):
    outcome = read(f"a: 1\nb: x{char}y # {char}\n")
    finding = outcome.only
    assert finding.code == "S107"
    assert (finding.span.line, finding.span.column, finding.span.end_column) == (2, 5, 6)
    assert f"U+{ord(char):04X}" in finding.message
    assert char not in finding.message + finding.hint
    assert outcome.fixed(finding) == "a: 1\nb: xy # \n"


def test_text_that_runs_backwards_is_a_warning_and_still_read(read):
    outcome = read('a: "\u202e1"\n')
    assert (outcome.only.code, outcome.only.severity) == ("S109", "warning")
    assert outcome.tree == {"a": "\u202e1"}


def test_the_locale_plays_no_part(tmp_path):
    (tmp_path / "Übung.yaml").write_bytes("a: é😀".encode())
    program = "import sys; from recipe_engine.source import load; print(ascii(load(sys.argv[1])[0].tree))"
    for variables in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "C.UTF-8"}):
        command = [sys.executable, "-c", program, tmp_path / "Übung.yaml"]
        run = subprocess.run(command, env=variables | {"PYTHONPATH": os.getcwd()}, capture_output=True, text=True)
        assert run.stdout == "{'a': '\\xe9\\U0001f600'}\n", run.stderr


def test_reading_needs_neither_pydantic_nor_rich():
    heavy = ("pydantic", "rich", "typer", "torch")
    program = f"import sys, recipe_engine.source; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_a_place_counts_lines_and_characters_from_where_the_text_starts():
    text = Text("f", "ab\ncd")
    assert (text.span(1, 4).line, text.span(1, 4).column) == (1, 2)
    assert (text.span(1, 4).end_line, text.span(1, 4).end_column) == (2, 2)
    later = Text("f", "ab\ncd", line=7, column=5, breaks=False).span(1, 4)
    assert (later.line, later.column, later.end_line, later.end_column) == (7, 6, 7, 9)


def test_what_a_message_shows_is_short_and_has_no_control_characters():
    assert shown("a\n\x1b[31m\u202e") == "`a\\x0a\\x1b[31m\\u202e`"
    assert shown("x" * 100, 10) == "`xxxxxxx...`"
