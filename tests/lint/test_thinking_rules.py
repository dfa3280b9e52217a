"""What the examples of L364 to L369 do not show: templates in files and folders, and thoughts found in rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_engine.data.thought_templates import known_survival
from recipe_engine.lint import check
from recipe_engine.lint.data import check_data

from .support import check_overlay, codes, only

DROPS = "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}"
KEEPS = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
EARLIER = "{% for m in messages %}{{ m.content if loop.last else m.content.split('</think>')[-1] }}{% endfor %}"
THOUGHTS = "data:\n  datasets:\n    - name: my/rows\n      format: {}\nthinking:\n  open: <think>\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def with_template(folder: Path, template: str, rows: str = "thought_response") -> list[str]:
    (folder / "chat.jinja").write_text(template, encoding="utf-8")
    return codes(check_overlay(folder, "model:\n  chat_template: chat.jinja\n" + THOUGHTS.format(rows)))


def test_a_template_in_a_file_is_tried_out(tmp_path: Path) -> None:
    assert with_template(tmp_path, DROPS) == ["L366"]
    assert with_template(tmp_path, KEEPS) == []


def test_one_that_drops_earlier_thoughts_matters_where_earlier_turns_are_trained(tmp_path: Path) -> None:
    assert with_template(tmp_path, EARLIER, "messages") == ["L366"]
    assert with_template(tmp_path, EARLIER) == []


@pytest.mark.parametrize("broken", ["{% for", "{{ 1 / 0 }}", "{{ messages.foo.bar }}", "{{ raise_exception('no') }}"])
def test_a_template_that_fails_is_left_to_training(tmp_path: Path, broken: str) -> None:
    assert with_template(tmp_path, broken) == []


@pytest.mark.parametrize("kept_in", ["chat_template.jinja", "tokenizer_config.json"])
def test_the_template_of_a_local_model_is_tried_out(tmp_path: Path, kept_in: str) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for template, found in ((DROPS, ["L366"]), (KEEPS, [])):
        text = template if kept_in.endswith("jinja") else json.dumps({"chat_template": template})
        (model / kept_in).write_text(text, encoding="utf-8")
        overlay = "model:\n  base_model_name: ./model\n" + THOUGHTS.format("thought_response")
        assert codes(check_overlay(tmp_path, overlay)) == found


@pytest.mark.parametrize(
    ("name", "survives"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "none"),
        ("Qwen/Qwen3-8B", "last"),
        ("Qwen/QwQ-32B", "last"),
        ("Qwen/Qwen3-4B-Instruct-2507", None),
        ("Qwen/Qwen2.5-7B", None),
        ("meta-llama/Llama-3.1-8B-Instruct", None),
    ],
)
def test_well_known_models_are_known_by_name(name: str, survives: str | None) -> None:
    assert known_survival(name) == survives


def test_what_samples_needs_no_thoughts_in_rendered_rows(tmp_path: Path) -> None:
    overlay = "model:\n  base_model_name: deepseek-ai/DeepSeek-R1-Distill-Qwen-7B\nthinking:\n  open: <think>\n"
    assert codes(check_overlay(tmp_path, overlay + "training:\n  algorithm: grpo\n")) == []


def test_every_pair_of_tags_that_clash_is_named_with_both(tmp_path: Path) -> None:
    tags = 'thinking:\n  answer_open: "<think> "\n  answer_close: think>\n'
    checked = check_overlay(tmp_path, f"data:\n  datasets:\n    - name: builtin/thoughts\n{tags}")
    messages = [found.message for found in checked.diagnostics]
    assert messages[0] == "open and answer_open are the same tag"
    assert len(messages) == 4
    assert all("hold one another" in message for message in messages[1:])


def test_the_name_of_a_column_that_nothing_reads_is_an_error_and_unread_rows_a_warning(tmp_path: Path) -> None:
    named = "data:\n  datasets:\n    - name: my/rows\n      format: {}\n"
    column = check_overlay(tmp_path, named.format("alpaca") + "      thought_column: why\n")
    assert (only(column, "L367").severity, column.has_errors) == ("error", True)
    rows = check_overlay(tmp_path, named.format("thought_response"))
    assert (only(rows, "L367").severity, rows.has_errors) == ("warning", False)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "q", "completion": "a", "thought": "t"}, "in `thought`, which are read by nothing"),
        (
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "reasoning": "t"}]},
            "in `messages[].reasoning`, which are left to the chat template",
        ),
    ],
)
def test_thoughts_are_found_in_the_rows_of_local_files(tmp_path: Path, row: dict[str, object], words: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    overlay = "data:\n  datasets:\n    - name: rows.jsonl\n"
    check_overlay(tmp_path, overlay)
    (found,) = check_data(check(tmp_path / "recipe.yaml"))
    assert (found.code, found.severity) == ("L367", "warning")
    assert words in found.message
    check_overlay(tmp_path, overlay + "thinking:\n  open: <think>\n")
    assert check_data(check(tmp_path / "recipe.yaml")) == []


def test_a_bad_thought_is_found_at_the_key_that_names_its_column(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "q", "completion": "a", "why": "<think>"}\n', encoding="utf-8")
    overlay = "data:\n  datasets:\n    - name: rows.jsonl\n      thought_column: why\nthinking:\n  open: <think>\n"
    check_overlay(tmp_path, overlay)
    (found,) = check_data(check(tmp_path / "recipe.yaml"))
    assert (found.code, found.span.line) == ("D405", 5)
    assert "row 1: column `why` holds the tag <think>" in found.message
