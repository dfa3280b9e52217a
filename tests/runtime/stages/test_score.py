"""Scores of a stage: those of training, whatever stands in a batch, each with its parts."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from recipe_engine.data.errors import DataError
from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.errors import RunError
from tests.runtime.rewards.server import Answer, chat, serving
from tests.runtime.stages.support import Row, carried_out, result_in, rows_in

JUDGE = {"type": "reward_model", "model": "builtin/tiny-reward", "torch_dtype": "float32", "batch_size": 3}

ASKED = {"type": "judge", "model": "judge", "prompt": "{prompt} {completion}", "pattern": r"Score (\d+)"}


def written(folder: Path, rows: list[Row]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scored.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def settings(folder: Path, rows: list[Row], rewards: list[Row], **stage: Any) -> Row:
    return {"kind": "score", "rows": written(folder, rows), "rewards": rewards, **stage}


def answers(count: int = 7) -> list[Row]:
    """Questions of a message each, with answers of several lengths."""
    return [
        {
            "prompt": [{"role": "user", "content": f"Last digit: {100 + number}"}],
            "completion": [{"role": "assistant", "content": "7" * (number + 1)}],
            "answer": "7",
            "prompt_id": str(number),
        }
        for number in range(count)
    ]


def test_scores_of_a_reward_model_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    rows = answers()
    carried_out(tmp_path, settings(tmp_path, rows, [JUDGE], shard_rows=4))
    folder = builtin_model.ensure("builtin/tiny-reward")
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row, scored in zip(rows, rows_in(tmp_path), strict=True):
        text = tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        hidden = model.model(ids).last_hidden_state
        wanted = float(model.score(hidden)[0, -1, 0])  # at the last token, whichever it is
        assert scored["reward"] == pytest.approx(wanted, abs=1e-4)
        assert scored["rewards"] == {"reward_model": scored["reward"]}
        assert {name: scored[name] for name in row} == row
    assert result_in(tmp_path)["summary"]["mean_reward"] == pytest.approx(
        sum(row["reward"] for row in rows_in(tmp_path)) / 7
    )


def test_rewards_are_weighted_and_one_that_does_not_apply_is_not_zero(tmp_path: Path) -> None:
    rows = [
        {"prompt": "q", "completion": "7", "answer": "7", "data_source": "a"},
        {"prompt": "q", "completion": "no", "answer": "7", "data_source": "b"},
        {"prompt": "q", "completion": "", "answer": "7", "data_source": "c"},
    ]
    rewards = [
        {"type": "exact_match", "weight": 2.0, "only": {"column": "data_source", "values": ["a", "b"]}},
        {"type": "length", "unit": "characters", "max": 1, "only": {"column": "data_source", "values": ["a"]}},
        {"type": "format", "pattern": "x", "weight": 0.5, "only": {"column": "data_source", "values": ["d", "b"]}},
    ]
    with pytest.raises(DataError, match="row 3: column `data_source` holds nothing that a reward applies to"):
        carried_out(tmp_path, settings(tmp_path, rows, rewards))
    rewards.append({"type": "format", "name": "later", "pattern": ".*", "weight": 0.0})
    rewards[-1]["only"] = {"column": "data_source", "values": ["c"]}
    carried_out(tmp_path, settings(tmp_path, rows, rewards))
    scored = rows_in(tmp_path)
    assert [row["reward"] for row in scored] == [3.0, 0.0, 0.0]
    assert scored[0]["rewards"] == {"exact_match": 1.0, "length": 1.0, "format": None, "later": None}
    assert scored[1]["rewards"] == {"exact_match": 0.0, "length": None, "format": 0.0, "later": None}


class TestThoughts:
    def scored(self, folder: Path, rewards: list[Row]) -> list[Row]:
        texts = ["<think>so</think>7", "<think>no end", "7"]
        rows = [{"prompt": f"q{n}", "completion": text, "answer": "7"} for n, text in enumerate(texts)]
        carried_out(folder, settings(folder, rows, rewards), thinking={})
        return rows_in(folder)

    def test_are_left_out_and_malformed_ones_scored_as_in_training(self, tmp_path: Path) -> None:
        rewards = [
            {"type": "exact_match", "malformed_score": -1.0},
            {"type": "format"},
            {**JUDGE, "malformed": "drop"},
            {**JUDGE, "name": "null", "malformed": "null_text"},
        ]
        first, second, third = self.scored(tmp_path, rewards)
        assert (first["rewards"]["exact_match"], first["rewards"]["exact_match/malformed"]) == (1.0, 0.0)
        assert (second["rewards"]["exact_match"], second["rewards"]["exact_match/malformed"]) == (-1.0, 1.0)
        assert third["rewards"]["exact_match"] == -1.0  # without a tag it has no answer
        assert [row["rewards"]["format"] for row in (first, second, third)] == [1.0, 0.0, 0.0]
        assert second["rewards"]["reward_model"] is None
        assert isinstance(second["rewards"]["null"], float)
        assert second["reward"] == pytest.approx(-1.0 + second["rewards"]["null"])
        assert result_in(tmp_path)["summary"]["malformed"] == 6


def test_tokens_are_those_of_the_rows_model_with_the_end(tmp_path: Path) -> None:
    rows = [{**row, "model": "builtin/tiny-chat", "finish_reason": "stop"} for row in answers(2)]
    rows[1]["finish_reason"] = "length"
    rewards = [{"type": "overlong_penalty", "max_resp_len": 3, "buffer": 2}]
    carried_out(tmp_path, settings(tmp_path, rows, rewards))
    assert [row["reward"] for row in rows_in(tmp_path)] == [-0.5, -0.5]  # 1 + the end, and 2
    bare = [{name: value for name, value in row.items() if name != "model"} for row in rows]
    with pytest.raises(RunError, match="the rows name no `model`"):
        carried_out(tmp_path / "bare", settings(tmp_path / "bare", bare, rewards))


def test_a_completion_that_repeats_its_prompt_is_scored_without_it(tmp_path: Path) -> None:
    rows = [{**row, "said": row["prompt"] + row["completion"]} for row in answers(2)]
    stage = settings(tmp_path, rows, [{"type": "exact_match"}], completion_column="said")
    carried_out(tmp_path, stage)
    assert [row["reward"] for row in rows_in(tmp_path)] == [1.0, 0.0]


class TestAJudge:
    def test_of_bad_moods_gives_each_row_its_score(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("recipe_engine.runtime.rewards.service.FIRST_WAIT", 0.01)
        asked: set[str] = set()
        lock = threading.Lock()

        def answer(body: Row) -> Answer:
            text = body["messages"][-1]["content"]
            with lock:
                first = text not in asked
                asked.add(text)
            if first:
                return (429, "", {"Retry-After": "0.05"}) if "100" in text else (500, "")
            return 200, chat(f"Score {text.split()[-1].count('7')}")

        with serving(answer) as server:
            stage = settings(tmp_path, answers(), [{**ASKED, "base_url": server.url}], shard_rows=2)
            carried_out(tmp_path, stage)
        assert [row["reward"] for row in rows_in(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]

    def test_that_fails_stops_the_stage_which_goes_on_from_its_last_shard(self, tmp_path: Path) -> None:
        broken = threading.Event()

        def answer(body: Row) -> Answer:
            if "Last digit: 104" in body["messages"][-1]["content"] and not broken.is_set():
                return 400, "cannot"
            time.sleep(0.001)
            return 200, chat("Score 1")

        with serving(answer) as server:
            stage = settings(tmp_path, answers(), [{**ASKED, "base_url": server.url}], shard_rows=2)
            with pytest.raises(RunError, match="HTTP 400"):
                carried_out(tmp_path, stage)
            assert len(rows_in(tmp_path)) == 4
            broken.set()
            before = len(server.bodies)
            carried_out(tmp_path, stage)
            assert len(server.bodies) - before == 3
        assert len(rows_in(tmp_path)) == 7


def test_a_function_is_not_run_without_leave(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def mine(completions, **columns):\n    return [len(c) for c in completions]\n")
    rows = [{"prompt": "q", "completion": "four"}]
    stage = settings(tmp_path, rows, [{"type": "function", "path": "mine.py", "name": "mine"}])
    with pytest.raises(RunError, match="Python code"):
        carried_out(tmp_path, stage)
    carried_out(tmp_path, stage, allow_reward_code=True)
    assert rows_in(tmp_path)[0]["rewards"] == {"mine": 4.0}


def test_two_rewards_of_one_name_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="two rewards are called length"):
        carried_out(tmp_path, settings(tmp_path, answers(), [{"type": "length"}, {"type": "length", "min": 2}]))
