from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.check import SHOWN_ERRORS, DatasetReport, check_dataset, local_rows
from recipe_engine.data.errors import DataError
from recipe_engine.recipe.data import DataBlock, DatasetEntry
from tests.data.support import SFT


def written(folder: Path, rows: list[dict[str, Any]]) -> str:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def checked(name: str, limit: int | None = None, shuffle: bool = False, **entry: Any) -> DatasetReport:
    described = DatasetEntry(name=name, **entry)
    report = check_dataset(described, DataBlock(datasets=[described], shuffle=shuffle), SFT, limit)
    assert report is not None
    return report


def texts(*values: str | None) -> list[dict[str, str | None]]:
    return [{"text": value} for value in values]


def test_rows_are_counted_and_bad_ones_named_by_row_and_column(tmp_path: Path) -> None:
    report = checked(written(tmp_path, texts("a", None, "c", "")))
    assert (report.rows, report.used, report.invalid_count) == (4, 2, 2)
    assert [(error.row, error.column) for error in report.invalid] == [(2, "text"), (4, "text")]


def test_only_the_first_bad_rows_are_kept_but_all_are_counted(tmp_path: Path) -> None:
    report = checked(written(tmp_path, texts("a", *[""] * 20)))
    assert (len(report.invalid), report.invalid_count) == (SHOWN_ERRORS, 20)


def test_rows_beyond_max_samples_are_counted_and_not_judged(tmp_path: Path) -> None:
    report = checked(written(tmp_path, texts("a", "b", "")), max_samples=2)
    assert (report.rows, report.used, report.invalid_count) == (3, 2, 0)


def test_with_shuffle_any_row_may_be_drawn_so_all_are_judged(tmp_path: Path) -> None:
    report = checked(written(tmp_path, texts("a", "b", "")), shuffle=True, max_samples=1)
    assert (report.rows, report.used, report.invalid_count) == (3, 1, 1)


def test_a_limit_bounds_the_work(tmp_path: Path) -> None:
    assert checked(written(tmp_path, texts("a", "b", "c")), limit=2).rows == 2


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        checked(written(tmp_path, []))
    assert caught.value.code == "D406"


def test_what_is_elsewhere_is_not_checked() -> None:
    for name in ("Anthropic/hh-rlhf", "s3://bucket/rows.jsonl"):
        entry = DatasetEntry(name=name)
        assert check_dataset(entry, DataBlock(datasets=[entry]), SFT) is None


@pytest.mark.parametrize("setting", ["subset", "revision"])
def test_only_datasets_on_the_hub_have_a_subset_and_a_revision(tmp_path: Path, setting: str) -> None:
    for name in (written(tmp_path, texts("a")), "s3://bucket/rows.jsonl"):
        with pytest.raises(DataError) as caught:
            local_rows(DatasetEntry(name=name, **{setting: "x"}))
        assert caught.value.setting == setting
    assert local_rows(DatasetEntry(name="org/name", **{setting: "x"})) is None


def test_an_embedded_dataset_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError) as caught:
        local_rows(DatasetEntry(name="builtin/nothing"))
    assert (caught.value.code, caught.value.setting) == ("D401", "name")
