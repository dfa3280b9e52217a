from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.diagnostics import Diagnostic
from recipe_engine.lint import Checked
from recipe_engine.lint.data import check_data

from .support import check_text, marked

GOOD = {"question": "2 + 2?", "reply": "4"}
RECIPE = """\
model:
  base_model_name: builtin/tiny-chat
data:
  datasets:
    - name: rows.jsonl
      prompt_column: question
      completion_column: reply
training:
  algorithm: sft
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_rows(*rows: Any, name: str = "rows.jsonl") -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def found_in(text: str = RECIPE) -> tuple[Checked, list[Diagnostic]]:
    checked = check_text(Path(), text)
    assert checked.recipe is not None, checked.diagnostics
    return checked, check_data(checked)


def test_good_rows_give_no_finding() -> None:
    write_rows(GOOD, GOOD)
    assert found_in()[1] == []


def test_a_recipe_with_errors_has_its_data_left_alone() -> None:
    checked = check_text(Path(), RECIPE + "  sed: 1\n")
    assert checked.has_errors
    assert check_data(checked) == []


def test_a_bad_row_is_named_at_the_key_that_names_its_column() -> None:
    write_rows(GOOD, {**GOOD, "reply": None}, {**GOOD, "question": 4})
    checked, found = found_in()
    assert [(one.code, one.severity, marked(checked, one)) for one in found] == [
        ("D405", "error", "reply"),
        ("D405", "error", "question"),
    ]
    assert found[0].message.startswith("'rows.jsonl', row 2: column `reply` is missing")
    assert "row 3: column `question`" in found[1].message


def test_many_bad_rows_are_counted_and_the_first_are_shown() -> None:
    write_rows(*[{**GOOD, "reply": ""}] * 30, GOOD)
    _, found = found_in()
    assert len(found) == 6
    assert "30 of 31 rows are invalid, 25 more than shown" in found[-1].message


def test_rows_that_the_recipe_drops_are_notes() -> None:
    write_rows(*[GOOD] * 9, {**GOOD, "reply": ""})
    _, found = found_in(RECIPE.replace("data:\n", "data:\n  invalid_rows: drop\n"))
    assert [(one.code, one.severity, one.hint) for one in found] == [("D405", "note", None)]


def test_more_of_them_than_the_recipe_allows_are_an_error() -> None:
    write_rows(*[GOOD] * 8, {**GOOD, "reply": ""})
    few = RECIPE.replace("data:\n", "data:\n  invalid_rows: drop\n")
    _, found = found_in(few)
    assert [(one.code, one.severity) for one in found] == [("D405", "note"), ("D419", "error")]
    assert "1 of 9 rows are invalid, and data.max_invalid_share is 0.1" in found[1].message
    _, found = found_in(few.replace("invalid_rows", "max_invalid_share: 0.2\n  invalid_rows"))
    assert [one.code for one in found] == ["D405"]


def test_dropping_every_row_is_an_error() -> None:
    write_rows({**GOOD, "reply": ""})
    _, found = found_in(RECIPE.replace("data:\n", "data:\n  invalid_rows: drop\n"))
    assert [(one.code, one.severity) for one in found] == [("D405", "note"), ("D406", "error")]


def test_a_missing_column_is_an_error_at_the_key_that_names_it() -> None:
    write_rows({"question": "2 + 2?", "answer": "4"})
    checked, found = found_in()
    assert [(one.code, marked(checked, one)) for one in found] == [("D403", "reply")]
    assert "`question`, `answer`" in found[0].message


def test_a_template_that_names_no_column_is_an_error_at_the_template() -> None:
    write_rows(GOOD)
    checked, found = found_in(RECIPE.replace("data:\n", 'data:\n  system_prompt: "For {topic}:"\n'))
    assert [(one.code, marked(checked, one)) for one in found] == [("D407", '"For {topic}:"')]


def test_evaluation_datasets_are_read_too() -> None:
    write_rows(GOOD)
    text = RECIPE.replace(
        "training:\n", "  eval_datasets:\n    - name: eval.jsonl\ntraining:\n  eval_strategy: epoch\n"
    )
    checked, found = found_in(text)
    assert [(one.code, marked(checked, one)) for one in found] == [("D401", "eval.jsonl")]


@pytest.mark.parametrize("name", ["org/name", "s3://bucket/rows.jsonl"])
def test_what_is_not_on_this_machine_is_a_note(name: str) -> None:
    checked, found = found_in(RECIPE.replace("rows.jsonl", name))
    assert [(one.code, one.severity, marked(checked, one)) for one in found] == [("D408", "note", name)]


def test_a_note_about_data_can_be_allowed_on_its_line() -> None:
    checked, found = found_in(RECIPE.replace("rows.jsonl", "org/name  # lint: allow D408"))
    assert found == []
    assert checked.diagnostics == ()


def test_a_value_from_a_parent_has_its_finding_there() -> None:
    write_rows({"question": "2 + 2?"})
    Path("base.yaml").write_text(RECIPE, encoding="utf-8")
    _, found = found_in("extends: base.yaml\n")
    assert [(one.code, Path(one.span.file).name, one.span.line) for one in found] == [("D403", "base.yaml", 7)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"[" * 100_000),
        ("a.json", b'[{"text": "\xff"}]'),
        ("a.json", b'"text"'),
        ("a.jsonl", b'{"text": ' + b"1" * 5000 + b"}"),
        ("a.jsonl", b'{"text": ' + b"[" * 100_000),
        ("a.jsonl", b"[1]\n"),
        ("a.csv", b"text,other\na\n"),
        ("a.csv", b"text\n\xff\n"),
        ("a.txt", b"\xff"),
        ("a.parquet", b"no parquet"),
        ("a.arrow", b""),
    ],
    ids=repr,
)
def test_an_unreadable_file_is_a_finding(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    text = RECIPE.replace("rows.jsonl", name)
    checked, found = found_in(text)
    assert [(one.code, marked(checked, one)) for one in found] == [("D402", name)]


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a.jsonl"])
def test_an_empty_file_is_a_finding(name: str) -> None:
    Path(name).write_bytes(b"")
    assert [one.code for one in found_in(RECIPE.replace("rows.jsonl", name))[1]] == ["D406"]


@pytest.mark.parametrize("name", ["./" + "x" * 300, "/dev/null", "~nobody-here/x", "a\\0b", "./a.json/b.json", "."])
def test_a_name_that_no_data_can_have_is_a_finding(name: str) -> None:
    Path("a.json").write_text("[]")
    found = found_in(RECIPE.replace("rows.jsonl", f'"{name}"'))[1]
    assert [one.code for one in found] in (["D401"], ["D406"], ["D408"])


def test_a_file_that_may_not_be_read_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(GOOD)

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    checked = check_text(Path(), RECIPE)
    monkeypatch.setattr(Path, "open", refuse)
    found = check_data(checked)
    assert [one.code for one in found] == ["D402"]
    assert "Permission denied" in found[0].message


def test_messages_about_rows_are_short_and_without_secrets() -> None:
    role = "hf_" + "a1b2c3d4e5" * 3 + "x" * 10_000
    write_rows({"messages": [{"role": role, "content": "x"}]})
    (found,) = found_in(RECIPE.replace("      prompt_column: question\n      completion_column: reply\n", ""))[1]
    assert len(found.message) <= 500
    assert "a1b2c3d4e5" not in found.message


RL = """\
model:
  base_model_name: builtin/tiny-chat
