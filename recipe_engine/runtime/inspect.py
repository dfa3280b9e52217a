"""What a run trains on: rendered rows, trained tokens, lengths, and what is dropped."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.diagnostics.visible import visible_lines
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.runtime.counts import DatasetCounts, Outcome, describe, tally
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.lengths import limits_of
from recipe_engine.runtime.model import model_path
from recipe_engine.runtime.prepare import counts_of, opened, outcome_function
from recipe_engine.runtime.thoughts import Opener, thought_opener
from recipe_engine.runtime.tokenize import IGNORED
from recipe_engine.runtime.tokenizer import load_tokenizer

BINS = 12
BAR_WIDTH = 40
SHOWN_PROBLEMS = 5
PASSED_OVER = 5
"""How many rows that are not used are named among those that are shown."""
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and line feed, marks of writing direction, and halves of surrogate pairs."""

BRACKETS = ("⟦", "⟧")
GREEN = ("\x1b[32m", "\x1b[0m")


def inspect_run(compiled: Path, shown_rows: int) -> int:
    """Show the datasets of a compiled run, of each the first ``shown_rows`` that are used. Returns the exit code."""
    run = CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # rows may hold what the terminal's encoding lacks
    try:
        tokenizer = load_tokenizer(run, model_path(run), print)
        with TemporaryDirectory() as cache:
            for entry in [*run.data.datasets, *run.data.eval_datasets]:
                show_dataset(run, entry, tokenizer, shown_rows, Path(cache))
    except (RunError, DataError) as error:
        print(visible_lines(f"error: {error.message}"), file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader (head, less) left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def marks() -> tuple[str, str]:
    """What stands around the trained part of a row: green in a terminal, brackets elsewhere."""
    colorful = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return GREEN if colorful else BRACKETS


def show_dataset(
    run: CompiledRun, entry: DatasetEntry, tokenizer: PreTrainedTokenizerBase, shown_rows: int, cache: Path
) -> None:
    """Print the first rows as they are trained on, the lengths of all rows, and what is not used."""
    converter, rows = opened(run, entry, cache)
    outcome_of = outcome_function(run, converter, tokenizer)
    opening = thought_opener(run.thinking, tokenizer)
    counts = counts_of(entry, converter)
    problems: list[str] = []
    shown = passed_over = 0
    shape = converter.shape.replace("_", " and ")
    print(visible_lines(f"{entry.name} [{entry.split}]: {counts.format} rows, trained as {shape}"))
    for number, raw in enumerate(rows, start=1):
        outcome = outcome_of(raw)
        tally(counts, outcome)
        used = outcome.fitted is not None and outcome.fitted.row is not None
        if shown < shown_rows and (used or passed_over < PASSED_OVER):
            print(f"\n--- row {number}{_note(outcome)}\n{_rendered(outcome, tokenizer, opening)}".rstrip())
            shown += used
            passed_over += not used
        problem = outcome.invalid or outcome.refused
        if problem is not None and len(problems) < SHOWN_PROBLEMS:
            problems.append(f"  row {number}: {harmless(problem)}")
    print("\n".join(["", visible_lines(f"{entry.name}: {describe(counts)}"), *problems, *_after_problems(run, counts)]))
    if entry.max_samples is not None and run.data.shuffle and counts.used > entry.max_samples:
        print(f"  training draws {entry.max_samples} of them (max_samples, with data.shuffle)")
    limits = limits_of(run, converter.shape)
    if converter.shape == "prompt":
        lines = histogram(counts.lengths, limits.prompt, "the prompt limit")
    else:
        lines = histogram(counts.lengths, limits.row, "data.max_length")
    print("\n".join([*lines, ""]))


def _after_problems(run: CompiledRun, counts: DatasetCounts) -> list[str]:
    lines = []
    hidden = counts.invalid + counts.refused - SHOWN_PROBLEMS
    if hidden > 0:
        lines.append(f"  and {hidden} more")
    if counts.invalid and run.data.invalid_rows == "error":
        lines.append("  training stops at an invalid row; data.invalid_rows: drop leaves such rows out")
    return lines


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
    elif limit is not None and limit < low:
        lines.append(f"  {limit_name} {limit}: every row is over it")
    return lines


def _note(outcome: Outcome) -> str:
    if outcome.fitted is None:
        return " (not used)"
    if outcome.fitted.row is None:
        return f" ({outcome.fitted.length} tokens: over the limit, dropped)"
    return f" ({outcome.fitted.length} tokens{', cut' if outcome.fitted.cut else ''})"


def _rendered(outcome: Outcome, tokenizer: PreTrainedTokenizerBase, opening: Opener) -> str:
    row = outcome.fitted.row if outcome.fitted else None
    if row is None:
        return harmless(outcome.invalid or outcome.refused or "")
    if "labels" in row:
        return _marked(row["input_ids"], [label != IGNORED for label in row["labels"]], tokenizer)
    if "positions" in row:
        trained = [position in row["positions"] for position in range(len(row["input_ids"]))]
        return f"{_marked(row['input_ids'], trained, tokenizer)}\nlabels: {row['targets']}"
    if "completion_ids" in row:
        prompt, completion = row["prompt_ids"], row["completion_ids"]
        shown = _marked(prompt + completion, [False] * len(prompt) + [True] * len(completion), tokenizer)
        return f"{'desirable' if row['label'] else 'undesirable'}: {shown}"
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
    text += tokenizer.decode(opening(tokenizer(text, add_special_tokens=False)["input_ids"]))
    others = "\n".join(f"  {name}: {value!r}" for name, value in row.items() if name != "prompt")
    return harmless(f"{text}\n{others}" if others else text)


def _opened_turn(messages: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase) -> str:
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return str(text)


def _marked(ids: list[int], trained: list[bool], tokenizer: PreTrainedTokenizerBase) -> str:
    """The row's text, with each stretch of trained tokens marked."""
    opening, closing = marks()
    text, start = "", 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or trained[end] != trained[start]:
            part = harmless(str(tokenizer.decode(ids[start:end])))
            text += f"{opening}{part}{closing}" if trained[start] else part
            start = end
    return text


def harmless(text: str) -> str:
    """Text of a row, with an escape for what would steer the terminal or turn the direction of writing."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
