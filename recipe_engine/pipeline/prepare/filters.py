"""Steps that drop rows by what they are: their length, their language, or by chance."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

from recipe_engine.data.cells import Row, cell
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.location import locate
from recipe_engine.data.messages import is_conversation
from recipe_engine.pipeline.prepare.languages import CODES, same_language
from recipe_engine.pipeline.prepare.step import Apply, DroppedRow, EnoughRows, StepContext
from recipe_engine.recipe.stages.steps import LanguageStep, LengthStep, SampleStep

_MEASURED = (("messages",), ("conversations",), ("prompt", "completion"), ("prompt", "chosen"), ("prompt",), ("text",))


def length(settings: LengthStep, context: StepContext) -> Apply:
    """Drop rows that are too short or too long.

    Raises:
        DataError: tokens are to be counted, and there is no tokenizer.
    """
    count = _counter(settings)
    least, most = settings.at_least, settings.at_most

    def apply(row: Row, number: int) -> list[Row]:
        size = sum(map(count, texts_of(row, settings.column)))
        if size < least:
            raise DroppedRow(f"shorter than {least} {settings.unit}")
        if most is not None and size > most:
            raise DroppedRow(f"longer than {most} {settings.unit}")
        return [row]

    return apply


def texts_of(row: Row, column: str | None) -> list[str]:
    """The texts of a row, or of one of its columns; those of a conversation one by one.

    Raises:
        RowError: there are none.
    """
    names = (column,) if column else next((some for some in _MEASURED if all(name in row for name in some)), None)
    if names is None:
        raise RowError("text", "is missing, and so are messages and prompt: the step's `column` says what is meant")
    texts: list[str] = []
    for name in names:
        value = cell(row, name)
        if isinstance(value, str):
            texts.append(value)
        elif is_conversation(value):
            turns = value if isinstance(value, list) else [value]
            texts += [str(turn.get("content", turn.get("value")) or "") for turn in turns]
        else:
            raise RowError(name, "is missing" if value is None else f"is {type(value).__name__}, not text or messages")
    return texts


def _counter(settings: LengthStep) -> Callable[[str], int]:
    if settings.unit == "characters":
        return len
    if settings.unit == "words":
        return lambda text: len(text.split())
    if settings.tokenizer is None:
        raise DataError("D404", "the step length counts tokens, and names no tokenizer", hint="tokenizer: MODEL")
    encode = _tokenizer(settings.tokenizer).encode
    return lambda text: len(encode(text, add_special_tokens=False).ids)


def _tokenizer(name: str) -> Any:
    """The tokenizer of a model, without torch and without transformers.

    Raises:
        DataError: it cannot be read.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        hint = "install the package's `train` extra"
        raise DataError("D408", "counting tokens needs the package tokenizers", hint=hint) from error
    location = locate(name)
    try:
        if location.kind == "local":
            return Tokenizer.from_file(os.path.join(location.value, "tokenizer.json"))
        return Tokenizer.from_pretrained(name)
    except Exception as error:  # the library raises nothing narrower
        raise DataError("D401", f"the tokenizer {name} cannot be read: {error}") from error


def language(settings: LanguageStep, context: StepContext) -> Apply:
    """Drop rows in other languages than those named.

    Raises:
        DataError: the language is to be found from the text, and py3langid is not installed or does not know one.
    """
    find = None if settings.column else _language_finder(settings.keep)

    def apply(row: Row, number: int) -> list[Row]:
        if find is None:
            found = cell(row, settings.column or "")
            if not isinstance(found, str):
                raise RowError(str(settings.column), "names no language")
        else:
            found = find("\n".join(texts_of(row, None)))
        if not any(same_language(found, wanted) for wanted in settings.keep):
            raise DroppedRow(f"language {found}")
        return [row]

    return apply


def _language_finder(wanted: list[str]) -> Callable[[str], str]:
    unknown = [name for name in wanted if name.lower() not in CODES and name.lower() not in CODES.values()]
    if unknown:
        raise DataError("D404", f"{unknown[0]} is no language that is known here", hint=f"known: {', '.join(CODES)}")
    try:
        import py3langid
    except ImportError as error:
        hint = 'pip install -e ".[prepare]" -c constraints.txt; or name a column that says the language: column: ...'
        raise DataError("D408", "finding languages needs the package py3langid", hint=hint) from error
    classify = py3langid.classify
    return lambda text: str(classify(text)[0])


def sample(settings: SampleStep, context: StepContext) -> Apply:
    """Take the first rows, or a random share of them."""
    taken = 0

    def apply(row: Row, number: int) -> list[Row]:
        nonlocal taken
        if settings.share is not None and Random(f"{context.seed}:sample:{number}").random() >= settings.share:
            raise DroppedRow("not drawn")
        if settings.first is not None and taken >= settings.first:
            raise EnoughRows
        taken += 1
        return [row]

    return apply