data:
  datasets:
    - name: rows.jsonl
rewards:
  - type: exact_match
training:
  algorithm: grpo
"""
PROMPT = {"prompt": "2 + 2?", "answer": "4"}


@pytest.mark.parametrize(("gpus", "needed"), [(None, 1), (0, 1), (1, 1), (4, 4)])
def test_prompts_that_fill_no_round_of_sampling_are_an_error(gpus: int | None, needed: int) -> None:
    write_rows(*[PROMPT] * needed)
    checked = check_text(Path(), RL, gpus)
    assert check_data(checked, gpus) == []
    batch = check_text(Path(), RL + "  gradient_accumulation_steps: 2\n", gpus)
    (found,) = check_data(batch, gpus)
    assert (found.code, found.severity, found.span.line) == ("D410", "error", 5)
    assert f"{needed} row" in found.message
    assert f"takes {2 * needed} prompts" in found.message
    assert found.hint is not None


def test_rows_are_not_counted_where_they_are_wrong_unknown_or_a_matter_of_draws() -> None:
    write_rows(PROMPT, {"prompt": ""})
    text = RL + "  gradient_accumulation_steps: 4\n"
    assert [one.code for one in check_data(check_text(Path(), text))] == ["D405"]
    write_rows(PROMPT)
    hub = text.replace("    - name: rows.jsonl\n", "    - name: rows.jsonl\n    - name: openai/gsm8k\n")
    assert [one.code for one in check_data(check_text(Path(), hub))] == ["D408"]
    write_rows(PROMPT, name="more.jsonl")
    drawn = text.replace("rows.jsonl\n", "rows.jsonl\n    - name: more.jsonl\n  mixing: interleave_under\n")
    assert check_data(check_text(Path(), drawn)) == []


class TestColumnsOfRewards:
    RECIPE = """\
