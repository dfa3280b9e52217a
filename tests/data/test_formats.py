from __future__ import annotations

from typing import Any

import pytest

from recipe_engine.data.errors import DataError
from recipe_engine.data.formats import COLUMNS, NAMING, OPTIONAL, ORDER, SHAPES, find_format, formats_for
from recipe_engine.recipe.data import DatasetEntry, RowFormat, RowShape
from tests.data.support import CPT, DPO, GRPO, SFT


def found(columns: list[str], shapes: tuple[RowShape, ...], **entry: Any) -> RowFormat:
    return find_format(DatasetEntry(name="d", **entry), columns, shapes)


def refused(columns: list[str], shapes: tuple[RowShape, ...], **entry: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        found(columns, shapes, **entry)
    return caught.value


def test_every_format_has_shapes_columns_and_a_place_in_the_search() -> None:
    assert set(SHAPES) == set(COLUMNS) == set(ORDER)
    assert {setting for columns in COLUMNS.values() for setting, _ in columns} <= set(NAMING)
    assert {setting for settings in OPTIONAL.values() for setting in settings} <= set(NAMING)


@pytest.mark.parametrize(
    ("columns", "shapes", "expected"),
    [
        (["text"], SFT, "text"),
        (["text"], CPT, "text"),
        (["messages", "text"], SFT, "messages"),
        (["conversations"], SFT, "sharegpt"),
        (["prompt", "completion"], SFT, "prompt_completion"),
        (["instruction", "input", "output"], SFT, "alpaca"),
        (["chosen", "rejected"], DPO, "preference"),
        (["prompt", "chosen", "rejected", "messages"], DPO, "preference"),
        (["conversations", "chosen", "rejected"], DPO, "preference"),
        (["prompt", "answer"], GRPO, "prompt"),
        (["messages"], GRPO, "messages"),
        (["prompt", "messages"], GRPO, "messages"),
    ],
)
def test_a_format_is_found_from_the_columns(
    columns: list[str], shapes: tuple[RowShape, ...], expected: RowFormat
) -> None:
    assert found(columns, shapes) == expected


def test_columns_under_other_names_are_found_when_named() -> None:
    assert found(["q", "a"], SFT, prompt_column="q", completion_column="a") == "prompt_completion"
    assert found(["good", "bad"], DPO, chosen_column="good", rejected_column="bad") == "preference"


def test_a_format_that_reads_the_named_column_is_taken_before_a_more_telling_one() -> None:
    assert found(["messages", "body"], SFT, text_column="body") == "text"
    assert found(["messages", "q"], GRPO, prompt_column="q") == "prompt"


def test_a_named_column_that_nothing_would_read_is_an_error() -> None:
    error = refused(["chosen", "rejected", "body"], DPO, text_column="body")
    assert (error.code, error.setting) == ("D404", "text_column")


@pytest.mark.parametrize("setting", ["chosen_column", "prompt_column", "messages_column"])
def test_a_named_column_that_is_not_there_is_an_error_at_its_key(setting: str) -> None:
    error = refused(["chosen", "rejected"], DPO, **{setting: "chsen"})
    assert (error.code, error.setting) == ("D403", setting)
    assert error.message == "there is no column `chsen`; the columns are `chosen`, `rejected`"


def test_a_named_format_without_its_column_says_which_key_names_it() -> None:
    error = refused(["q"], GRPO, format="prompt")
    assert (error.code, error.setting, error.hint) == ("D403", "format", "say which column it is: prompt_column: ...")


def test_a_named_format_that_cannot_be_trained_on_lists_those_that_can() -> None:
    error = refused(["text"], DPO, format="text")
    assert (error.code, error.setting) == ("D404", "format")
    assert "preference, sharegpt" in error.message


def test_conversations_alone_are_no_preference() -> None:
    assert refused(["conversations"], DPO).code == "D404"
    assert refused(["conversations"], DPO, format="sharegpt").message.startswith("there is no column `chosen`")


def test_where_nothing_fits_the_columns_and_all_formats_are_listed() -> None:
    error = refused(["a", "b"], SFT)
    assert error.code == "D404"
    assert "`a`, `b`" in error.message
    assert all(name in str(error.hint) for name in formats_for(SFT))
