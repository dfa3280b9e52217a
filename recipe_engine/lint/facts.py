"""What follows from a recipe and several rules ask for."""

from __future__ import annotations

from collections.abc import Iterable

from recipe_engine.lint.rule import Context
from recipe_engine.parallel.precision import Precision, precision_of
from recipe_engine.source import Path


def mixed_precision(context: Context) -> Precision | None:
    """The 16-bit type that training computes in, or none."""
    return precision_of(context.recipe)


def has_evaluation_rows(context: Context) -> bool:
    """Whether the recipe sets rows aside to measure on."""
    return bool(context.recipe.data.eval_datasets) or context.recipe.data.eval_holdout is not None


def in_use(context: Context, block: str, names: Iterable[str]) -> list[str]:
    """Those keys of ``block`` that the recipe sets to something other than null and false, in the order of the file."""
    written = context.document.tree.get(block) or {}
    found = [n for n in names if context.given(block, n) and written[n] is not None and written[n] is not False]
    return sorted(found, key=lambda name: context.document.key_span((block, name)))


def enumerated(names: list[str], word: str = "and") -> str:
    """Names as a sentence has them: ``a``, ``a and b``, ``a, b and c``."""
    return f" {word} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def short(number: float) -> str:
    """A number as one writes it in a recipe: ``100``, ``0.02``, ``1e-7``."""
    return f"{number:g}".replace("e-0", "e-").replace("e+0", "e+")


def first_given(context: Context, *paths: Path) -> Path:
    """The first of ``paths`` that the recipe gives; where it gives none of them, the first of all."""
    return next((path for path in paths if context.given(*path)), paths[0])
