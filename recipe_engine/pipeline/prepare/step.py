"""What a step is: a function from a row to the rows it becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipe_engine.data.cells import Row
from recipe_engine.recipe.thinking import ThinkingBlock

Apply = Callable[[Row, int], Sequence[Row]]
"""Takes a row and its number, from 0 on, over all that is read.

It raises ``DroppedRow`` for a row that is left out, ``RowError`` for one that it cannot read, and ``EnoughRows`` where
no further row is wanted.
"""


class DroppedRow(Exception):
    """A row is left out. The text is the reason under which it is counted."""


class EnoughRows(Exception):
    """This row and all after it are not wanted."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What steps are given beside their settings."""

    seed: int
    """The stage's."""
    thinking: ThinkingBlock | None
    """The pipeline's."""
    scratch: Path
    """A folder for what does not fit into memory; it is removed at the end."""
    read: Callable[[str, str], Iterator[Row]]
    """Rows of another dataset, by its name and split."""
