"""The score of a process reward model over the steps of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedTokenizerBase

from recipe_engine.data.cells import Prompt
from recipe_engine.data.errors import RowError
from recipe_engine.data.steps import StepTokens, solution_of
from recipe_engine.recipe.rewards import PrmReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.loaded import load_its_tokenizer, load_scorer, padded
from recipe_engine.runtime.rewards.scores import Columns, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, prompt_text, text_of
from recipe_engine.runtime.tokenize_steps import StepIds, solution_ids, step_ids


def make(settings: PrmReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: the model cannot be loaded, its step tokens are not known or not one token each of its vocabulary, or
            the template lacks a part.
    """
    for part in ("{prompt}", "{steps}"):
        if settings.template is not None and part not in settings.template:
            raise RunError(f"reward {settings.label}: its template lacks {part}")
    tokenizer = load_its_tokenizer(settings)
    model = load_scorer(settings, run, AutoModelForCausalLM)
    tokens = step_tokens(settings, model.config)
    step = step_ids(tokenizer, tokens, f"reward {settings.label}: ")
    say(f"reward {settings.label}: {settings.model} on {model.device}, in {settings.torch_dtype}")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        rows = [
            _ids(tokenizer, solution(settings, tokens, prompt, text_of(completion)))[: settings.max_length]
            for prompt, completion in zip(columns["prompts"], completions, strict=True)
        ]
        results: list[Scored] = []
        for start in range(0, len(rows), settings.batch_size):
            ids, mask = padded(rows[start : start + settings.batch_size], model.device, pad)
            good = step_scores(model, ids, mask, step)
            results += [_scored(steps, settings) for steps in good]
        return results

    return score


def step_tokens(settings: PrmReward, config: PreTrainedConfig) -> StepTokens:
    """The step tokens of the recipe, or where it gives none those that the model was trained with.

    Raises:
        RunError: neither gives them.
    """
    trained = getattr(config, "process_reward", None) or {}
    placeholder = settings.placeholder_token or trained.get("placeholder_token")
    rewards = settings.reward_tokens or trained.get("reward_tokens")
    if not placeholder or not rewards:
        lacking = [
            name for name, found in (("placeholder_token", placeholder), ("reward_tokens", rewards)) if not found
        ]
        raise RunError(
            f"reward {settings.label}: neither it nor the config of {settings.model} gives {' and '.join(lacking)}",
            hint='write what it was trained with, such as placeholder_token: "ки" and reward_tokens: ["+", "-"]',
        )
    return StepTokens(placeholder, tuple(rewards))


def solution(settings: PrmReward, tokens: StepTokens, prompt: Prompt, answer: str) -> dict[str, Any]:
    """The prompt and the steps of the answer as a row that training tokenizes, but for its targets.

    A placeholder that the text holds itself would be a step too many, and training refuses such a row; here it is
    taken out.
    """
    mark = tokens.placeholder
    steps = [step.strip() for step in answer.replace(mark, "").split(settings.step_separator)]
    said = [step for step in steps if step]
    if settings.template is None:
        return solution_of(_without(mark, prompt), said, tokens)
    text = prompt_text(prompt).replace(mark, "")
    # Not one after the other: a prompt may hold the text {steps}.
    before, _, after = settings.template.partition("{steps}")
    marked = "\n".join(f"{step} {mark}" for step in said)
    return {"text": before.replace("{prompt}", text) + marked + after.replace("{prompt}", text)}


@torch.inference_mode()
def step_scores(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, step: StepIds) -> list[list[float]]:
    """For each row, the probability of the first reward token among them, read at each placeholder.

    The logits **at** the placeholder count, not those before it: so process reward models are trained.

    Args:
        ids: Tokens, shape (B, T).
        mask: 1 where a token counts, shape (B, T).
    """
    logits = model(input_ids=ids, attention_mask=mask).logits  # (B, T, vocabulary)
    good = logits[..., list(step.rewards)].float().softmax(-1)[..., 0]
    places = torch.isin(ids, torch.tensor(sorted(step.placeholders), device=ids.device)) & mask.bool()
    return [good[row][places[row]].tolist() for row in range(len(ids))]


def aggregated(steps: Sequence[float], how: str) -> float:
    """One number of the scores of steps."""
    if how == "mean":
        return sum(steps) / len(steps)
    if how == "product":
        return math.prod(steps)
    return min(steps) if how == "min" else steps[-1]


def _ids(tokenizer: PreTrainedTokenizerBase, row: dict[str, Any]) -> list[int]:
    try:
        return solution_ids(tokenizer, row)
    except RowError as error:
        raise RunError(f"its chat template refuses the conversation: {error}") from error
    except RunError as error:
        hint = 'a model that was trained on text reads chat prompts with template: "{prompt}\\n{steps}"'
        raise RunError(str(error), hint) from error


def _without(mark: str, prompt: Prompt) -> Prompt:
    if isinstance(prompt, str):
        return prompt.replace(mark, "")
    said = ({**turn, "content": turn["content"].replace(mark, "")} if turn.get("content") else turn for turn in prompt)
    return list(said)


def _scored(steps: list[float], settings: PrmReward) -> Scored:
    """An answer without a step has no good one."""
    if not steps:
        return Scored(0.0, {"steps": 0.0})
    return Scored(aggregated(steps, settings.aggregation), {"steps": float(len(steps))})
