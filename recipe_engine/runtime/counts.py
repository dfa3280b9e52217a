"""What became of the rows of a dataset, counted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from recipe_engine.runtime.lengths import Fitted

Row = dict[str, Any]


@dataclass(slots=True)
class DatasetCounts:
    """What became of the rows of one dataset."""

    name: str
    format: str
    shape: str
    read: int = 0
    invalid: int = 0
    overlong_dropped: int = 0
    overlong_cut: int = 0
    refused: int = 0
    used: int = 0
    reshaped_prompts: int = 0
    unread_thoughts: str | None = None
    """Where the rows hold thoughts that no ``thinking`` block renders."""
    lengths: list[int] = field(default_factory=list, repr=False)
    """Tokens of every row before any cut (of prompts, where only those are given)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one raw row became: a fitted row, or the reason why it cannot be used."""

    fitted: Fitted | None = None
    reshaped_prompt: bool = False
    """Whether the prompt alone is tokenized otherwise than before its response."""
    invalid: str | None = None
    refused: str | None = None
    """Over a limit, where the recipe calls that an error."""


def tally(counts: DatasetCounts, outcome: Outcome) -> Row | None:
    """Count what became of one raw row. Returns the row to train on, if it is used."""
    counts.read += 1
    if outcome.fitted is None:
        counts.invalid += outcome.invalid is not None
        counts.refused += outcome.refused is not None
        return None
    counts.lengths.append(outcome.fitted.length)
    if outcome.fitted.row is None:
        counts.overlong_dropped += 1
        return None
    counts.overlong_cut += outcome.fitted.cut
    counts.reshaped_prompts += outcome.reshaped_prompt
    counts.used += 1
    return outcome.fitted.row


def describe(count: DatasetCounts) -> str:
    """The counts in words."""
    parts = [f"{count.read} rows read", f"{count.used} used"]
    if count.overlong_dropped:
        share = count.overlong_dropped / max(count.read, 1)
        parts.append(f"{count.overlong_dropped} over the length limit dropped ({share:.0%})")
    if count.overlong_cut:
        parts.append(f"{count.overlong_cut} over the length limit cut")
    if count.refused:
        parts.append(f"{count.refused} over the length limit, which the recipe calls an error")
    if count.invalid:
        parts.append(f"{count.invalid} invalid")
    if count.reshaped_prompts:
        parts.append(f"{count.reshaped_prompts} whose prompt ends in other tokens alone than before its response")
    if count.unread_thoughts is not None:
        parts.append(f"thoughts in `{count.unread_thoughts}`, which no thinking block renders")
    return ", ".join(parts)


def counts_as_data(counts: list[DatasetCounts]) -> list[dict[str, Any]]:
    """The counts as plain data, without the single lengths."""
    return [{name: value for name, value in asdict(count).items() if name != "lengths"} for count in counts]
