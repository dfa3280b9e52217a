"""What happens to rows over a limit: dropped, refused, or cut; always counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.grpo import prompt_limit_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.recipe.data import OverlongRows, RowShape
from recipe_engine.runtime.tokenize import IGNORED

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A row within the limits. ``row`` is none where it is dropped; ``length`` is what it measured before."""

    row: Row | None
    length: int
    cut: bool = False


class OverlongError(Exception):
    """A row is over a limit, and the recipe says that this is an error."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Token limits of a row, and what to do with rows over them."""

    row: int | None
    prompt: int | None
    overlong: OverlongRows


Fit = Callable[[Row], Fitted]


def limits_of(run: CompiledRun, shape: RowShape) -> Limits:
    """The limits that apply to rows of a shape."""
    overlong = run.data.overlong_rows or "drop"
    if algorithm(run.algorithm).sampling != "none":
        row = None if shape == "prompt" else run.data.max_length
        return Limits(row, prompt_limit_of(run.data, run.arguments["max_completion_length"]), overlong)
    if run.arguments.get("packing") and run.data.overlong_rows is None:
        splits = run.arguments.get("packing_strategy") in {"bfd_split", "wrapped"}
        return Limits(None if splits else run.data.max_length, run.data.max_prompt_length, overlong)
    return Limits(run.data.max_length, run.data.max_prompt_length, overlong)


def fitter_for(shape: RowShape, limits: Limits) -> Fit:
    """The function that brings tokenized rows of a shape within the limits."""
    if shape == "preference":
        return lambda row: fit_preference(row, limits)
    if shape == "preference_margin":
        return lambda row: fit_preference(row, limits, {"margin": row["margin"]})
    if shape == "unpaired":
        return lambda row: fit_unpaired(row, limits)
    if shape == "stepwise":
        return lambda row: fit_steps(row, limits)
    if shape == "prompt":
        return lambda row: fit_prompt(row, limits)
    return lambda row: fit_sequence(row, limits)


def fit_sequence(row: Row, limits: Limits) -> Fitted:
    """Fit ``input_ids`` and ``labels``."""
    ids, labels, prompt = row["input_ids"], row["labels"], row["prompt_length"]
    length = len(ids)
    over_prompt = limits.prompt is not None and prompt > limits.prompt
    if not over_prompt and not _over(length, limits.row):
        return Fitted({"input_ids": ids, "labels": labels}, length)
    if limits.overlong == "error":
        raise OverlongError(_over_text(length, limits.row, prompt, limits.prompt))
    if limits.overlong == "drop":
        return Fitted(None, length)
    if over_prompt:
        excess = prompt - (limits.prompt or 0)
        cut = slice(0, excess) if limits.overlong == "left" else slice(prompt - excess, prompt)
        ids, labels = ids[: cut.start] + ids[cut.stop :], labels[: cut.start] + labels[cut.stop :]
    kept = slice(-limits.row, None) if limits.overlong == "left" and limits.row else slice(None, limits.row)
    ids, labels = ids[kept], labels[kept]
    if all(label == IGNORED for label in labels):
        return Fitted(None, length)  # the cut took every trained token
    return Fitted({"input_ids": ids, "labels": labels}, length, cut=True)


def fit_unpaired(row: Row, limits: Limits) -> Fitted:
    """Fit a prompt and its labelled completion. Where a cut leaves nothing of one of them, the row is dropped."""
    prompt, completion = row["prompt_ids"], row["completion_ids"]
    labels = [IGNORED] * len(prompt) + completion
    fitted = fit_sequence({"input_ids": prompt + completion, "labels": labels, "prompt_length": len(prompt)}, limits)
    if fitted.row is None:
        return fitted
    ids = fitted.row["input_ids"]
    border = sum(label == IGNORED for label in fitted.row["labels"])
    if border == 0:
        return Fitted(None, fitted.length)  # a completion of nothing
    made = {"prompt_ids": ids[:border], "completion_ids": ids[border:], "label": row["label"]}
    return Fitted(made, fitted.length, fitted.cut)


def fit_steps(row: Row, limits: Limits) -> Fitted:
    """Fit a solution. A cut leaves the steps whose placeholders it leaves, where something stands before them."""
    ids, length = row["input_ids"], len(row["input_ids"])
    if not _over(length, limits.row):
        return Fitted(row, length)
    if limits.overlong == "error":
        raise OverlongError(_over_text(length, limits.row, 0, None))
    if limits.overlong == "drop" or limits.row is None:
        return Fitted(None, length)
    start = length - limits.row if limits.overlong == "left" else 0
    kept = [
        (position - start, target)
        for position, target in zip(row["positions"], row["targets"], strict=True)
        if start < position < start + limits.row
    ]
    if not kept:
        return Fitted(None, length)
    positions, targets = zip(*kept, strict=True)
    cut = {"input_ids": ids[start : start + limits.row], "positions": list(positions), "targets": list(targets)}
    return Fitted(cut, length, cut=True)


def fit_preference(row: Row, limits: Limits, others: Row | None = None) -> Fitted:
    """Fit a prompt and two responses; ``others`` is kept beside them. Both responses keep the same prompt.

    ``right`` cuts the responses alike; where that takes all that tells them apart, the row is dropped. ``left`` cuts
    the prompt; where a response leaves no room for one, the row is dropped.
    """
    prompt, chosen, rejected = row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]
    longest = max(len(chosen), len(rejected))
    length = len(prompt) + longest
    over_prompt = limits.prompt is not None and len(prompt) > limits.prompt
    if not over_prompt and not _over(length, limits.row):
        return Fitted(_preference(prompt, chosen, rejected, others), length)
    if limits.overlong == "error":
        raise OverlongError(_over_text(length, limits.row, len(prompt), limits.prompt))
    if limits.overlong == "drop":
        return Fitted(None, length)
    if over_prompt:
        prompt = prompt[-limits.prompt :] if limits.overlong == "left" and limits.prompt else prompt[: limits.prompt]
    if limits.row is not None:
        room = limits.row - (longest if limits.overlong == "left" else len(prompt))
        if room < 1:
            return Fitted(None, length)
        if limits.overlong == "left":
            prompt = prompt[-room:]
        else:
            chosen, rejected = chosen[:room], rejected[:room]
    if chosen == rejected:
        return Fitted(None, length)
    return Fitted(_preference(prompt, chosen, rejected, others), length, cut=True)


def fit_prompt(row: Row, limits: Limits) -> Fitted:
    """Fit a prompt that stays text. A cut is made later, on its tokens, when the trainer samples from it."""
    length: int = row["prompt_length"]
    if not _over(length, limits.prompt):
        return Fitted(row["row"], length)
    if limits.overlong == "error":
        raise OverlongError(_over_text(None, None, length, limits.prompt))
    return Fitted(None, length) if limits.overlong == "drop" else Fitted(row["row"], length, cut=True)


def _preference(prompt: list[int], chosen: list[int], rejected: list[int], others: Row | None) -> Row:
    return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected, **(others or {})}


def _over(length: int, limit: int | None) -> bool:
    return limit is not None and length > limit


def _over_text(length: int | None, limit: int | None, prompt: int, prompt_limit: int | None) -> str:
    if prompt_limit is not None and prompt > prompt_limit:
        return f"its prompt has {prompt} tokens, over data.max_prompt_length ({prompt_limit})"
    return f"it has {length} tokens, over data.max_length ({limit})"
