"""Plain scalars are YAML 1.2's, not YAML 1.1's."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("plain", ["", "~", "null", "Null", "NULL"])
def test_null(read, plain):
    assert read(f"a: {plain}\n").tree == {"a": None}


@pytest.mark.parametrize(
    ("plain", "value"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False)],
)
def test_booleans(read, plain, value):
    assert read(f"a: {plain}\n").tree["a"] is value


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("-12", -12),
        ("0o17", 15),
        ("0xfF", 255),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_integers(read, plain, value):
    outcome = read(f"a: {plain}\n")
    assert outcome.tree == {"a": value}
    assert type(outcome.tree["a"]) is int
    assert outcome.findings == []


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("1e-6", 1e-6),
        ("1.0E+5", 1e5),
        ("1e5", 1e5),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+1.25", 1.25),
        ("00.5", 0.5),
        ("1e-999", 0.0),
    ],
)
def test_floats(read, plain, value):
    outcome = read(f"a: {plain}\n")
    assert outcome.tree == {"a": value}
    assert type(outcome.tree["a"]) is float
    assert outcome.findings == []


@pytest.mark.parametrize(
    "plain",
    [
        "no",
        "yes",
        "on",
        "off",
        "y",
        "n",
        "No",
        "ON",
        "tRUE",
        "nULL",
        "1:30",
        "12:30:45",
        "2024-01-01",
        "2024-01-01T10:00:00Z",
        "1_000",
        "0b11",
        "-0x1",
        "+0o7",
        "0xg",
        "0o8",
        "1e",
        "1e+",
        ".",
        "+",
        "..",
        "1.2.3",
        "nan",
        "NaN",
        "inf",
        "Infinity",
        ".Nan",
        "+.nan",
        "e5",
        "1,000",
        "١٢",
        "C:\\models",
        "s3://b/k",
    ],
)
def test_everything_else_is_text(read, plain):
    outcome = read(f"a: {plain}\n")
    assert outcome.findings == []
    assert outcome.tree == {"a": plain}


@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", "|-\n  {}", ">-\n  {}"])
@pytest.mark.parametrize("text", ["1", "1e-5", "true", "null", "~", ".inf", "010", "<<"])
def test_what_is_quoted_or_in_a_block_is_always_text(read, quoted, text):
    outcome = read(f"a: {quoted.format(text)}\n")
    assert outcome.tree == {"a": text}
    assert outcome.findings == []


@pytest.mark.parametrize(
    "plain", [".inf", "-.INF", "+.Inf", ".nan", ".NaN", ".NAN", "1e999", "-1e999", "1" * 5000 + ".0"]
)
def test_a_number_that_is_not_finite_is_an_error(read, plain):
    outcome = read(f"a: {plain}\nb: 1\n")
    assert outcome.only.code == "S124"
    assert outcome.at(outcome.only.span) == plain
    assert outcome.tree == {"a": None, "b": 1}
    assert outcome.document.unreadable == {("a",)}


@pytest.mark.parametrize(
    "plain",
    ["9223372036854775808", "-9223372036854775809", "1" * 5000, "0x" + "f" * 17, "0x" + "f" * 5000, "0o" + "7" * 5000],
)
def test_an_integer_beyond_64_bits_is_an_error_with_a_short_message(read, plain):
    outcome = read(f"a: {plain}\n")
    assert outcome.only.code == "S123"
    assert len(outcome.only.message) < 100
    assert outcome.document.unreadable == {("a",)}


@pytest.mark.parametrize(("plain", "value"), [("010", 10), ("-007", -7), ("00", 0), ("0" * 5000 + "1", 1)])
def test_a_leading_zero_is_decimal_and_a_note_whose_fix_drops_it(read, plain, value):
    outcome = read(f"a: {plain}\n")
    assert outcome.tree == {"a": value}
    assert (outcome.only.code, outcome.only.severity) == ("S126", "note")
    assert outcome.fixed(outcome.only) == f"a: {value}\n"
