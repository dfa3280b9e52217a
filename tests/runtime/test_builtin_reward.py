from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase, pipeline

from recipe_engine.data.builtin.world import questions
from recipe_engine.runtime import builtin_model, builtin_reward
from recipe_engine.runtime.scoring import last_attended_scores


@pytest.fixture(scope="module")
def judge() -> Path:
    return builtin_model.ensure("builtin/tiny-reward")


def scores(folder: Path, answers: list[tuple[str, str]]) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [builtin_reward.TEXT.format(question=question, answer=answer) for question, answer in answers]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        return last_attended_scores(AutoModelForSequenceClassification.from_pretrained(folder), **batch)


@pytest.mark.parametrize(("part", "digits", "share"), [("test", 3, 0.8), ("asked", 1, 0.9)])
def test_it_prefers_right_answers_to_questions_it_was_never_trained_on(
    judge: Path, part: str, digits: int, share: float
) -> None:
    asked = [question for question in questions(part) if len(question.answer) <= digits]  # type: ignore[arg-type]
    right = scores(judge, [(question.text, question.answer) for question in asked])
    wrong = scores(judge, [(question.text, question.wrong) for question in asked])
    assert (right > wrong).float().mean() > share
    assert abs(float((right + wrong).mean())) < 0.5  # centred


def test_its_text_is_what_the_chat_template_renders(judge: Path) -> None:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(judge)
    messages = [{"role": "user", "content": "Reverse: 372"}, {"role": "assistant", "content": "273"}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered == builtin_reward.TEXT.format(question="Reverse: 372", answer="273")


def test_two_builds_are_the_same_to_the_last_bit_whatever_the_caller_has_set(
    judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            built = builtin_model.ensure("builtin/tiny-reward")
    finally:
        torch.set_default_dtype(torch.float32)
    assert built.name == judge.name
    assert (built / "model.safetensors").read_bytes() == (judge / "model.safetensors").read_bytes()


def test_it_loads_whole_and_judges_in_a_plain_pipeline(judge: Path) -> None:
    _, info = AutoModelForSequenceClassification.from_pretrained(judge, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    classify = pipeline("text-classification", model=str(judge), function_to_apply="none", device="cpu")
    texts = [builtin_reward.TEXT.format(question="Largest digit: 294", answer=answer) for answer in "94"]
    right, wrong = (result["score"] for result in classify(texts))
    assert right > wrong
