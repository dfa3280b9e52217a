"""1 where the chosen letter is the right one, else 0."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import MultipleChoiceReward
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, RowCheck, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, extractor, text_of

_BOXED = r"\\boxed\{\s*(?:\\text\{|\\mathrm\{|\\textbf\{)?\s*\(?([%s])\)?[.):]?\s*\}?\s*\}"
_STATED = (
    r"(?i:\b(?:answer|choice|option)\b)\s*(?i:is|are)?\s*[:=]?\s*(?i:is\b)?\s*(?i:option|choice)?\s*"
    r"[*_`\"'$]*[(\[]?([%s])(?![A-Za-z0-9'])"
)
_BRACKETED = r"(?<![A-Za-z0-9])[(\[]([%s])[)\]]"
_ALONE = r"(?m)^[\s*_`\"'$]*([%s])(?:[.):,;*_`\"'$\s]*$|[.):]\s)"
FORMS = (_BOXED, _STATED, _BRACKETED, _ALONE)
"""How a choice is written, the surest form first: of the first form that is there, the last mention counts."""


def make(settings: MultipleChoiceReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer."""
    find = finder(settings)

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        rights = column(columns, settings.answer_column, len(completions))
        lists: Sequence[Any] = [None] * len(completions)
        if settings.choices_column is not None:
            lists = column(columns, settings.choices_column, len(completions))
        return [
            _scored(
                find(text_of(text), choices_of(choices)), right_letter(right, choices_of(choices), settings.letters)
            )
            for text, right, choices in zip(completions, rights, lists, strict=True)
        ]

    return score


def row_check(settings: MultipleChoiceReward, run: RewardContext) -> RowCheck:
    """The check that a row names a right choice."""

    def check(row: Mapping[str, Any]) -> None:
        choices = None
        if settings.choices_column is not None:
            choices = choices_of(cell(row, settings.choices_column))
            if choices is None:
                raise RowError(settings.choices_column, "holds no list of choices")
        value = cell(row, settings.answer_column)
        if right_letter(value, choices, settings.letters) is None:
            known = settings.letters if choices is None else settings.letters[: len(choices)]
            what = "a text of choices_column, or a number from 0" if choices else "with choices_column a text or number"
            raise RowError(
                settings.answer_column,
                f"holds no right choice for the reward multiple_choice: {value!r} (a letter of {known}; {what})",
            )

    return check


def finder(settings: MultipleChoiceReward) -> Any:
    """A function from a text and the choices, where they are known, to the letter chosen; none where there is none."""
    if settings.pattern is not None:
        extract = extractor(settings.pattern)
        return lambda text, choices: (extract(text) or "").strip().strip("().").upper() or None

    def find(text: str, choices: Sequence[str] | None) -> str | None:
        letters = settings.letters if choices is None else settings.letters[: len(choices)]
        both = letters + letters.lower()
        for form in FORMS:
            if found := list(re.finditer(form % (both if form in (_BOXED, _BRACKETED) else letters), text)):
                return found[-1].group(1).upper()
        bare = text.strip().strip("*_`\"'$().:").casefold()
        if len(bare) == 1 and bare.upper() in letters:
            return bare.upper()
        if choices is not None:
            return right_letter(text.strip().rstrip("."), choices, letters)
        return None

    return find


def right_letter(value: Any, choices: Sequence[str] | None, letters: str) -> str | None:
    """The letter of a choice that is named by its letter, its number from 0, or its text; none where it is none."""
    known = letters if choices is None else letters[: len(choices)]
    if isinstance(value, int) and not isinstance(value, bool):
        return known[value] if choices is not None and 0 <= value < len(known) else None
    if not isinstance(value, str) or not value.strip():
        return None
    plain = value.strip()
    if choices is not None:
        places = [place for place, choice in enumerate(choices) if choice.strip().casefold() == plain.casefold()]
        if len(places) == 1 and places[0] < len(known):
            return known[places[0]]
    letter = plain.strip("().:").upper()
    return letter if len(letter) == 1 and letter in known else None


def choices_of(value: Any) -> list[str] | None:
    """The choices of a cell: a list of texts, that as JSON, or ``{"text": [...]}`` as ARC and CommonsenseQA have it."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, Mapping):
        value = value.get("text")
    if not isinstance(value, list) or not value:
        return None
    return [str(choice) for choice in value]


def _scored(found: str | None, right: str | None) -> Scored:
    return Scored(float(found is not None and found == right), {"found": float(found is not None)})
