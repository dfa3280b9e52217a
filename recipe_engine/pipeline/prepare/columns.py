"""Columns renamed, kept, left out and filled in."""

from __future__ import annotations

from recipe_engine.data.cells import Row, cell
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.templates import placeholders, render
from recipe_engine.pipeline.prepare.step import Apply, StepContext
from recipe_engine.recipe.stages.steps import ColumnsStep


def change_columns(settings: ColumnsStep, context: StepContext) -> Apply:
    """Rename, keep, leave out, fill in: in this order.

    Raises:
        DataError: a template is malformed.
    """
    for name, template in settings.fill.items():
        try:
            placeholders(template)
        except ValueError as error:
            raise DataError("D407", f"the template of `{name}`: {error}") from error
    left_out = frozenset(settings.leave_out)

    def apply(row: Row, number: int) -> list[Row]:
        made = dict(row)
        for old, new in settings.rename.items():
            value = cell(row, old)
            if value is None and old.partition(".")[0] not in row:
                raise RowError(old, "is missing, and is to be renamed")
            made.pop(old, None)
            made[new] = value
        if settings.keep is not None:
            made = {name: made[name] for name in settings.keep if name in made}
        if left_out:
            made = {name: value for name, value in made.items() if name not in left_out}
        for name, template in settings.fill.items():
            made[name] = render(template, made)
        return [made]

    return apply