model:
  base_model_name: builtin/tiny-chat
data:
  datasets:
    - name: rows.jsonl
training:
  algorithm: grpo
  num_generations: 2
  per_device_train_batch_size: 2
  gradient_accumulation_steps: 1
rewards:
"""
    ROW: dict[str, Any] = {"prompt": "2 + 2?", "answer": "4", "data_source": "sums", "info": {"truth": "4"}}  # noqa: RUF012

    def found(self, rewards: str) -> list[tuple[str, str]]:
        write_rows(self.ROW)
        checked, found = found_in(self.RECIPE + rewards)
        return [(one.message, marked(checked, one)) for one in found]

    @pytest.mark.parametrize(
        "reward",
        [
            "  - {type: exact_match}\n",
            "  - {type: exact_match, answer_column: info.truth}\n",
            "  - {type: exact_match, only: {column: data_source, values: [sums]}}\n",
            "  - {type: judge, base_url: 'http://x', model: m, prompt: '{prompt} {completion} {answer}'}\n",
            "  - {type: http, url: 'http://x', columns: [answer]}\n",
        ],
    )
    def test_columns_that_are_there_give_no_finding(self, reward: str) -> None:
        assert self.found(reward) == []

    @pytest.mark.parametrize(
        ("reward", "key", "name", "place"),
        [
            ("  - {type: math, answer_column: anwser}\n", "answer_column", "anwser", "anwser"),
            (
                "  - {type: exact_match, only: {column: source, values: [a]}}\n",
                "only.column",
                "source",
                "source",
            ),
            ("  - {type: http, url: 'http://x', columns: [answer, b]}\n", "columns[1]", "b", "b"),
            ("  - {type: code}\n", "tests_column", "tests", "{type: code}"),
        ],
    )
    def test_one_that_no_dataset_has_is_an_error_at_its_key(self, reward: str, key: str, name: str, place: str) -> None:
        assert self.found(reward) == [(f"rewards[0].{key}: no dataset has the column `{name}`", place)]

    def test_one_of_several_datasets_is_enough(self) -> None:
        write_rows({"prompt": "Say a word.", "kind": "word"}, name="others.jsonl")
        write_rows(self.ROW)
        text = self.RECIPE.replace("    - name: rows.jsonl\n", "    - name: rows.jsonl\n    - name: others.jsonl\n")
        assert found_in(text + "  - {type: exact_match, only: {column: kind, values: [word]}}\n")[1] == []
