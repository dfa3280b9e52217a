from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.inspect import harmless, histogram, inspect_run
from tests.runtime.support import assistant, compiled, user, write_rows


def inspect(run: CompiledRun, capsys: pytest.CaptureFixture[str], rows: int = 3) -> str:
    file = Path(run.run_dir) / "compiled.json"
    file.write_text(run.model_dump_json(), encoding="utf-8")
    assert inspect_run(file, rows) == 0
    return capsys.readouterr().out


def test_trained_tokens_are_marked_and_dropped_rows_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"prompt": [user("q")], "completion": [assistant("a")]},
        {"prompt": [user("long " * 50)], "completion": [assistant("a")]},
        {"prompt": "", "completion": "a"},
    ]
    name = write_rows(tmp_path / "rows.jsonl", rows)
    out = inspect(compiled(tmp_path, "sft", {"name": name}, data={"max_length": 16}), capsys)
    assert f"{name} [train]: prompt_completion rows, trained as prompt and completion" in out
    assert "<|user|>q<|end|><|assistant|>⟦a<|end|>⟧" in out
    assert "tokens: over the limit, dropped)" in out
    assert "row 3 (not used)" in out
    assert "3 rows read, 1 used, 1 over the length limit dropped (33%), 1 invalid" in out
    assert "row 3: column `prompt` is empty" in out
    assert "<- data.max_length 16" in out


def test_both_responses_of_a_preference_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [{"prompt": "The sky is", "chosen": " blue", "rejected": " green"}])
    out = inspect(compiled(tmp_path, "dpo", {"name": name}), capsys)
    assert "chosen: The sky is⟦ blue<|end|>⟧\nrejected: The sky is⟦ green<|end|>⟧" in out


def test_prompts_are_shown_as_they_are_sampled_from_with_their_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [{"prompt": [user("q")], "answer": "4", "level": 2}])
    rewards = [{"type": "exact_match"}]
    out = inspect(compiled(tmp_path, "grpo", {"name": name}, rewards=rewards), capsys)
    assert "<|user|>q<|end|><|assistant|>\n" in out
    assert "  level: 2\n" in out
    assert "  answer: '4'\n" in out
    assert "the prompt limit 256: no row is over it" in out


def test_evaluation_rows_are_shown_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, held_out = (write_rows(tmp_path / f"{part}.jsonl", [{"text": part}]) for part in ("train", "held"))
    data = {"eval_datasets": [{"name": held_out}]}
    out = inspect(compiled(tmp_path, "sft", {"name": name}, data=data, training={"eval_strategy": "epoch"}), capsys)
    assert "⟦train<|end|>⟧" in out
    assert "⟦held<|end|>⟧" in out


def test_a_problem_with_the_data_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = compiled(tmp_path, "sft", {"name": str(tmp_path / "missing.jsonl")})
    file = Path(run.run_dir) / "compiled.json"
    file.write_text(run.model_dump_json(), encoding="utf-8")
    assert inspect_run(file, 1) == 1
    assert "error: there is no file or folder" in capsys.readouterr().err


def test_as_many_used_rows_are_shown_as_asked_for_and_some_of_the_others_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": "long " * 99, "completion": "a"}] * 8 + [
        {"prompt": f"q{i}", "completion": "a"} for i in range(9)
    ]
    name = write_rows(tmp_path / "rows.jsonl", rows)
    out = inspect(compiled(tmp_path, "sft", {"name": name}, data={"max_length": 16}), capsys, rows=2)
    assert out.count("over the limit, dropped)") == 5
    assert out.count("⟦") == 2
    assert "--- row 9 " in out
    assert "--- row 10 " in out
    assert "--- row 11" not in out


def test_no_row_is_shown_where_none_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [{"text": "a"}, {"text": ""}])
    out = inspect(compiled(tmp_path, "sft", {"name": name}), capsys, rows=0)
    assert "---" not in out
    assert "2 rows read, 1 used, 1 invalid\n  row 2: column `text` is empty\n" in out


