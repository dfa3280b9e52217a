"""The score of a process reward model over the steps of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.recipe.rewards import PrmReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.loaded import load_its_tokenizer, load_scorer, padded
from recipe_engine.runtime.rewards.scores import Columns, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, prompt_text, text_of


def make(settings: PrmReward, run: CompiledRun, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: the model cannot be loaded, a token is not one of its vocabulary, or the template lacks a part.
    """
    for part in ("{prompt}", "{steps}"):
        if part not in settings.template:
            raise RunError(f"reward {settings.label}: its template lacks {part}")
    tokenizer = load_its_tokenizer(settings)
    placeholder = one_token(tokenizer, settings, settings.placeholder_token)
    words = [one_token(tokenizer, settings, token) for token in settings.reward_tokens]
    model = load_scorer(settings, run, AutoModelForCausalLM)
    say(f"reward {settings.label}: {settings.model} on {model.device}, in {settings.torch_dtype}")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        rows = [
            tokenizer(rendered(settings, prompt_text(prompt), text_of(completion)))["input_ids"][: settings.max_length]
            for prompt, completion in zip(columns["prompts"], completions, strict=True)
        ]
        results: list[Scored] = []
        for start in range(0, len(rows), settings.batch_size):
            ids, mask = padded(rows[start : start + settings.batch_size], model.device, pad)
            good = step_scores(model, ids, mask, placeholder, words)
            results += [_scored(steps, settings) for steps in good]
        return results

    return score


def rendered(settings: PrmReward, prompt: str, answer: str) -> str:
    """The prompt and the steps of the answer, each followed by the placeholder.

    A placeholder that the text holds itself would be a step too many, so it is taken out.
    """
    mark = settings.placeholder_token
    steps = [step.strip() for step in answer.replace(mark, "").split(settings.step_separator)]
    marked = "\n".join(f"{step} {mark}" for step in steps if step)
    # Not one after the other: a prompt may hold the text {steps}.
    before, _, after = settings.template.partition("{steps}")
    prompt = prompt.replace(mark, "")
    return before.replace("{prompt}", prompt) + marked + after.replace("{prompt}", prompt)


@torch.inference_mode()
def step_scores(
    model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, placeholder: int, words: Sequence[int]
) -> list[list[float]]:
    """For each row, the probability of the first of ``words`` among them, read at each placeholder.

    The logits **at** the placeholder count, not those before it: so process reward models are trained.

    Args:
        ids: Tokens, shape (B, T).
        mask: 1 where a token counts, shape (B, T).
    """
    logits = model(input_ids=ids, attention_mask=mask).logits  # (B, T, vocabulary)
    good = logits[..., list(words)].float().softmax(-1)[..., 0]
    places = (ids == placeholder) & mask.bool()
    return [good[row][places[row]].tolist() for row in range(len(ids))]


def aggregated(steps: Sequence[float], how: str) -> float:
    """One number of the scores of steps."""
    if how == "mean":
        return sum(steps) / len(steps)
    if how == "product":
        return math.prod(steps)
    return min(steps) if how == "min" else steps[-1]


def one_token(tokenizer: PreTrainedTokenizerBase, settings: PrmReward, text: str) -> int:
    """The id of a text that is one token.

    Raises:
        RunError: it is several.
    """
    if text in tokenizer.get_vocab():
        return int(tokenizer.convert_tokens_to_ids(text))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise RunError(f"reward {settings.label}: {text!r} is not one token of {settings.model}, but {len(ids)}")
    return int(ids[0])


def _scored(steps: list[float], settings: PrmReward) -> Scored:
    """An answer without a step has no good one."""
    if not steps:
        return Scored(0.0, {"steps": 0.0})
    return Scored(aggregated(steps, settings.aggregation), {"steps": float(len(steps))})
