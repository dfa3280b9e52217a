"""``python -m recipe_engine.runtime.inspect COMPILED.json ROWS``: rendered rows, trained tokens, lengths, drops."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.runtime.counts import DatasetCounts, Outcome, describe, tally
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.lengths import limits_of
from recipe_engine.runtime.model import model_path
from recipe_engine.runtime.prepare import opened, outcome_function
from recipe_engine.runtime.tokenize import IGNORED
from recipe_engine.runtime.tokenizer import load_tokenizer

BINS = 12
BAR_WIDTH = 40
SHOWN_PROBLEMS = 5
OPEN, CLOSE = ("\x1b[32m", "\x1b[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("⟦", "⟧")
"""Around the trained part of a row: green in a terminal, brackets elsewhere."""


def main(arguments: list[str]) -> int:
    """Show the datasets of a compiled run. Returns the exit code."""
    run = CompiledRun.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    shown_rows = int(arguments[1])
    try:
        tokenizer = load_tokenizer(run, model_path(run), print)
        with TemporaryDirectory() as cache:
            for entry in [*run.data.datasets, *run.data.eval_datasets]:
                show_dataset(run, entry, tokenizer, shown_rows, Path(cache))
    except (RunError, DataError) as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return 1
    return 0


def show_dataset(
    run: CompiledRun, entry: DatasetEntry, tokenizer: PreTrainedTokenizerBase, shown_rows: int, cache: Path
) -> None:
    """Print the first rows as they are trained on, the lengths of all rows, and what is not used."""
    converter, rows = opened(run, entry, cache)
    outcome_of = outcome_function(run, converter, tokenizer)
    counts = DatasetCounts(entry.name, converter.format or "prompt templates", converter.shape)
    problems: list[str] = []
    print(f"{entry.name} [{entry.split}]: {counts.format} rows, trained as {converter.shape.replace('_', ' and ')}")
    for number, raw in enumerate(rows, start=1):
        outcome = outcome_of(raw)
        tally(counts, outcome)
        if number <= shown_rows:
            print(f"\n--- row {number}{_note(outcome)}\n{_rendered(outcome, tokenizer)}")
        problem = outcome.invalid or outcome.refused
        if problem is not None and len(problems) < SHOWN_PROBLEMS:
            problems.append(f"row {number}: {problem}")
    print(f"\n{entry.name}: {describe(counts)}")
    for problem in problems:
        print(f"  {problem}")
    limits = limits_of(run, converter.shape)
    limit, name = (
        (limits.prompt, "the prompt limit") if converter.shape == "prompt" else (limits.row, "data.max_length")
    )
    for line in histogram(counts.lengths, limit, name):
        print(line)
    print()


def histogram(lengths: list[int], limit: int | None, limit_name: str) -> list[str]:
    """Lengths in tokens as bars, a line a bin, with the limit marked."""
    if not lengths:
        return []
    low, high = min(lengths), max(lengths)
    width = max((high - low) // BINS + 1, 1)
    bins = [0] * ((high - low) // width + 1)
    for length in lengths:
        bins[(length - low) // width] += 1
    ordered = sorted(lengths)
    middle, most = ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    lines = [f"tokens: shortest {low}, median {middle}, 95% up to {most}, longest {high}"]
    for index, count in enumerate(bins):
        start, end = low + index * width, low + (index + 1) * width - 1
        mark = f"  <- {limit_name} {limit}" if limit is not None and start <= limit <= end else ""
        bar = "#" * max(round(count / max(bins) * BAR_WIDTH), count > 0)
        lines.append(f"  {start:>6}-{end:<6} {count:>7} {bar}{mark}")
    if limit is not None and limit > high:
        lines.append(f"  {limit_name} {limit}: no row is over it")
    return lines


def _note(outcome: Outcome) -> str:
    if outcome.fitted is None:
        return " (not used)"
    if outcome.fitted.row is None:
        return f" ({outcome.fitted.length} tokens: over the limit, dropped)"
    return f" ({outcome.fitted.length} tokens{', cut' if outcome.fitted.cut else ''})"


def _rendered(outcome: Outcome, tokenizer: PreTrainedTokenizerBase) -> str:
    row = outcome.fitted.row if outcome.fitted else None
    if row is None:
        return outcome.invalid or outcome.refused or ""
    if "labels" in row:
        return _marked(row["input_ids"], [label != IGNORED for label in row["labels"]], tokenizer)
    if "prompt_ids" in row:
        return "\n".join(
            f"{name}: "
            + _marked(
                row["prompt_ids"] + row[key], [False] * len(row["prompt_ids"]) + [True] * len(row[key]), tokenizer
            )
            for name, key in (("chosen", "chosen_ids"), ("rejected", "rejected_ids"))
        )
    prompt = row["prompt"]
    text = prompt if isinstance(prompt, str) else _opened_turn(prompt, tokenizer)
    others = "\n".join(f"  {name}: {value!r}" for name, value in row.items() if name != "prompt")
    return f"{text}\n{others}" if others else text


def _opened_turn(messages: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase) -> str:
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return str(text)


def _marked(ids: list[int], trained: list[bool], tokenizer: PreTrainedTokenizerBase) -> str:
    """The row's text, with each stretch of trained tokens marked."""
    text, start = "", 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or trained[end] != trained[start]:
            part = str(tokenizer.decode(ids[start:end]))
            text += f"{OPEN}{part}{CLOSE}" if trained[start] else part
            start = end
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