def test_all_invalid_rows_are_counted_the_first_five_named_and_the_end_of_a_training_foretold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [{"text": "fine"}, *[{"text": ""}] * 7])
    out = inspect(compiled(tmp_path, "sft", {"name": name}), capsys)
    assert "8 rows read, 1 used, 7 invalid" in out
    named = out[out.index("7 invalid") :]
    assert [f"row {n}:" in named for n in range(2, 9)] == [True] * 5 + [False] * 2
    assert "  and 2 more\n  training stops at an invalid row; data.invalid_rows: drop leaves" in named
    forgiving = inspect(compiled(tmp_path, "sft", {"name": name}, data={"invalid_rows": "drop"}), capsys)
    assert "  and 2 more\n" in forgiving
    assert "training stops" not in forgiving


def test_a_draw_of_max_samples_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [{"text": "a"}] * 5)
    run = compiled(tmp_path, "sft", {"name": name, "max_samples": 2}, data={"shuffle": True})
    assert "training draws 2 of them (max_samples, with data.shuffle)" in inspect(run, capsys)


def test_wide_characters_and_joined_emoji_are_shown_and_what_steers_a_terminal_is_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = "\U0001f469\u200d\U0001f467"
    row = {"prompt": f"日本語\u3000全角 {family}\t|", "completion": "\x1b[31mred\u202eder\r\n\x9b2J"}
    name = write_rows(tmp_path / "rows.jsonl", [row])
    out = inspect(compiled(tmp_path, "sft", {"name": name}), capsys)
    assert f"日本語\u3000全角 {family}\t|⟦\\x1b[31mred\\u202eder\\r\n\\x9b2J<|end|>⟧" in out
    assert not set(out) & {"\x1b", "\u202e", "\r", "\x9b"}


def test_a_message_about_a_row_is_made_harmless_too() -> None:
    assert harmless("row 1: \x1b]0;title\x07 \ud83d") == "row 1: \\x1b]0;title\\x07 \\ud83d"


def test_trained_tokens_are_green_in_a_terminal_unless_color_is_not_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [{"text": "a"}])
    run = compiled(tmp_path, "sft", {"name": name})
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32ma<|end|>\x1b[0m" in inspect(run, capsys)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "⟦a<|end|>⟧" in inspect(run, capsys)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "⟦a<|end|>⟧" in inspect(run, capsys)


class TestHistogram:
    def test_every_length_is_counted_and_the_limit_marked(self) -> None:
        lines = histogram([1, 2, 2, 30], 20, "the limit")
        assert lines[0] == "tokens: shortest 1, median 2, 95% up to 30, longest 30"
        assert sum(int(line.split()[1]) for line in lines[1:]) == 4
        assert [line for line in lines if line.endswith("<- the limit 20")]

    def test_a_limit_beyond_all_rows_or_below_all_is_told(self) -> None:
        assert histogram([7, 9], 10, "the limit")[-1] == "  the limit 10: no row is over it"
        assert histogram([7, 9], 6, "the limit")[-1] == "  the limit 6: every row is over it"
        assert histogram([7, 9], 9, "the limit")[-1].endswith("<- the limit 9")

    def test_a_single_row_in_a_bin_has_a_bar(self) -> None:
        lines = histogram([1] * 1000 + [100], None, "")
        assert lines[-1].split() == ["100-108", "1", "#"]

    def test_one_length_is_one_bar(self) -> None:
        assert len(histogram([7, 7, 7], None, "")) == 2

    def test_no_row_is_no_histogram(self) -> None:
        assert histogram([], 5, "the limit") == []


def test_labelled_answers_and_steps_are_shown_with_their_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for algorithm, dataset, settings, shown in (
        ("kto", "builtin/unpaired", {}, "desirable: <|user|>"),
        ("process_reward", "builtin/step-labels", {"placeholder_token": "#"}, "labels: [["),
    ):
        run = compiled(tmp_path, algorithm, {"name": dataset}, training=settings)
        file = tmp_path / "compiled.json"
        file.write_text(run.model_dump_json(), encoding="utf-8")
        assert inspect_run(file, 2) == 0
        assert shown in capsys.readouterr().out
