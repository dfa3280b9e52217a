"""The score of a reward model: a sequence classifier with one output, on a conversation in its own chat template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jinja2.exceptions import TemplateError
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from recipe_engine.recipe.rewards import RewardModelReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.loaded import load_its_tokenizer, load_scorer, padded
from recipe_engine.runtime.rewards.scores import Columns, Say, Scorer
from recipe_engine.runtime.rewards.text import Completions, text_of
from recipe_engine.runtime.scoring import last_attended_scores


def make(settings: RewardModelReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: the model cannot be loaded, gives more than one number, or has no chat template.
    """
    tokenizer = load_its_tokenizer(settings)
    if tokenizer.chat_template is None:
        hint = "a reward model must know how conversations were rendered when it was trained"
        raise RunError(f"reward {settings.label}: the tokenizer of {settings.model} has no chat template", hint)
    model = load_scorer(settings, run, AutoModelForSequenceClassification)
    if model.config.num_labels != 1:
        raise RunError(f"reward {settings.label}: {settings.model} gives {model.config.num_labels} numbers, not one")
    longest = min(settings.max_length, _positions(model.config) or settings.max_length)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    say(f"reward {settings.label}: {settings.model} on {model.device}, in {settings.torch_dtype}")

    def score(completions: Completions, columns: Columns) -> list[float]:
        rows = [
            token_ids(tokenizer, conversation(prompt, text_of(completion)))[:longest]
            for prompt, completion in zip(columns["prompts"], completions, strict=True)
        ]
        # Rows of like lengths together: less padding. The order of the results is that of the rows.
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        scores = [0.0] * len(rows)
        for start in range(0, len(order), settings.batch_size):
            places = order[start : start + settings.batch_size]
            ids, mask = padded([rows[place] for place in places], model.device, pad)
            with torch.inference_mode():
                found = last_attended_scores(model, ids, mask).float().tolist()
            for place, one in zip(places, found, strict=True):
                scores[place] = one
        return scores

    return score


def conversation(prompt: Any, answer: str) -> list[dict[str, Any]]:
    """What the reward model reads: the prompt, and the answer as the assistant's turn."""
    said = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [dict(turn) for turn in prompt]
    return [*said, {"role": "assistant", "content": answer}]


def token_ids(
    tokenizer: PreTrainedTokenizerBase, messages: list[Mapping[str, Any]] | list[dict[str, Any]]
) -> list[int]:
    """A conversation in the template, which writes every special token itself: none is added to it again."""
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    except (TemplateError, TypeError, ValueError) as error:
        raise RunError(f"its chat template refuses the conversation: {error}") from error
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not ids:
        raise RunError("its chat template renders the conversation as nothing")
    return ids


def _positions(config: AutoConfig) -> int | None:
    return getattr(config.get_text_config(), "max_position_embeddings", None)
