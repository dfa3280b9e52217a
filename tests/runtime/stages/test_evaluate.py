"""Evaluations: two models on the same prompts with the same draws, and what is said of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipe_engine.data import builtin
from recipe_engine.data.shards import whole_shards
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.stages.run import read_stage, works
from recipe_engine.runtime.stages.work import Work
from tests.runtime.stages.support import Row, carried_out, result_in, rows_in

REWARDS = [{"type": "exact_match"}, {"type": "length", "unit": "characters", "max": 4}]
HELD_OUT = builtin.rows("builtin/completions", "test")[:30]


@pytest.fixture(scope="module")
def noisier(tiny_chat: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model, with less sure answers."""
    folder = tmp_path_factory.mktemp("noisier")
    model = AutoModelForCausalLM.from_pretrained(tiny_chat)
    with torch.no_grad():
        model.model.norm.weight *= 0.5
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_chat).save_pretrained(folder)
    return folder


def settings(**stage: Any) -> Row:
    given = {"kind": "evaluate", "model": "builtin/tiny-chat", "resamples": 200, "shard_rows": 10, **stage}
    return {**given, "sampling": {"n": 2, "max_tokens": 8, **stage.get("sampling", {})}}


def summary_in(folder: Path) -> Row:
    summary: Row = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return summary


@pytest.fixture(scope="module")
def evaluated(noisier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of everything."""
    folder = tmp_path_factory.mktemp("evaluated")
    rows = folder / "held_out.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in HELD_OUT))
    stage = settings(base=str(noisier), rows="builtin/questions", rewards=REWARDS, nll_rows=str(rows))
    carried_out(folder, stage, slice=(0, 30))
    return folder


def test_both_models_answer_the_same_prompts(evaluated: Path) -> None:
    base, candidate = rows_in(evaluated, "base"), rows_in(evaluated, "candidate")
    names = ("prompt_id", "sample_idx", "prompt")
    assert [[row[name] for name in names] for row in base] == [[row[name] for name in names] for row in candidate]
    assert len(base) == 60
    assert {row["model"] for row in candidate} == {"builtin/tiny-chat"}
    result = result_in(evaluated)
    assert (result["rows_in"], result["rows_out"], result["splits"]) == (30, 120, {"base": 60, "candidate": 60})


def test_the_summary_says_what_the_rows_say(evaluated: Path) -> None:
    summary, rows = summary_in(evaluated), rows_in(evaluated, "candidate")
    candidate = summary["candidate"]
    by_prompt = [rows[place : place + 2] for place in range(0, 60, 2)]
    means = [sum(row["reward"] for row in group) / 2 for group in by_prompt]
    bests = [max(row["reward"] for row in group) for group in by_prompt]
    assert candidate["reward"]["mean"] == pytest.approx(sum(means) / 30)
    assert candidate["reward"]["best"] == pytest.approx(sum(bests) / 30)
    assert candidate["eos"] == pytest.approx(sum(row["finish_reason"] == "stop" for row in rows) / 60)
    assert candidate["clipped"] == pytest.approx(sum(row["finish_reason"] == "length" for row in rows) / 60)
    differ = sum(group[0]["reward"] != group[1]["reward"] for group in by_prompt)
    assert candidate["groups"]["differ"] == pytest.approx(differ / 30)
    assert set(candidate["rewards"]) == {"exact_match", "length"}
    assert sum(one["prompts"] for one in candidate["sources"].values()) == 30
    assert {"p50", "p95", "mean"} == set(candidate["length"])
    assert (summary["k"], summary["version"], candidate["prompts"], candidate["completions"]) == (2, 1, 30, 60)


def test_differences_have_intervals_around_them(evaluated: Path) -> None:
    summary = summary_in(evaluated)
    for name in ("reward.mean", "reward.best", "nll.mean", "length.mean"):
        first, last = name.split(".")
        one = summary["difference"][first][last]
        assert one["value"] == pytest.approx(summary["candidate"][first][last] - summary["base"][first][last])
        assert one["low"] <= one["value"] <= one["high"]
    nll = summary["difference"]["nll"]["mean"]
    assert nll["low"] < nll["high"]
    assert isinstance(summary["difference"]["length"]["p95"], int | float)


def test_the_likelihood_is_that_of_a_plain_loop(evaluated: Path, tiny_chat: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_chat).double()
    tokenizer = AutoTokenizer.from_pretrained(tiny_chat)
    total, tokens = 0.0, 0
    for row in HELD_OUT:
        prompt = len(tokenizer(row["prompt"])["input_ids"])
        ids = tokenizer(row["prompt"] + row["completion"] + tokenizer.eos_token, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logs = model(ids).logits[0, :-1].log_softmax(-1)
        total -= float(logs.gather(1, ids[0, 1:, None])[prompt - 1 :].sum())
        tokens += ids.shape[1] - prompt
    measured = summary_in(evaluated)["candidate"]["nll"]
    assert measured["tokens"] == tokens
    assert measured["mean"] == pytest.approx(total / tokens, rel=1e-5)


def test_each_part_is_known_to_a_process_of_its_own_by_its_name(evaluated: Path) -> None:
    known = works(read_stage(evaluated), evaluated, print)
    assert list(known) == [f"{role}-{part}" for role in ("base", "candidate") for part in ("answers", "scores", "nll")]
    assert all(not unfinished_of(work) for work in known.values())


def unfinished_of(work: Work) -> list[int]:
    """Shards of rows without counts, or the other way round."""
    counted = {int(path.stem.removeprefix("part-")) for path in work.counts_file(0).parent.iterdir()}
    return sorted(counted ^ set(whole_shards(work.rows_folder)))


def test_there_is_a_picture(evaluated: Path) -> None:
    assert (evaluated / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_against_itself_differs_in_nothing(tmp_path: Path) -> None:
    stage = settings(base="builtin/tiny-chat", rows="builtin/questions", rewards=REWARDS, sampling={"n": 1})
    carried_out(tmp_path, stage, slice=(0, 12))
    difference = summary_in(tmp_path)["difference"]
    assert difference["reward"]["mean"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert [row["completion"] for row in rows_in(tmp_path, "base")] == [
        row["completion"] for row in rows_in(tmp_path, "candidate")
    ]


def test_one_model_alone_is_measured_without_rewards(tmp_path: Path) -> None:
    carried_out(tmp_path, settings(rows="builtin/questions"), slice=(0, 3))
    summary = summary_in(tmp_path)
    assert {"difference", "base"} & summary.keys() == set()
    assert "reward" not in summary["candidate"]
    assert math.isfinite(summary["candidate"]["repetition"])


class TestErrors:
    def test_of_an_evaluation_of_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="nothing is measured"):
            carried_out(tmp_path, settings())

    def test_of_tasks_without_their_package(self, tmp_path: Path) -> None:
        pytest.importorskip("pydantic")
        from importlib.util import find_spec

        if find_spec("lm_eval") is not None:
            pytest.skip("it is installed")
        with pytest.raises(RunError, match="lm_eval, which is not installed"):
            carried_out(tmp_path, settings(tasks=["gsm8k"]))

    def test_of_a_likelihood_that_a_service_cannot_give(self, tmp_path: Path) -> None:
        engine = {"type": "http", "base_url": "http://127.0.0.1:1"}
        with pytest.raises(RunError, match="a service does not say how likely"):
            carried_out(tmp_path, settings(nll_rows="builtin/completions", engine=engine))
