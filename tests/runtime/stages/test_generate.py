"""Generation with transformers: the same rows whatever is in a batch, stops in between, and however many processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipe_engine.data.errors import DataError
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation import hf
from tests.runtime.stages.support import Row, carried_out, questions, result_in, rows_in

TEXTS = ["Last digit: 517", "x", "Smallest digit: 4218 of them all, and more words", "Say 12345", "Last digit: 5"]


def settings(folder: Path, *, model: str | Path = "builtin/tiny-chat", texts: list[str] = TEXTS, **stage: Any) -> Row:
    sampling = {"max_tokens": 12, **stage.pop("sampling", {})}
    rows = stage.pop("rows", None) or questions(folder, texts)
    return {"kind": "generate", "model": str(model), "rows": rows, "sampling": sampling, **stage}


def copied(tiny_chat: Path, folder: Path, **generation: Any) -> Path:
    """A copy of the embedded model, with settings of generation of its own."""
    shutil.copytree(tiny_chat, folder)
    file = folder / "generation_config.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**known, **generation}))
    return folder


def test_greedy_rows_are_those_of_generate_one_by_one(tiny_chat: Path, tmp_path: Path) -> None:
    carried_out(tmp_path, settings(tmp_path, sampling={"temperature": 0.0}, engine={"type": "hf", "batch_size": 4}))
    model = AutoModelForCausalLM.from_pretrained(tiny_chat)
    tokenizer = AutoTokenizer.from_pretrained(tiny_chat)
    for text, row in zip(TEXTS, rows_in(tmp_path), strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        new = model.generate(ids, do_sample=False, max_new_tokens=12)[0, ids.shape[1] :].tolist()
        ended = tokenizer.eos_token_id in new
        assert row["completion"] == tokenizer.decode(new, skip_special_tokens=True)
        assert row["completion_tokens"] == len(new)
        assert row["finish_reason"] == ("stop" if ended else "length")
        assert (row["prompt"], row["sample_idx"], row["model"]) == (text, 0, "builtin/tiny-chat")


class TestSampledRows:
    """Of three shards, two samples each."""

    def sampled(self, folder: Path, batch_size: int = 16, **more: Any) -> list[Row]:
        stage = settings(folder, sampling={"n": 2}, engine={"type": "hf", "batch_size": batch_size}, shard_rows=2)
        carried_out(folder, stage, seed=3, **more)
        return rows_in(folder)

    def test_are_the_same_in_batches_of_any_size_and_after_a_stop(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = self.sampled(tmp_path / "16")
        assert len({row["completion"] for row in wanted}) > 7  # they are sampled
        for size in (1, 3):
            assert self.sampled(tmp_path / str(size), size) == wanted
        shutil.copytree(tmp_path / "16", tmp_path / "stopped")
        shards = sorted((tmp_path / "stopped" / "rows" / "train").iterdir())
        before = shards[0].stat().st_mtime_ns
        shards[1].unlink()
        shards[2].unlink()
        (shards[2].parent / ".part-unfinished").write_text("half a li")
        calls: list[int] = []
        original = hf.HfGeneration.complete

        def counted(engine: Any, requests: Any, ledger: Path) -> Any:
            calls.append(len(requests))
            return original(engine, requests, ledger)

        monkeypatch.setattr(hf.HfGeneration, "complete", counted)
        assert self.sampled(tmp_path / "stopped") == wanted
        assert calls == [4, 2]
        assert shards[0].stat().st_mtime_ns == before
        assert not list(shards[0].parent.glob(".part-*"))
        calls.clear()
        carried_out(tmp_path / "stopped", settings(tmp_path / "stopped", sampling={"n": 1}, shard_rows=2))
        assert calls == [2, 2, 1]  # other settings make other rows, of every shard
        assert [row["sample_idx"] for row in rows_in(tmp_path / "stopped")] == [0] * 5

    def test_are_the_same_of_two_processes(self, tmp_path: Path) -> None:
        assert self.sampled(tmp_path / "two", processes=2) == self.sampled(tmp_path / "one")

    def test_differ_by_the_seed_and_keep_duplicates_apart(self, tmp_path: Path) -> None:
        stage = settings(tmp_path, texts=["x", "x", "y"], sampling={"n": 2})
        carried_out(tmp_path, stage)
        first = rows_in(tmp_path)
        ids = [row["prompt_id"] for row in first]
        assert [ids[0], ids[2], ids[4]] == [ids[1], ids[3], ids[5]]
        assert ids[2] == f"{ids[0]}-2"
        assert len({row["completion"] for row in first}) == 6
        carried_out(tmp_path, stage, seed=1, iteration=4)
        assert not {row["completion"] for row in first} & {row["completion"] for row in rows_in(tmp_path)}
        assert {row["iteration"] for row in rows_in(tmp_path)} == {4}


def test_neither_what_pads_nor_the_models_own_settings_matter(tiny_chat: Path, tmp_path: Path) -> None:
    """Padding with the end token, several end tokens, and sampling settings beside the weights."""
    stage = settings(tmp_path / "plain", sampling={"n": 3, "max_tokens": 16})
    carried_out(tmp_path / "plain", stage)
    plain = [(row["completion"], row["finish_reason"]) for row in rows_in(tmp_path / "plain")]
    assert {reason for _, reason in plain} == {"stop", "length"}
    tokens = {
        reason: [row["completion_tokens"] for row in rows_in(tmp_path / "plain") if row["finish_reason"] == reason]
        for reason in ("stop", "length")
    }
    assert set(tokens["length"]) == {16}
    assert (
        min(tokens["stop"]) < 16
    )  # those that ended before the others of their batch are not counted with its padding
    tokenizer = AutoTokenizer.from_pretrained(tiny_chat)
    own = {"temperature": 0.01, "top_k": 1, "repetition_penalty": 5.0, "do_sample": True, "max_length": 3}
    changed = copied(tiny_chat, tmp_path / "changed", **own)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(changed)
    carried_out(tmp_path / "same", {**stage, "model": str(changed)})
    assert [(row["completion"], row["finish_reason"]) for row in rows_in(tmp_path / "same")] == plain
    a = tokenizer("a", add_special_tokens=False)["input_ids"]
    second = copied(tiny_chat, tmp_path / "second", eos_token_id=[tokenizer.eos_token_id, *range(a[0], a[0] + 60)])
    carried_out(tmp_path / "more", {**stage, "model": str(second)})
    more = rows_in(tmp_path / "more")
    assert sum(row["finish_reason"] == "stop" for row in more) > sum(reason == "stop" for _, reason in plain)


def test_a_stop_text_ends_a_completion_and_is_no_part_of_it(tiny_chat: Path, tmp_path: Path) -> None:
    carried_out(tmp_path / "free", settings(tmp_path / "free", sampling={"max_tokens": 24}))
    free = rows_in(tmp_path / "free")
    stop = free[0]["completion"][3:5]
    carried_out(tmp_path / "stopped", settings(tmp_path / "stopped", sampling={"max_tokens": 24, "stop": [stop]}))
    for before, after in zip(free, rows_in(tmp_path / "stopped"), strict=True):
        assert after["completion"] == before["completion"].partition(stop)[0]
        assert after["finish_reason"] == ("stop" if stop in before["completion"] else before["finish_reason"])
        assert after["completion_tokens"] <= before["completion_tokens"]


def test_prompts_that_leave_no_room_are_dropped_and_counted(tmp_path: Path) -> None:
    carried_out(tmp_path, settings(tmp_path, sampling={"max_prompt_tokens": 12, "n": 2}))
    result = result_in(tmp_path)
    assert result["dropped"] == {"prompt_too_long": 2}
    assert (result["rows_in"], result["rows_out"], result["splits"]) == (5, 8, {"train": 8})
    with pytest.raises(RunError, match="no row is left"):
        carried_out(tmp_path / "none", settings(tmp_path / "none", sampling={"max_prompt_tokens": 1}, texts=TEXTS[2:3]))
    with pytest.raises(RunError, match=r"max_tokens is 2048, and builtin/tiny-chat takes 2048"):
        carried_out(tmp_path / "full", settings(tmp_path / "full", sampling={"max_tokens": 2048}))


def test_chat_prompts_are_rendered_and_answered_by_a_message(tmp_path: Path) -> None:
    said = carried_out(tmp_path, settings(tmp_path, rows="builtin/questions"), slice=(598, 603))
    rows = rows_in(tmp_path)
    assert [row["prompt"] for row in rows][:2] != [row["prompt"] for row in rows][2:4]
    assert len(rows) == 5  # counted on around the end, of 600
    assert all(row["completion"][0]["role"] == "assistant" and len(row["completion"]) == 1 for row in rows)
    assert all(row["answer"] and row["data_source"] for row in rows)  # carried along
    assert said[-1] == "generate: 5 rows in, 5 out"


def test_a_thought_goes_on_after_the_tag_and_begins_with_it_in_the_row(tmp_path: Path) -> None:
    thinking = {"open": "<think>", "close": "</think>"}
    stage = settings(tmp_path, rows="builtin/questions", sampling={"max_tokens": 4}, answers="completion")
    carried_out(tmp_path / "on", stage, thinking=thinking, slice=(0, 4))
    carried_out(tmp_path / "off", stage, thinking={**thinking, "begin_completion": False}, slice=(0, 4))
    assert all(row["completion"][0]["content"].startswith("<think>") for row in rows_in(tmp_path / "on"))
    assert not any(row["completion"][0]["content"].startswith("<think>") for row in rows_in(tmp_path / "off"))
    with pytest.raises(RunError, match="no row is left"):  # a model of noise forms no thought
        carried_out(tmp_path / "split", {**stage, "answers": "thought_and_response"}, thinking=thinking, slice=(0, 4))


class TestErrors:
    def test_name_the_row(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"row 2: column `prompt` is empty"):
            carried_out(tmp_path, settings(tmp_path, texts=["x", " "]))

    def test_of_a_model_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "adapter").mkdir()
        (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
        with pytest.raises(RunError, match="holds an adapter, not a whole model"):
            carried_out(tmp_path, settings(tmp_path, model=tmp_path / "adapter"))

    def test_of_weights_that_are_damaged(self, tiny_chat: Path, tmp_path: Path) -> None:
        model = AutoModelForCausalLM.from_pretrained(tiny_chat)
        with torch.no_grad():
            model.model.norm.weight[0] = float("nan")
        folder = copied(tiny_chat, tmp_path / "damaged")
        model.save_pretrained(folder)
        with pytest.raises(RunError, match="not numbers"):
            carried_out(tmp_path, settings(tmp_path, model=folder))
