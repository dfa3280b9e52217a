"""The quickstarts of reward_model, process_reward and kto, run as a user runs them: they show learning, not motion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from recipe_engine.data import builtin
from tests.e2e.support import logged, mean, trained


def test_reward_model_prefers_right_answers_and_loads_anywhere(after_sft: Path) -> None:
    trained("reward_model.yaml", after_sft)
    run = "quickstart-reward-model"
    assert mean(logged(after_sft, run, "accuracy")[-3:]) > 0.75
    assert logged(after_sft, run, "eval_accuracy")[-1] > 0.68
    assert logged(after_sft, run, "eval_rewards/margins")[-1] > 0.8

    folder = after_sft / "models" / run
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.config.num_labels == 1
    assert model.config.pad_token_id == tokenizer.pad_token_id
    classify = pipeline("text-classification", model=str(folder), function_to_apply="none", device="cpu")
    conversations = [
        [{"role": "user", "content": "Largest digit: 274"}, {"role": "assistant", "content": said}] for said in "72"
    ]
    texts = [str(tokenizer.apply_chat_template(messages, tokenize=False)) for messages in conversations]
    right, wrong = (found["score"] for found in classify(texts))
    assert right > wrong


def test_process_reward_tells_right_steps_from_wrong_ones(after_sft: Path) -> None:
    trained("process_reward.yaml", after_sft)
    run = "quickstart-process-reward"
    assert mean(logged(after_sft, run, "accuracy")[-3:]) > 0.85
    assert logged(after_sft, run, "eval_accuracy")[-1] > 0.75

    folder = after_sft / "models" / run
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.process_reward == {"placeholder_token": "#", "reward_tokens": ["+", "-"]}
    judgements = tokenizer.convert_tokens_to_ids(["+", "-"])
    agreed = []
    for row in builtin.rows("builtin/step-labels", "test"):
        ids = tokenizer(row["input"], return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(ids).logits[0][:, judgements]
        said = logits[ids[0] == tokenizer.convert_tokens_to_ids("#")].argmax(-1).tolist()
        told = [line[-1] for line in row["label"].split("\n")[1:]]
        agreed += [float("+-"[guess] == label) for guess, label in zip(said, told, strict=True)]
    assert mean(agreed) == pytest.approx(logged(after_sft, run, "eval_accuracy")[-1], abs=0.03)


def test_kto_raises_good_answers_over_bad_ones(after_sft: Path) -> None:
    trained("kto.yaml", after_sft)
    assert mean(logged(after_sft, "quickstart-kto", "rewards/margins")[-3:]) > 0.8
    held_out = logged(after_sft, "quickstart-kto", "eval_rewards/margins")
    assert held_out[-1] > 0.4
    losses = logged(after_sft, "quickstart-kto", "eval_loss")
    assert losses[-1] < losses[0] < 0.5  # the loss of a model that is its reference
