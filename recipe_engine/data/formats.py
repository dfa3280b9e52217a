"""Which format a dataset's rows have: as its entry says, else found from the names of its columns."""

from __future__ import annotations

from collections.abc import Collection

from recipe_engine.data.errors import DataError, MissingColumnError
from recipe_engine.recipe.data import DatasetEntry, RowFormat, RowShape

# What each format can become, best first.
SHAPES: dict[RowFormat, tuple[RowShape, ...]] = {
    "text": ("text",),
    "messages": ("messages", "prompt"),
    "sharegpt": ("messages", "preference"),
    "alpaca": ("prompt_completion",),
    "prompt_completion": ("prompt_completion",),
    "thought_response": ("prompt_completion",),
    "preference": ("preference",),
    "prompt": ("prompt",),
}
# The columns each format needs: (key of the dataset's entry, default name).
COLUMNS: dict[RowFormat, tuple[tuple[str, str], ...]] = {
    "text": (("text_column", "text"),),
    "messages": (("messages_column", "messages"),),
    "sharegpt": (("messages_column", "conversations"),),
    "alpaca": (("prompt_column", "instruction"), ("completion_column", "output")),
    "prompt_completion": (("prompt_column", "prompt"), ("completion_column", "completion")),
    "thought_response": (
        ("messages_column", "messages"),
        ("thought_column", "thought"),
        ("completion_column", "response"),
    ),
    "preference": (("chosen_column", "chosen"), ("rejected_column", "rejected")),
    "prompt": (("prompt_column", "prompt"),),
}
# Columns that a format reads where they are there.
OPTIONAL: dict[RowFormat, tuple[str, ...]] = {
    "messages": ("answer_column", "thought_column"),
    "sharegpt": (
        *("chosen_column", "rejected_column", "prompt_column"),
        *("thought_column", "chosen_thought_column", "rejected_thought_column"),
    ),
    "alpaca": ("thought_column",),
    "prompt_completion": ("thought_column",),
    "preference": ("prompt_column", "messages_column", "chosen_thought_column", "rejected_thought_column"),
    "prompt": ("answer_column",),
}
NAMING = tuple(name for name in DatasetEntry.model_fields if name.endswith("_column"))
"""Keys of a dataset's entry that name a column."""
# The order in which formats are looked for: the more telling columns first.
ORDER: tuple[RowFormat, ...] = (
    "preference",
    "thought_response",
    "messages",
    "sharegpt",
    "prompt_completion",
    "alpaca",
    "text",
    "prompt",
)


def formats_for(shapes: Collection[RowShape]) -> list[RowFormat]:
    """The formats whose rows can take one of the shapes."""
    return [name for name in ORDER if any(shape in shapes for shape in SHAPES[name])]


def column_of(entry: DatasetEntry, setting: str, default: str) -> str:
    """The name of a column: as the entry gives it, else the format's default."""
    given: str | None = getattr(entry, setting)
    return given or default


def shape_of(name: RowFormat, shapes: Collection[RowShape]) -> RowShape:
    """What rows of a format become, where these shapes can be trained on; one of them must fit."""
    return next(shape for shape in SHAPES[name] if shape in shapes)


def find_format(entry: DatasetEntry, columns: Collection[str], shapes: Collection[RowShape]) -> RowFormat:
    """The format of a dataset whose rows have these columns, among those that can be trained on.

    Where several fit, one that reads every column that the entry names is taken, and the more telling one of those.

    Raises:
        DataError: no format fits (D404), or a column that the entry names or its format needs is not there (D403).
    """
    given = [setting for setting in NAMING if getattr(entry, setting)]
    for setting in given:
        if getattr(entry, setting) not in columns:
            raise _missing(getattr(entry, setting), columns, setting)
    if entry.format is not None:
        if entry.format not in formats_for(shapes):
            wanted = ", ".join(formats_for(shapes))
            message = f"rows of format {entry.format} cannot be used here; it takes {wanted}"
            raise DataError("D404", message, setting="format")
        for setting, default in _needed(entry.format, shapes):
            if column_of(entry, setting, default) not in columns:
                hint = f"say which column it is: {setting}: ..."
                raise _missing(default, columns, "format", hint)
        return entry.format
    fitting = [
        name
        for name in formats_for(shapes)
        if all(column_of(entry, setting, default) in columns for setting, default in _needed(name, shapes))
    ]
    if not fitting:
        raise _no_format(entry, columns, shapes)
    for name in fitting:
        if set(given) <= _read_by(name):
            return name
    unread = next(setting for setting in given if setting not in _read_by(fitting[0]))
    message = f"its rows are of format {fitting[0]}, which has no use for `{unread}`"
    raise DataError("D404", message, setting=unread, hint="remove it, or name the format that is meant: format: ...")


def _needed(name: RowFormat, shapes: Collection[RowShape]) -> tuple[tuple[str, str], ...]:
    """The columns that a format needs to become a row of the shape at hand."""
    responses = COLUMNS["preference"] if shape_of(name, shapes) == "preference" and name != "preference" else ()
    return (*COLUMNS[name], *responses)


def _read_by(name: RowFormat) -> set[str]:
    return {setting for setting, _ in COLUMNS[name]} | set(OPTIONAL.get(name, ()))


def _missing(column: str, columns: Collection[str], setting: str, hint: str | None = None) -> MissingColumnError:
    return MissingColumnError(
        "D403", f"there is no column `{column}`; the columns are {_listed(columns)}", setting=setting, hint=hint
    )


def _no_format(entry: DatasetEntry, columns: Collection[str], shapes: Collection[RowShape]) -> DataError:
    wanted = "; ".join(
        f"{name} ({', '.join(column_of(entry, setting, default) for setting, default in _needed(name, shapes))})"
        for name in formats_for(shapes)
    )
    return DataError(
        "D404",
        f"its columns are {_listed(columns)}: none of the formats that can be trained on here",
        hint=f"formats and the columns they need: {wanted}. Name others with prompt_column, chosen_column, ...",
    )


def _listed(columns: Collection[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns) or "none"
