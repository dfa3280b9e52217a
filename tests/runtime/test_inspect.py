from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.inspect import histogram, main
from tests.runtime.support import assistant, compiled, user, write_rows


def inspect(run: CompiledRun, capsys: pytest.CaptureFixture[str], rows: int = 3) -> str:
    file = Path(run.run_dir) / "compiled.json"
    file.write_text(run.model_dump_json(), encoding="utf-8")
    assert main([str(file), str(rows)]) == 0
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
    assert main([str(file), "1"]) == 1
    assert "error: there is no file or folder" in capsys.readouterr().err


class TestHistogram:
    def test_every_length_is_counted_and_the_limit_marked(self) -> None:
        lines = histogram([1, 2, 2, 30], 20, "the limit")
        assert lines[0] == "tokens: shortest 1, median 2, 95% up to 30, longest 30"
        assert sum(int(line.split()[1]) for line in lines[1:]) == 4
        assert [line for line in lines if line.endswith("<- the limit 20")]

    def test_one_length_is_one_bar(self) -> None:
        assert len(histogram([7, 7, 7], None, "")) == 2

    def test_no_row_is_no_histogram(self) -> None:
        assert histogram([], 5, "the limit") == []
