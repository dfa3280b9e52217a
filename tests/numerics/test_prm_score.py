"""The reward of a process reward model reads the tokens and the logits that its training reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from recipe_engine.data.steps import StepTokens
from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.rewards.prm_score import step_scores
from recipe_engine.runtime.tokenize_steps import step_ids
from tests.numerics.conftest import MakeTrainer
from tests.runtime.rewards.support import Rewards
from tests.runtime.support import Row, assistant, user

TOKENS = StepTokens("#", ("+", "-"))
SETTINGS: dict[str, Any] = {"placeholder_token": "#", "reward_tokens": ["+", "-"]}
STEPS = ["1 + 1 = 2", "2 + 2 = 5", "so 5"]
QUESTION = "what is 1 + 1 + 2?"
TEMPLATE = "{% for turn in messages %}[{{ turn.role }}] {{ turn.content }}{{ eos_token }}{% endfor %}"


def metaspace(scheme: str) -> PreTrainedTokenizerFast:
    """A vocabulary of characters as Llama's writes them, in which judgements and placeholder are tokens with and
    without a space before them."""
    characters = ["\n", "▁", *(chr(code) for code in range(33, 127))]
    spaced = ["▁+", "▁-", "▁#"]
    vocabulary = {token: number for number, token in enumerate(["<pad>", "<eos>", *characters, *spaced])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[("▁", token[1]) for token in spaced]))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    made.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", chat_template=TEMPLATE, padding_side="right"
    )


def model_folder(folder: Path, vocabulary: str) -> str:
    """A tiny model with random weights, large enough for logits to differ, and one of the tokenizers."""
    if vocabulary == "tiny-chat":
        return "builtin/tiny-chat"
    tokenizer = metaspace(vocabulary)
    config = Qwen3Config.from_pretrained(builtin_model.ensure(), vocab_size=len(tokenizer), initializer_range=0.3)
    config.pad_token_id, config.eos_token_id, config.bos_token_id = 0, 1, None
    torch.manual_seed(5)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("scheme", ["first", "always", "never"])
def test_judgements_and_placeholders_are_those_of_training_in_a_metaspace_vocabulary(scheme: str) -> None:
    tokenizer = metaspace(scheme)
    bare, spaced = (tokenizer.convert_tokens_to_ids(tokens) for tokens in (["#", "+", "-"], ["▁#", "▁+", "▁-"]))
    ids = step_ids(tokenizer, TOKENS)
    assert set(bare).isdisjoint(spaced)
    assert ids.rewards == tuple((bare if scheme == "never" else spaced)[1:])
    assert ids.placeholders == ({bare[0], spaced[0]} if scheme == "never" else {spaced[0]})


@pytest.mark.parametrize("vocabulary", ["tiny-chat", "first", "never"])
@pytest.mark.parametrize("chat", [False, True], ids=["text", "chat"])
def test_positions_and_logits_are_those_of_training(
    tmp_path: Path, make_trainer: MakeTrainer, vocabulary: str, chat: bool
) -> None:
    prompt: Any = [user(QUESTION)] if chat else QUESTION
    answer = "\n\n".join(STEPS)
    rows: list[Row] = [{"prompt": prompt, "completions": STEPS, "labels": [True, False, True]}]
    trainer = make_trainer(
        "process_reward", rows, model=model_folder(tmp_path / "model", vocabulary), training=SETTINGS
    )
    batch = trainer.data_collator(list(trainer.train_dataset))
    with torch.no_grad():
        logits = trainer._logits_at(trainer.model, batch, batch["positions"])[0]
    expected = logits.softmax(-1)[:, 0].tolist()
    assert len(expected) == 3
    assert len({round(score, 5) for score in expected}) == 3

    ids = step_ids(trainer.processing_class, TOKENS)
    places = torch.isin(batch["input_ids"][0], torch.tensor(sorted(ids.placeholders))).nonzero()[:, 0]
    assert places.tolist() == batch["positions"][0].tolist()
    (read,) = step_scores(trainer.model, batch["input_ids"], batch["attention_mask"], ids)
    assert read == pytest.approx(expected, rel=1e-4)

    # Saved as training saves it, and named alone: the tokens are in its config.
    trainer.save_model(str(tmp_path / "prm"))
    (tmp_path / "grpo").mkdir()
    for how, score in {"mean": sum(expected) / 3, "min": min(expected), "last": expected[-1]}.items():
        reward = {"type": "prm_score", "model": str(tmp_path / "prm"), "torch_dtype": "float32", "aggregation": how}
        rewards = Rewards(tmp_path / "grpo", reward)
        found = rewards.scores([[assistant(answer)] if chat else answer], prompts=[prompt])
        assert found == pytest.approx([score], rel=1e-4)
        assert rewards.logged["rewards/prm_score/steps"] == [3]
