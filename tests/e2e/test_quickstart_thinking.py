"""A tiny model learns to think between its tags, and then to answer better for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from recipe_engine.data import builtin
from recipe_engine.data.thinking import fault, split
from recipe_engine.data.thinking_file import read_thinking
from tests.e2e.support import logged, mean, train, trained

pytestmark = pytest.mark.xdist_group("thinking")  # they share a model


@pytest.fixture(scope="module")
def thinking_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thinking")
    trained("thinking_sft.yaml", folder)
    return folder


def test_sft_teaches_to_think_in_the_tags_and_to_answer_right(thinking_model: Path) -> None:
    from transformers import pipeline

    losses = logged(thinking_model, "quickstart-thinking-sft", "loss")
    assert losses[-1] < losses[0] / 20
    model = thinking_model / "models" / "quickstart-thinking-sft"
    block = read_thinking(str(model))
    assert block is not None
    rows = builtin.rows("builtin/thoughts", "test")[:64]
    speak = pipeline("text-generation", str(model), device="cpu")
    made = speak([row["messages"] for row in rows], max_new_tokens=48, do_sample=False, return_full_text=False)
    texts = [one[0]["generated_text"] for one in made]
    assert mean([fault(block, text) is None for text in texts]) > 0.9
    assert mean([split(block, text).answer == row["response"] for text, row in zip(texts, rows, strict=True)]) > 0.5


def test_grpo_without_the_sft_model_says_which_command_makes_it(tmp_path: Path) -> None:
    done = train("thinking_grpo.yaml", tmp_path)
    assert done.returncode == 1
    assert "./scripts/run_training.sh --config recipes/quickstart/thinking_sft.yaml --num-gpus 0" in done.stderr


def test_grpo_rewards_the_answer_behind_the_thought(thinking_model: Path, tmp_path: Path) -> None:
    shutil.copytree(thinking_model / "models", tmp_path / "models")
    trained("thinking_grpo.yaml", tmp_path)
    run = "quickstart-thinking-grpo"
    rewards = logged(tmp_path, run, "reward")
    assert mean(rewards[-5:]) - mean(rewards[:5]) > 0.05
    assert max(logged(tmp_path, run, "thinking/malformed")) < 0.2
    assert mean(logged(tmp_path, run, "thinking/malformed")[-3:]) < 0.1
    saved = json.loads((tmp_path / "models" / run / "thinking.json").read_text(encoding="utf-8"))
    assert (saved["open"], saved["close"]) == ("<think>", "</think>")
